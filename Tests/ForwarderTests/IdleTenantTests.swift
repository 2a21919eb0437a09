import Synchronization
import TestSupport
import Testing
import WALStore

@testable import Forwarder

@Suite(.timeLimit(.minutes(10)))
struct IdleTenantTests {
    /// A lane's task asks the spool for its retry state before anything else: a tenant nobody asked for has no task.
    @Test func `ten thousand idle tenants cost no task, and the busy one among them is served`() async throws {
        let server = try HTTPTestServer()
        let memory = MemorySource(tenant: "tenant-5000")
        let source = WatchedSource(memory)
        let clock = JumpingClock()
        let transport = HTTPTransport()
        let context = DeliveryContext(
            source: source, transport: transport, time: clock.time, sleep: { clock.advance($0) },
            random: SeededGenerator.fresh(), tuning: DeliveryTuning(), events: { _ in })
        let forwarder = Forwarder(context: context)
        let backend = LineBackend(url: server.url)
        let routes = (0..<10_000).map { DeliveryRoute(tenant: "tenant-\($0)", name: "central", backend: backend) }
        forwarder.configure(routes)
        forwarder.start()
        memory.append(50)
        await memory.drained()
        // A reload looks at every lane.
        forwarder.configure(routes)
        memory.append(50)
        await memory.drained()
        await forwarder.stop(grace: .seconds(5))
        #expect(Set(source.asked.elements) == ["tenant-5000"])
        #expect(server.requests.flatMap(\.ordinals) == Array(0..<100))
        #expect(forwarder.status().count == 10_000)
        transport.close()
        server.stop()
    }
}

/// Writes down whose spool is used.
private final class WatchedSource: DeliverySource {
    let asked = Recorder<String>()
    private let source: MemorySource

    init(_ source: MemorySource) { self.source = source }

    func lease(tenant: String, backend: String, limit: LeaseLimit) async throws(SpoolError) -> Lease? {
        asked.record(tenant)
        return try await source.lease(tenant: tenant, backend: backend, limit: limit)
    }
    func settle(_ lease: Lease, tenant: String, _ settlement: Settlement, mayWait: Bool) async throws(SpoolError) {
        asked.record(tenant)
        try await source.settle(lease, tenant: tenant, settlement, mayWait: mayWait)
    }
    func release(_ lease: Lease, tenant: String, maybeSent: Bool) async {
        asked.record(tenant)
        await source.release(lease, tenant: tenant, maybeSent: maybeSent)
    }
    func overtake(_ lease: Lease, tenant: String, _ runs: [LeasedRun]) async throws(SpoolError) {
        asked.record(tenant)
        try await source.overtake(lease, tenant: tenant, runs)
    }
    func forgetOvertaking(_ lease: Lease, tenant: String) async {
        asked.record(tenant)
        await source.forgetOvertaking(lease, tenant: tenant)
    }
    func counters(
        tenant: String, backend: String, _ keys: [CounterKey]
    ) async throws(SpoolError) -> [CounterKey: CounterState] {
        asked.record(tenant)
        return try await source.counters(tenant: tenant, backend: backend, keys)
    }
    func retryState(tenant: String, backend: String) async throws(SpoolError) -> RetryState {
        asked.record(tenant)
        return try await source.retryState(tenant: tenant, backend: backend)
    }
    func setRetryState(_ state: RetryState, tenant: String, backend: String) async throws(SpoolError) {
        asked.record(tenant)
        try await source.setRetryState(state, tenant: tenant, backend: backend)
    }
    func tenantsWithWork() -> [String] { source.tenantsWithWork() }
    func onWork(_ notify: @escaping @Sendable (String) -> Void) { source.onWork(notify) }
}
