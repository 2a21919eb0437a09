import Metrics
import Synchronization
import WALStore

/// Puts the ends of the spools' chains into the spools themselves, as points that go to the tenants' backends: anchors, out of
/// reach for whoever has the node's disk.
///
/// One spool after the other, so that ten thousand tenants take turns at the open places; one whose disk does not answer holds
/// none of the others up.
final class Anchorer: Sendable {
    static let source = "anchor"
    /// A node that is restarted more often than it anchors does so all the same.
    static let firstDelay = Duration.seconds(60)

    private let store: WALStore
    private let ingest: Ingest
    private let events: EventSink
    private let sleep: @Sendable (Duration) async throws -> Void
    private let needs = Mutex<[String: AnchorNeed]>([:])
    private let loop = Mutex<Task<Void, Never>?>(nil)

    init(
        store: WALStore, ingest: Ingest, events: @escaping EventSink,
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
    ) {
        self.store = store
        self.ingest = ingest
        self.events = events
        self.sleep = sleep
    }

    func start(_ section: AnchorSection) {
        let task = Task { [self] in
            do {
                try await sleep(min(Anchorer.firstDelay, section.interval))
                while true {
                    await anchor(labels: section.labels)
                    try await sleep(section.interval)
                }
            } catch {
                return
            }
        }
        loop.withLock { $0 = task }
    }

    /// Returns when no more anchors are made; one that is on its way ends with the store.
    func stop() async {
        let task = loop.withLock { $0.take() }
        task?.cancel()
        await task?.value
    }

    /// One round: every spool with a chain that has something new to vouch for.
    private func anchor(labels: [AnchorSection.Label]) async {
        let statuses = await store.statuses()
        let tenants = Set(statuses.map(\.tenant))
        needs.withLock { needs in needs = needs.filter { tenants.contains($0.key) } }
        for status in statuses where status.chain != nil {
            if Task.isCancelled { return }
            guard needs.withLock({ $0[status.tenant, default: AnchorNeed()].isThere(status) }) else { continue }
            await anchor(status, labels)
        }
    }

    private func anchor(_ status: SpoolStatus, _ labels: [AnchorSection.Label]) async {
        let tenant = status.tenant
        let seal: ChainSeal?
        do throws(SpoolError) { seal = try await store.sealChain(tenant) } catch { return refused(tenant, error) }
        guard let seal else { return }
        needs.withLock { $0[tenant, default: AnchorNeed()].begin() }
        // Whole milliseconds, as Prometheus has them.
        let time = ingest.now() / 1_000_000 * 1_000_000
        let request = AnchorPoints.request(seal, tenant: tenant, labels: labels, time: time)
        let arrival = Arrival(
            source: Anchorer.source, peer: "", requestID: RequestIdentity.requestID(nil), bodyBytes: 0)
        // Not waited for: a disk may take as long as it likes.
        ingest.store(request, arrival, tenant: tenant) { [self] result in
            needs.withLock { needs in
                needs[tenant, default: AnchorNeed()].end(status, isStored: (try? result.get()) != nil)
            }
            if case .failure(let error) = result { refused(tenant, error) }
        }
    }

    private func refused(_ tenant: String, _ error: SpoolError) {
        events(
            Event(
                .warning, "an anchor of a spool's chain could not be stored; the next one is tried in its time",
                ["tenant": tenant, "reason": error.message]))
    }
}
