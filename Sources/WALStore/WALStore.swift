import Metrics
import Synchronization

/// The spools of one node: opened when they are needed, closed when they are not, bounded together.
///
/// At most `NodeConfiguration.openSpools` are open; the least recently used idle one makes room for the next. All of
/// them share `writerThreads` and `readerThreads` threads; others stand in for those that a disk does not answer.
public final class WALStore: Sendable {
    let folder: DataFolder
    let node: NodeConfiguration
    let time: TimeSource
    let events: EventSink
    let writers: ExecutorPool
    let readers: ExecutorPool
    let cache = BlockCache()
    let spare = SpareBatches()
    let merges = MergeMemory()
    let baseAllowance = BaseAllowance()
    let baseRules: BaseRules
    let space: NodeSpace
    let chainMemory: ChainMemory
    let state: Mutex<StoreState>
    private let work = WorkNotice()
    let openWait: Duration
    let scheduling: Scheduling
    let stallDesk: StallDesk
    private let upkeepLoop = Mutex<Task<Void, Never>?>(nil)

    /// Takes the data folder (`LOCK`); opens no spool, and reads one small file.
    ///
    /// - Parameters:
    ///   - directory: made when it does not exist, with what is missing above it.
    ///   - upkeepInterval: how often `maintain` runs by itself; nil: only when called.
    ///   - openWait: how long a request waits for one of the open places before it is answered as full.
    ///   - scheduling: how the store's tasks run and wait; a simulation has its own.
    /// - Throws: `.unavailable` when another process has the folder, or it cannot be used.
    public convenience init(
        directory: String, node: NodeConfiguration, time: TimeSource = .system, upkeepInterval: Duration? = .seconds(1),
        openWait: Duration = .seconds(10), scheduling: Scheduling = .system, events: @escaping EventSink
    ) throws(SpoolError) {
        try self.init(
            directory: directory, node: node, time: time, upkeepInterval: upkeepInterval, openWait: openWait,
            disk: SystemFileSystem(), scheduling: scheduling, events: events)
    }

    /// - Parameters:
    ///   - disk: has the whole data folder, databases included.
    ///   - measure: asks for the disk's space; nil: `disk` does.
    package init(
        directory: String, node: NodeConfiguration, time: TimeSource = .system, upkeepInterval: Duration? = .seconds(1),
        openWait: Duration = .seconds(10), disk: any FileSystem,
        measure: (@Sendable (String) throws(SpoolError) -> DiskSpace)? = nil, scheduling: Scheduling = .system,
        bases: BaseRules = BaseRules(), events: @escaping EventSink
    ) throws(SpoolError) {
        StorageEngine.leaveMemoryUncounted()
        baseRules = bases
        folder = try DataFolder(directory, on: Files(disk, wall: time.wall))
        self.node = node
        self.time = time
        self.events = events
        let (writing, reading) = (
            StallDesk("writer", limits: scheduling.stalls, events: events),
            StallDesk("reader", limits: scheduling.stalls, events: events)
        )
        stallDesk = writing
        writers = ExecutorPool(
            threads: node.writerThreads, make: scheduling.makeExecutor, limits: scheduling.stalls,
            onStalls: { writing.looked($0) })
        readers = ExecutorPool(
            threads: node.readerThreads, make: scheduling.makeExecutor, limits: scheduling.stalls,
            onStalls: { reading.looked($0) })
        space = NodeSpace(folder: folder, node: node, measure: measure)
        chainMemory = ChainMemory(
            path: node.chainMemoryFile ?? folder.chains, files: folder.files, events: events)
        self.openWait = openWait
        self.scheduling = scheduling
        state = Mutex(
            StoreState(
                maximumOpen: node.openSpools, ingestBytes: node.ingestMemoryBytes,
                summary: NodeSummary.read(folder.summary, on: folder.files) ?? NodeSummary()))
        for (from, to) in folder.moved {
            events(
                Event(.error, "something in a file's place was moved aside", ["file.path": from, "file.name": to]))
        }
        space.look(events)
        if let upkeepInterval { startUpkeep(every: upkeepInterval) }
    }

