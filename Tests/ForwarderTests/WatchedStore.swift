import WALStore

@testable import Forwarder

/// A real store that says when something was settled: who waits for a backlog to end need not ask again and again.
struct WatchedStore: DeliverySource {
    let store: WALStore
    /// Set after each settlement that is durable.
    let settled = Signal()

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
    func retryState(tenant: String, backend: String) async throws(SpoolError) -> RetryState {
        try await store.retryState(tenant: tenant, backend: backend)
    }
    func setRetryState(_ state: RetryState, tenant: String, backend: String) async throws(SpoolError) {
        try await store.setRetryState(state, tenant: tenant, backend: backend)
    }
    func tenantsWithWork() -> [String] { store.tenantsWithWork() }
    func onWork(_ notify: @escaping @Sendable (String) -> Void) { store.onWork(notify) }
}
