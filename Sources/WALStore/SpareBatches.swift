import Metrics
import Synchronization

/// Columns and tables of committed groups, for the next ones. What a group of requests merges into takes megabytes, and to
/// get them anew costs a page fault for each 4 KiB: as much time as to merge. One for a node.
final class SpareBatches: Sendable {
    /// A commit after the other needs one; with many tenants two are at work.
    private static let kept = 2
    private static let keptBytes = 8 << 20
    private let spare = Mutex<[Batch]>([])

    /// An empty batch.
    func take() -> Batch {
        var batch = spare.withLock { $0.popLast() } ?? Batch()
        // Emptied now and not when it came back: by now whoever looked at it has let go, so its memory is ours alone.
        batch.removeAll()
        return batch
    }

    func give(_ batch: Batch) {
        guard batch.allocatedBytes <= SpareBatches.keptBytes else { return }
        spare.withLock { if $0.count < SpareBatches.kept { $0.append(batch) } }
    }
}