    private func startUpkeep(every interval: Duration) {
        let loop = Task(executorPreference: scheduling.tasks) { [weak self, sleep = scheduling.sleep] in
            while !Task.isCancelled {
                do { try await sleep(interval) } catch { return }
                await self?.maintain()
            }
        }
        upkeepLoop.withLock { $0 = loop }
    }

    deinit { upkeepLoop.withLock { $0?.cancel() } }

    /// Called with a tenant's id after a commit that gave its backends something to do. Set once, before appends.
    public func onWork(_ notify: @escaping @Sendable (String) -> Void) { work.set(notify) }

    func notifyWork(_ tenant: String) { work.notify(tenant) }

    // MARK: Tenants

    /// The tenants there are from now on; a reload calls it again. Spools of tenants left out stay on disk.
    ///
    /// Opens nothing: a closed spool takes its configuration when it is next opened.
    ///
    /// - Throws: `.misuse` for a tenant id outside the alphabet (`TenantID`); `.incompatible` when an open spool knows
    ///   one of the backends with another type. Nothing is changed by a refused id. What the disk did not let a spool
    ///   write (`.full`, `.commitFailed`) is tried again by upkeep, and by the next call.
    public func configure(_ tenants: [SpoolConfiguration], asked: String? = nil) async throws(SpoolError) {
        for tenant in tenants { try TenantID.check(tenant.tenant) }
        let seen = state.withLock { $0.isConfigured ? [:] : space.closedAtStart }
        let changed = state.withLock { $0.configure(tenants, folder, seen, chainMemory, bootTime: time.boot()) }
        var refusal: SpoolError?
        let end = scheduling.monotonic() + openWait.wholeNanoseconds
        for (tenant, configuration) in changed {
            // Upkeep sees to it when the disk answers.
            if stalls()[tenant] != nil { continue }
            let wait = Duration.nanoseconds(max(0, end - scheduling.monotonic()))
            do throws(SpoolError) { try await apply(configuration, to: tenant, wait: wait, asked) } catch {
                refusal = refusal ?? error
            }
        }
        if let refusal { throw refusal }
    }

    /// Hands a spool its configuration; until that succeeds it counts as behind.
    ///
    /// - Parameter wait: for one that is being closed or opened just now. Where all places are leased there may be none
    ///   for it as long as backends take: it has its configuration when it opens.
    func apply(
        _ configuration: SpoolConfiguration, to tenant: String, wait: Duration, _ asked: String? = nil
    ) async throws(SpoolError) {
        let spool: Spool
        do throws(SpoolError) { spool = try await take(tenant, wait: wait) } catch {
            guard error.code == .full else { throw error }
            return
        }
        defer { release(tenant) }
        try await spool.configure(configuration, asked: asked)
        let status = try await spool.status()
        state.withLock { state in
            state.caughtUp(tenant, with: configuration)
            state.note(status, nil, tenant, bootTime: time.boot())
        }
    }

    /// Tenants whose backends are owed something, without opening their spools. Open ones count as having work.
    ///
    /// After an unclean stop a tenant whose state is not known is not among them: `onWork` tells when it was looked at.
    public func tenantsWithWork() -> [String] {
        state.withLock { state in
            state.tenants.filter { name, tenant in
                if tenant.isRemoved { return false }
                return if case .closed = tenant.phase { state.knownEntry(name)?.hasWork ?? false } else { true }
            }.keys.sorted()
        }
    }

    /// Every configured tenant's status: of an open spool as it is, of a closed one as it was when it closed.
    public func statuses() async -> [SpoolStatus] {
        let tenants = state.withLock { $0.tenants.mapValues(\.configuration) }
        var statuses: [SpoolStatus] = []
        for (tenant, configuration) in tenants.sorted(by: { $0.key < $1.key }) {
            var status = await status(tenant) ?? SpoolStatus()
            status.tenant = tenant
            status.maximumBytes = configuration.maximumBytes
            // One that is closed was noted while it had one.
            if configuration.chain.map({ chainMemory.recall(tenant, $0) == .otherKey }) ?? true { status.chain = nil }
            statuses.append(status)
        }
        return statuses
    }

