/// A tenant's durable queue: one SQLite database in WAL mode, one writer.
public actor Spool {
    public nonisolated let tenant: String

    init(tenant: String) { self.tenant = tenant }

    /// Queues a request for the next commit. `completion` runs once, on the spool's thread, after the fsync.
    public nonisolated func append(
        _ request: AppendRequest, completion: @escaping @Sendable (Result<AppendReceipt, SpoolError>) -> Void
    ) { preconditionFailure("seam only") }

    /// `append` for callers that can wait.
    public nonisolated func append(_ request: AppendRequest) async throws(SpoolError) -> AppendReceipt {
        preconditionFailure("seam only")
    }

    /// Claims the next piece of what `backend` is owed, in lane order; nil when nothing is owed or all is leased.
    public func lease(backend: String, limit: LeaseLimit) async throws(SpoolError) -> Lease? {
        preconditionFailure("seam only")
    }

    /// Ends a lease, or the named parts of it, in one transaction; returns when it is durable.
    public func settle(_ lease: Lease, _ settlement: Settlement) async throws(SpoolError) {
        preconditionFailure("seam only")
    }

    /// Gives back whatever of the lease is not settled yet.
    public func release(_ lease: Lease) { preconditionFailure("seam only") }

    public func retryState(backend: String) throws(SpoolError) -> RetryState { preconditionFailure("seam only") }
    /// Kept in memory at once, on disk with the next commit, at most every 30 s alone.
    public func setRetryState(_ state: RetryState, backend: String) throws(SpoolError) {
        preconditionFailure("seam only")
    }

    public func status() throws(SpoolError) -> SpoolStatus { preconditionFailure("seam only") }
}
