import Forwarder
import Glibc
import Synchronization
import WALStore

/// One running node: the store, the forwarder that drains it, the listeners and the scraper that fill it.
///
/// Everything starts in `start` and ends in `stop`; between them only `reload` changes anything.
final class Node: Sendable {
    let log: Log
    let telemetry: Telemetry
    let store: WALStore
    let forwarder: Forwarder
    let ingest: Ingest
    let backups: BackupDesk
    private let scraper: Scraper
    private let anchorer: Anchorer
    let alerts: AlertWatch
    private let transport: HTTPTransport
    private let overrides: Configuration.Overrides
    private let current: Mutex<Configuration>
    /// How many files may be open.
    private let fileLimit: Int
    private let servers = Mutex<Servers>(Servers())
    /// One reload, or the drain, at a time.
    private let turn = AsyncTurn()
    private let isDraining = Atomic(false)
    /// The drain waits for a reload that is under way.
    private let awaitsReload = Atomic(false)

    private struct Servers {
        var ingest: HTTPServer?
        var admin: HTTPServer?
    }

    /// Takes the data folder and puts the parts together; nothing listens and nothing is sent yet.
    ///
    /// - Parameter overrides: what the command line said; a reload applies it again.
    init(_ configuration: Configuration, _ overrides: Configuration.Overrides, log: Log) throws(SpoolError) {
        let telemetry = Telemetry()
        let fileLimit = FileLimit.raiseLimit()
        let outgoing = FileLimit.outgoing(of: configuration, within: fileLimit)
        var configuration = configuration
        FileLimit.fit(&configuration, to: fileLimit)
        self.fileLimit = fileLimit
        self.log = log
        self.telemetry = telemetry
        self.overrides = overrides
        let alerts = AlertWatch(events: { event in
            telemetry.events.with(LogRenderer.name(event.level)).add()
            log.write(event)
        })
        self.alerts = alerts
        let events: EventSink = { event in
            alerts.hear(event)
            telemetry.events.with(LogRenderer.name(event.level)).add()
            log.write(event)
        }
        if let refusal = SpoolInspection.refusal(of: configuration.dataDirectory) { throw refusal }
        let store = try WALStore(directory: configuration.dataDirectory, node: configuration.node, events: events)
        store.attach(overrides.space)
        self.store = store
        backups = BackupDesk(store, events: events)
        transport = HTTPTransport(maximumConnections: outgoing)
        forwarder = Forwarder(store: store, transport: transport, events: events)
        ingest = Ingest(
            settings: configuration.ingest,
            append: { request, tenant, completion in store.append(request, tenant: tenant, completion: completion) },
            progress: { name, tenant, completion in store.progress(of: name, tenant: tenant, completion: completion) },
            observe: { telemetry.ingested($0) })
        scraper = Scraper(ingest: ingest, transport: transport, events: events)
        anchorer = Anchorer(store: store, ingest: ingest, events: events)
        current = Mutex(configuration)
    }

    var configuration: Configuration { current.withLock { $0 } }
    var acceptsRequests: Bool { !isDraining.load(ordering: .acquiring) }
    /// The port that the system chose when the config asked for port 0.
    var port: UInt16 { servers.withLock { $0.ingest?.port ?? 0 } }
    var connections: Int { servers.withLock { $0.ingest?.connections ?? 0 } }
    var displacedConnections: Int { servers.withLock { $0.ingest?.displacedConnections ?? 0 } }

    /// Opens for business: the spools' backlog begins to drain, and the listeners accept.
    func start() async throws(NodeError) {
        let configuration = configuration
        do throws(SpoolError) { try await store.configure(configuration.spools) } catch {
            throw NodeError("the spools cannot be set up: \(error)")
        }
        tellTypeChanges(configuration)
        tellLeftTenants(configuration)
        forwarder.configure(configuration.routes)
        forwarder.start()
        do throws(HTTPServerError) {
            let admin = try HTTPServer(settings: configuration.adminListener, routes: adminRoutes, events: log.sink)
            servers.withLock { $0.admin = admin }
            let ingest = try HTTPServer(
                settings: configuration.server.ingestListener,
                routes: self.ingest.routes + expositionRoutes + publicRoutes,
                events: log.sink)
            servers.withLock { $0.ingest = ingest }
        } catch {
            await stop()
            throw NodeError(error.description)
        }
        await scraper.apply(configuration.scrapes)
        if let anchor = configuration.chain.anchor { anchorer.start(anchor) }
        alerts.start(configuration.alertmanager) { [weak self] in await self?.alertLook() }
    }

