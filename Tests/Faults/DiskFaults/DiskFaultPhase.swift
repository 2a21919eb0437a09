/// What a store does while its disk fails, in the order of a store's life.
enum DiskFaultPhase: String, CaseIterable, Sendable {
    /// The first request of a tenant: folders, marks, the database and its log.
    case create
    /// Requests that share commits.
    case commit
    /// Leases and what becomes of them.
    case settle
    /// A log past its cap is folded into the database.
    case checkpoint
    /// Small rows that are owed are merged.
    case repack
    /// Rows that everybody has settled are deleted.
    case prune
    /// A clean stop, and the start after it.
    case close
    /// The start after a kill, with a log that was left behind.
    case recovery
    /// The start after a power cut in the middle of a commit.
    case powerCut
    /// What was freed goes back to the file system: last, for it is long to prepare.
    case vacuum
}