    /// Tenants whose spool cannot be opened at present, and why. Their requests are answered with 503 and tried again.
    public func problems() -> [String: String] { state.withLock { $0.problems } }

    /// Why the data folder itself cannot be worked in, as when it was moved away; nil: it is where it was.
    public func folderFault() -> String? { state.withLock { $0.folderFault } }

    /// Tenants whose spools refuse all new points at present, and why; those that cannot be opened are not among them.
    public func refusals() -> [String: String] { state.withLock { $0.refusals } }

    /// Backlogs that nothing sends, because their backend is not in the config, by tenant; as last looked at.
    /// What each spool said last, also those of tenants that are not in the config any more.
    public func knownStatuses() -> [SpoolStatus] { state.withLock { $0.summary.entries.values.map(\.status) } }
    public func backlogsOfNobody() -> [BacklogOfNobody] { state.withLock { $0.backlogsOfNobody } }

    /// Tenants whose status may be an old one: their spools were not closed when the process before ended, and have not
    /// been looked at since.
    public func outdated() -> Set<String> {
        state.withLock { state in Set(state.tenants.keys.filter { !state.isStatusCurrent($0) }) }
    }

    /// One tenant's status without opening its spool; nil for a tenant nothing is known about. While its disk does not
    /// answer (`stalls`) it is what was noted last.
    public func status(_ tenant: String) async -> SpoolStatus? {
        let status = await unlessStalled(tenant) { [self] () -> SpoolStatus? in
            guard let spool = state.withLock({ $0.acquireIfOpen(tenant) }) else { return nil }
            defer { release(tenant) }
            // One that cannot say is about to be replaced: what was noted stands until then.
            do throws(SpoolError) { return try await spool.status() } catch { return nil }
        }
        return status ?? state.withLock { $0.lastStatus(tenant, bootTime: time.boot()) }
    }

    // MARK: Use

    /// Tenants that may have something leased at once: a spool stays open for its leases, which end when backends answer.
    /// An eighth of the open places, one at least, is left to those that only store or look, so that they have one within
    /// moments whatever backends do; not where there is but one place.
    public var leasingTenants: Int { max(1, node.openSpools - max(1, node.openSpools / 8)) }

    /// Queues a request for the tenant's next commit, opening its spool if need be.
    ///
    /// - Parameter completion: called once, on the spool's thread or at once; `.full` when too much waits in memory, or
    ///   none of the open places came free in time (`openWait`).
    public func append(
        _ request: AppendRequest, tenant: String,
        completion: @escaping @Sendable (Result<AppendReceipt, SpoolError>) -> Void
    ) {
        let bytes = request.decoded.batch.memoryBytes
        guard state.withLock({ $0.ingest.admit(bytes, tenant: tenant) }) else {
            return completion(
                .failure(SpoolError(.full, "too much waits to be committed (ingest memory); try again")))
        }
        acquire(tenant, wait: openWait) { [self] found in
            switch found {
            case .failure(let error):
                state.withLock { $0.ingest.end(bytes, tenant: tenant) }
                completion(.failure(error))
            case .success(let spool):
                spool.append(request) { [self] result in
                    state.withLock { $0.ingest.end(bytes, tenant: tenant) }
                    release(tenant)
                    completion(result)
                }
            }
        }
    }

    /// How far a stream, or a request with a key, is committed; nil: nothing is known of it.
    ///
    /// - Parameter completion: called once, on the spool's thread or at once.
    public func progress(
        of name: ResendName, tenant: String,
        completion: @escaping @Sendable (Result<ResendProgress?, SpoolError>) -> Void
    ) {
        acquire(tenant, wait: openWait) { [self] found in
            switch found {
            case .failure(let error): completion(.failure(error))
            case .success(let spool):
                spool.progress(of: name) { [self] result in
                    release(tenant)
                    completion(result)
                }
            }
        }
    }

    /// Runs `body` on the tenant's spool, which stays open at least as long (and as long as it has leases).
    public func withSpool<Result: Sendable>(
        _ tenant: String, _ body: @Sendable (Spool) async throws(SpoolError) -> Result
    ) async throws(SpoolError) -> Result {
        let spool = try await take(tenant)
        defer { release(tenant) }
        return try await body(spool)
    }

