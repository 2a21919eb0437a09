import WALStore

/// What a lane needs of its tenant's spool.
protocol DeliverySource: Sendable {
    /// Tenants that may have something leased at once.
    var leasingTenants: Int { get }
    /// The next piece of what `backend` is owed; nil when nothing is owed or everything owed is leased.
    func lease(tenant: String, backend: String, limit: LeaseLimit) async throws(SpoolError) -> Lease?
    /// Returns when it is durable.
    /// - Parameter mayWait: nothing goes on only then, so that it may wait a moment for new points to ride with.
    func settle(_ lease: Lease, tenant: String, _ settlement: Settlement, mayWait: Bool) async throws(SpoolError)
    /// Gives back what is not settled.
    /// - Parameter maybeSent: whether some of it may have reached the backend.
    func release(_ lease: Lease, tenant: String, maybeSent: Bool) async
    /// Writes down that points behind these are sent ahead of them; returns when it is durable.
    func overtake(_ lease: Lease, tenant: String, _ runs: [LeasedRun]) async throws(SpoolError)
    /// Takes back what the lease's calls of `overtake` said: nothing was sent ahead after all.
    func forgetOvertaking(_ lease: Lease, tenant: String) async
    /// Where running totals stand at `backend`; those that are not known are left out.
    func counters(
        tenant: String, backend: String, _ keys: [CounterKey]
    ) async throws(SpoolError) -> [CounterKey: CounterState]
    func retryState(tenant: String, backend: String) async throws(SpoolError) -> RetryState
    /// Whether the backend has ever taken a point.
    func hasDelivered(tenant: String, backend: String) async throws(SpoolError) -> Bool
    func setRetryState(_ state: RetryState, tenant: String, backend: String) async throws(SpoolError)
    /// Tenants whose backends are owed something.
    func tenantsWithWork() -> [String]
    /// Calls `notify` with a tenant's id when its backends have something to do.
    func onWork(_ notify: @escaping @Sendable (String) -> Void)
}

extension DeliverySource {
    var leasingTenants: Int { .max }
    func hasDelivered(tenant: String, backend: String) async throws(SpoolError) -> Bool { true }
}

extension WALStore: DeliverySource {
    func lease(tenant: String, backend: String, limit: LeaseLimit) async throws(SpoolError) -> Lease? {
        try await withSpool(tenant) { (spool) async throws(SpoolError) in
            try await spool.lease(backend: backend, limit: limit)
        }
    }

    func hasDelivered(tenant: String, backend: String) async throws(SpoolError) -> Bool {
        try await withSpool(tenant) { (spool) async throws(SpoolError) in try await spool.hasDelivered(backend: backend)
        }
    }

    func settle(_ lease: Lease, tenant: String, _ settlement: Settlement, mayWait: Bool) async throws(SpoolError) {
        try await withSpool(tenant) { (spool) async throws(SpoolError) in
            try await spool.settle(lease, settlement, mayWait: mayWait)
        }
    }

    func release(_ lease: Lease, tenant: String, maybeSent: Bool) async {
        do {
            try await withSpool(tenant) { (spool) async throws(SpoolError) in
                await spool.release(lease, maybeHaveArrived: maybeSent)
            }
        } catch {
            // A spool that cannot be reached any more has no leases: they live in its memory.
        }
    }

    func overtake(_ lease: Lease, tenant: String, _ runs: [LeasedRun]) async throws(SpoolError) {
        try await withSpool(tenant) { (spool) async throws(SpoolError) in try await spool.overtake(lease, runs) }
    }

    func forgetOvertaking(_ lease: Lease, tenant: String) async {
        do {
            try await withSpool(tenant) { (spool) async throws(SpoolError) in await spool.forgetOvertaking(lease) }
        } catch {
            // Believed less than it could be.
        }
    }

    func counters(
        tenant: String, backend: String, _ keys: [CounterKey]
    ) async throws(SpoolError) -> [CounterKey: CounterState] {
        try await withSpool(tenant) { (spool) async throws(SpoolError) in
            var found: [CounterKey: CounterState] = [:]
            // Commits go between.
            for start in stride(from: 0, to: keys.count, by: 1000) {
                let some = keys[start..<min(start + 1000, keys.count)]
                found.merge(try await spool.counters(backend: backend, some)) { first, _ in first }
            }
            return found
        }
    }

    func retryState(tenant: String, backend: String) async throws(SpoolError) -> RetryState {
        try await withSpool(tenant) { (spool) async throws(SpoolError) in
            try await spool.retryState(backend: backend)
        }
    }

    func setRetryState(_ state: RetryState, tenant: String, backend: String) async throws(SpoolError) {
        try await withSpool(tenant) { (spool) async throws(SpoolError) in
            try await spool.setRetryState(state, backend: backend)
        }
    }
}
