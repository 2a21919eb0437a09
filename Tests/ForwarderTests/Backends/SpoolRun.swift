import Metrics
import TestSupport
import Testing
import WALStore

@testable import Forwarder

/// A backend with a lane and a real spool before it, from one start of a process to its end: what was sent is what the ledger says.
struct SpoolRun {
    let folder: TemporaryFolder
    private let settled = Signal()
    private let probeEvery: Duration

    /// - Parameter probeEvery: how long a held lane waits.
    init(probeEvery: Duration = .seconds(60)) throws {
        folder = try TemporaryFolder()
        self.probeEvery = probeEvery
    }

    /// Starts, appends each batch as a request of its own, waits until nothing is owed, and stops.
    ///
    /// - Returns: the ledger at the end.
    @discardableResult
    func deliver(_ batches: [Batch], through backend: any Backend) async throws -> BackendLedger {
        try await run(through: backend) { store, _ in
            for batch in batches { try await store.append(batch) }
            while try await store.ledger().pendingPoints > 0 { await settled.wait() }
        }
    }

    /// Sends all that there is in the spool again.
    ///
    /// - Returns: what became of it.
    func replay(through backend: any Backend) async throws -> ReplayCounts {
        var counts: ReplayCounts?
        try await run(through: backend) { store, forwarder in
            let job = try await store.withSpool("acme") { (spool) async throws(SpoolError) in
                try await spool.startReplay(ReplayOrder(backend: "central", asked: "by a test"))
            }
            await forwarder.followReplays(tenant: "acme")
            while try await store.replays(tenant: "acme").first(where: { $0.id == job.id })?.state != .done {
                await settled.wait()
            }
            counts = try await store.replays(tenant: "acme").first { $0.id == job.id }?.counts
        }
        return try #require(counts)
    }

    /// Starts, has `body` do what it does while the lane runs, and stops.
    @discardableResult
    func run(
        through backend: any Backend, _ body: (WALStore, Forwarder) async throws -> Void
    ) async throws -> BackendLedger {
        let store = try WALStore(
            directory: folder.path, node: NodeConfiguration(), openWait: .seconds(3600), scheduling: .patient,
            events: { _ in })
        var tuning = DeliveryTuning()
        tuning.backoff = Backoff(base: .milliseconds(1), cap: .milliseconds(5))
        tuning.probeEvery = probeEvery
        let source = WatchedStore(store: store, settled: settled)
        let context = DeliveryContext(
            source: source, transport: HTTPTransport(), time: .system, sleep: { try await Task.sleep(for: $0) },
            random: SeededGenerator.fresh(), tuning: tuning, events: { _ in })
        let forwarder = Forwarder(context: context)
        try await store.configure([
            SpoolConfiguration(tenant: "acme", backends: [BackendRegistration(name: "central", type: "vendor")])
        ])
        forwarder.configure([DeliveryRoute(tenant: "acme", name: "central", backend: backend)])
        forwarder.start()
        try await body(store, forwarder)
        await forwarder.stop(grace: .seconds(5))
        let ledger = try await store.ledger()
        await store.close()
        return ledger
    }
}
