import WALStore

@testable import Forwarder

/// A real store that says when something was settled: who waits for a backlog or a replay to end need not ask again and again.
struct WatchedStore: DeliverySource {
    let store: WALStore
    /// Set after each settlement that is durable, and when a replay has no more points.
    let settled: Signal

    init(store: WALStore, settled: Signal = Signal()) {
        self.store = store
        self.settled = settled
    }

    var leasingTenants: Int { store.leasingTenants }

    func settle(_ lease: Lease, tenant: String, _ settlement: Settlement, mayWait: Bool) async throws(SpoolError) {
        try await store.settle(lease, tenant: tenant, settlement, mayWait: mayWait)
        settled.set()
    }

    func lease(tenant: String, backend: String, limit: LeaseLimit) async throws(SpoolError) -> Lease? {
        try await store.lease(tenant: tenant, backend: backend, limit: limit)
    }
    func release(_ lease: Lease, tenant: String, maybeSent: Bool) async {
        await store.release(lease, tenant: tenant, maybeSent: maybeSent)
    }
    func overtake(_ lease: Lease, tenant: String, _ runs: [LeasedRun]) async throws(SpoolError) {
        try await store.overtake(lease, tenant: tenant, runs)
    }
    func forgetOvertaking(_ lease: Lease, tenant: String) async {
        await store.forgetOvertaking(lease, tenant: tenant)
    }
    func counters(
        tenant: String, backend: String, _ keys: [CounterKey]
    ) async throws(SpoolError) -> [CounterKey: CounterState] {
        try await store.counters(tenant: tenant, backend: backend, keys)
    }
    func hasDelivered(tenant: String, backend: String) async throws(SpoolError) -> Bool {
        try await store.hasDelivered(tenant: tenant, backend: backend)
    }
    func retryState(tenant: String, backend: String) async throws(SpoolError) -> RetryState {
        try await store.retryState(tenant: tenant, backend: backend)
    }
    func setRetryState(_ state: RetryState, tenant: String, backend: String) async throws(SpoolError) {
        try await store.setRetryState(state, tenant: tenant, backend: backend)
    }
    func tenantsWithWork() -> [String] { store.tenantsWithWork() }
    func onWork(_ notify: @escaping @Sendable (String) -> Void) { store.onWork(notify) }
}

extension WatchedStore: ReplaySource {
    func settleReplay(_ lease: Lease, tenant: String, _ settlement: Settlement) async throws(SpoolError) {
        try await store.settleReplay(lease, tenant: tenant, settlement)
        settled.set()
    }
    func leaseReplay(_ job: Int64, tenant: String, limit: Int) async throws(SpoolError) -> Lease? {
        let lease = try await store.leaseReplay(job, tenant: tenant, limit: limit)
        if lease == nil { settled.set() }
        return lease
    }
    func replays(tenant: String) async throws(SpoolError) -> [ReplayJob] { try await store.replays(tenant: tenant) }
    func releaseReplay(_ lease: Lease, tenant: String) async throws(SpoolError) {
        try await store.releaseReplay(lease, tenant: tenant)
    }
}