    /// To be released.
    func take(_ tenant: String, wait: Duration? = nil) async throws(SpoolError) -> Spool {
        let found = await withCheckedContinuation { continuation in
            acquire(tenant, wait: wait) { continuation.resume(returning: $0) }
        }
        return try found.get()
    }

    /// - Parameter wait: how long for one of the open places; nil: as long as it takes.
    private func acquire(_ tenant: String, wait: Duration? = nil, _ waiter: @escaping StoreState.Waiter) {
        var watchesWaits = false
        let outcome = state.withLock { state -> (Result<Spool?, SpoolError>, [StoreState.Action]) in
            do throws(SpoolError) {
                let spool = try state.acquire(tenant) {
                    StoreState.Waiting(waiter: waiter, until: wait.map { scheduling.monotonic() + $0.wholeNanoseconds })
                }
                if spool == nil, wait != nil, !state.isWatchingWaits {
                    state.isWatchingWaits = true
                    watchesWaits = true
                }
                return (.success(spool), spool == nil ? state.next() : [])
            } catch {
                return (.failure(error), [])
            }
        }
        perform(outcome.1)
        if watchesWaits { watchWaits() }
        switch outcome.0 {
        case .success(let spool): if let spool { waiter(.success(spool)) }
        case .failure(let error): waiter(.failure(error))
        }
    }

    /// Answers those who waited for an open spool for too long: all places may be leased, for as long as their backends
    /// take, or the spool's own disk is slow. One task while anybody's wait can end; none otherwise.
    private func watchWaits() {
        Task(executorPreference: scheduling.tasks) { [self] in
            while true {
                let now = scheduling.monotonic()
                let (overdue, next) = state.withLock { $0.takeOverdue(now) }
                for (waiter, reason) in overdue { waiter(.failure(reason)) }
                guard let next else { return }
                // Not cancelled by anybody; an early end only looks once more.
                try? await scheduling.sleep(.nanoseconds(max(0, next - now)))
            }
        }
    }

    func release(_ tenant: String) {
        perform(
            state.withLock { state in
                state.release(tenant)
                return state.hasQueue ? state.next() : []
            })
    }

    // MARK: End

    /// The node is about to close: reading of long files ends, with `.closing` for who waits for their spools. What is open
    /// stays in use until `close`.
    public func stopReading() { folder.files.stop.raise() }

    /// Commits what is queued, releases all leases, checkpoints and closes every spool, and writes the summary. Calls
    /// after it fail with `.closing`.
    public func close() async {
        stopReading()
        let loop = upkeepLoop.withLock { loop in
            defer { loop = nil }
            return loop
        }
        loop?.cancel()
        await loop?.value
        let open = state.withLock { state in
            state.isClosing = true
            return state.tenants.keys.sorted()
        }
        // Those last whose disk does not answer: the others are closed then, whatever becomes of these.
        let held = stalls()
        for tenant in open where held[tenant] == nil { await closeNow(tenant) }
        for tenant in open where held[tenant] != nil { await closeNow(tenant) }
        for waiter in state.withLock({ $0.abandonQueue() }) {
            waiter(.failure(SpoolError(.closing, "the node is closing")))
        }
        writeSummary()
        folder.unlock()
    }
}

/// What a backend that is not in the config is still owed by a tenant that is: it is kept, and nothing sends it.
public struct BacklogOfNobody: Sendable, Equatable {
    public var tenant: String
    public var backend: String
    public var points: Int64

    public init(tenant: String, backend: String, points: Int64) {
        self.tenant = tenant
        self.backend = backend
        self.points = points
    }
}

/// Who is told about work: set once, called from the spools' threads.
final class WorkNotice: Sendable {
    /// A function by itself must not lie in a `Mutex`, which is generic: each look at it would leave it there in one more
    /// wrapping, and each call would go through all of them.
    private struct Listener {
        var notify: @Sendable (String) -> Void
    }
    private let listener = Mutex<Listener?>(nil)
    func set(_ notify: @escaping @Sendable (String) -> Void) { listener.withLock { $0 = Listener(notify: notify) } }
    func notify(_ tenant: String) { listener.withLock { $0 }?.notify(tenant) }
}
