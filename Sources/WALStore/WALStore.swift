/// The spools of one node: opened when they are needed, closed when they are not, bounded together.
public final class WALStore: Sendable {
    /// Takes the data folder (`LOCK`); opens no spool.
    public init(
        directory: String, node: NodeConfiguration, time: TimeSource = .system, events: @escaping EventSink
    ) throws(SpoolError) { preconditionFailure("seam only") }

    /// The tenants there are from now on; a reload calls it again. Spools of tenants left out stay on disk.
    public func configure(_ tenants: [SpoolConfiguration]) async throws(SpoolError) {
        preconditionFailure("seam only")
    }

    /// Called with a tenant's id after a commit that gave its backends something to do. Set once, before appends.
    public func onWork(_ notify: @escaping @Sendable (String) -> Void) { preconditionFailure("seam only") }

    /// Queues a request for the tenant's next commit, opening its spool if need be.
    public func append(
        _ request: AppendRequest, tenant: String,
        completion: @escaping @Sendable (Result<AppendReceipt, SpoolError>) -> Void
    ) { preconditionFailure("seam only") }

    /// Tenants whose backends are owed something, without opening their spools.
    public func tenantsWithWork() -> [String] { preconditionFailure("seam only") }

    /// Runs `body` on the tenant's spool, which stays open at least as long (and as long as it has leases).
    public func withSpool<Result: Sendable>(
        _ tenant: String, _ body: @Sendable (Spool) async throws(SpoolError) -> Result
    ) async throws(SpoolError) -> Result { preconditionFailure("seam only") }

    /// Commits what is queued, releases all leases, checkpoints and closes every spool.
    public func close() async { preconditionFailure("seam only") }
}