    /// Takes over the config file as it is now.
    ///
    /// - Parameter asked: by whom, for the event in each open spool whose configuration changes.
    /// - Throws: `ConfigurationError`; nothing has changed then.
    func reload(asked: String) async throws(ConfigurationError) -> ReloadReport {
        await turn.take()
        defer { turn.give() }
        guard acceptsRequests else { throw ConfigurationError(file: configuration.file, "the node is draining") }
        let old = configuration
        do throws(ConfigurationError) {
            var new = try Configuration.load(old.file, overrides)
            FileLimit.fit(&new, to: fileLimit)
            let report = try await apply(new, over: old, asked)
            telemetry.configReloads.with("ok").add()
            alerts.reloaded(refusal: nil)
            return report
        } catch {
            telemetry.configReloads.with("refused").add()
            alerts.reloaded(refusal: error.description)
            throw error
        }
    }

    /// Spools first, so that a request for a new tenant finds one; access last, so that none comes too early.
    private func apply(
        _ new: Configuration, over old: Configuration, _ asked: String
    ) async throws(ConfigurationError) -> ReloadReport {
        var applied = new
        var report = ReloadReport(old: old, new: new)
        applied.keepWhatNeedsRestart(of: old)
        applied.keepUnchangedBackends(of: old)
        do throws(SpoolError) { try await store.configure(applied.spools, asked: asked) } catch {
            throw ConfigurationError(file: new.file, "the spools refuse it: \(error)")
        }
        tellTypeChanges(applied)
        forwarder.configure(applied.routes)
        ingest.apply(applied.ingest)
        await scraper.apply(applied.scrapes)
        log.configure(applied.log)
        alerts.apply(applied.alertmanager)
        overrides.board.keep { applied.exposition($0, of: $1) != nil }
        telemetry.forget(tenantsExcept: Set(applied.tenants.map(\.id)))
        current.withLock { $0 = applied }
        report.backlogs = store.backlogsOfNobody()
        report.leftTenants = LeftTenant.find(applied.spools, store.knownStatuses())
        for warning in report.warnings { log.warning("a reload leaves a backlog", ["config.warning": warning]) }
        return report
    }

    /// The drain: no new connections, every request answered, what is on its way to a backend finished or given back
    /// within the config's time, everything committed, the spools closed. Nothing acknowledged is lost at any step.
    func stop() async {
        guard !isDraining.exchange(true, ordering: .acquiringAndReleasing) else { return }
        let watch = Task { await endWithoutDisk() }
        defer { watch.cancel() }
        let limit = configuration.server.timeouts.drain
        let (ingest, admin) = servers.withLock { ($0.ingest.take(), $0.admin.take()) }
        // Whatever a reload waits for, nothing is taken in behind the signal.
        await Blocking.run { ingest?.drain(limit: limit) }
        awaitsReload.store(true, ordering: .releasing)
        await turn.take()
        defer { turn.give() }
        awaitsReload.store(false, ordering: .releasing)
        await alerts.stop()
        await scraper.stop()
        await anchorer.stop()
        backups.refuse()
        store.stopReading()
        await forwarder.stop(grace: limit)
        await store.close()
        await backups.end()
        transport.close()
        await Blocking.run { admin?.drain(limit: .seconds(1)) }
    }
}

extension Node {
    /// A disk that does not answer keeps its spool from being closed, and the node from its end, for as long as it likes.
    /// After twice the drain's time the process ends without it, as in a crash: what was acknowledged is on the disk, what
    /// was being sent is sent again. A reload that does not end is waited for no longer.
    private func endWithoutDisk() async {
        do { try await Task.sleep(for: configuration.server.timeouts.drain * 2) } catch { return }
        while !Task.isCancelled {
            if let (tenant, seconds) = store.stalls().max(by: { $0.value < $1.value }) {
                log.error(
                    "the node ends without closing a spool: its disk does not answer",
                    ["tenant": tenant, "spool.waiting_seconds": String(Int(seconds))])
                _exit(1)
            }
            if awaitsReload.load(ordering: .acquiring) {
                log.error("the node ends without closing its spools: a reload does not end")
                _exit(1)
            }
            do { try await Task.sleep(for: .seconds(1)) } catch { return }
        }
    }
}

/// Why a node cannot run, for people.
struct NodeError: Error, Sendable, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}
