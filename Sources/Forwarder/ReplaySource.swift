import WALStore

/// What a replay's lane needs of its tenant's spool.
protocol ReplaySource: Sendable {
    func replays(tenant: String) async throws(SpoolError) -> [ReplayJob]
    /// The next points of a job; nil when it does not run, is at its end, or its points are with somebody.
    func leaseReplay(_ job: Int64, tenant: String, limit: Int) async throws(SpoolError) -> Lease?
    func settleReplay(_ lease: Lease, tenant: String, _ settlement: Settlement) async throws(SpoolError)
    func counters(
        tenant: String, backend: String, _ keys: [CounterKey]
    ) async throws(SpoolError) -> [CounterKey: CounterState]
    func releaseReplay(_ lease: Lease, tenant: String) async throws(SpoolError)
}

extension WALStore: ReplaySource {
    func replays(tenant: String) async throws(SpoolError) -> [ReplayJob] {
        try await withSpool(tenant) { (spool) async throws(SpoolError) in try await spool.replayJobs() }
    }

    func leaseReplay(_ job: Int64, tenant: String, limit: Int) async throws(SpoolError) -> Lease? {
        try await withSpool(tenant) { (spool) async throws(SpoolError) in
            try await spool.leaseReplay(job, limit: limit)
        }
    }

    func settleReplay(_ lease: Lease, tenant: String, _ settlement: Settlement) async throws(SpoolError) {
        try await withSpool(tenant) { (spool) async throws(SpoolError) in
            try await spool.settleReplay(lease, settlement)
        }
    }

    func releaseReplay(_ lease: Lease, tenant: String) async throws(SpoolError) {
        try await withSpool(tenant) { (spool) async throws(SpoolError) in try await spool.releaseReplay(lease) }
    }
}

/// One job as its lane's worker sees it: a source of leases like any other. It owes nothing, so it has nothing to
/// overtake, and a retry clock of its own that a restart ends.
struct ReplayDeliveries: DeliverySource {
    let source: any ReplaySource
    let job: Int64

    func lease(tenant: String, backend: String, limit: LeaseLimit) async throws(SpoolError) -> Lease? {
        try await source.leaseReplay(job, tenant: tenant, limit: limit.points)
    }

    func settle(_ lease: Lease, tenant: String, _ settlement: Settlement, mayWait: Bool) async throws(SpoolError) {
        try await source.settleReplay(lease, tenant: tenant, settlement)
    }

    func release(_ lease: Lease, tenant: String, maybeSent: Bool) async {
        do throws(SpoolError) { try await source.releaseReplay(lease, tenant: tenant) } catch {
            // A spool that cannot be reached any more has no leases: they live in its memory.
        }
    }

    func overtake(_ lease: Lease, tenant: String, _ runs: [LeasedRun]) async throws(SpoolError) {}
    func forgetOvertaking(_ lease: Lease, tenant: String) async {}
    func counters(
        tenant: String, backend: String, _ keys: [CounterKey]
    ) async throws(SpoolError) -> [CounterKey: CounterState] {
        try await source.counters(tenant: tenant, backend: backend, keys)
    }
    func retryState(tenant: String, backend: String) async throws(SpoolError) -> RetryState { .ok }
    func setRetryState(_ state: RetryState, tenant: String, backend: String) async throws(SpoolError) {}
    func tenantsWithWork() -> [String] { [] }
    func onWork(_ notify: @escaping @Sendable (String) -> Void) {}
}
