import Metrics
import Synchronization

/// Series of merged rows, and which numbers they have in the bases that the rows stand on.
struct MergedSeries: Sendable {
    var table = SeriesTable()
    var known: [Known] = []

    struct Known: Sendable {
        let base: BlockBase
        /// From its numbers to ids in the table.
        var map: SeriesMap
        /// A row of this merge stands on it.
        var isUsed = true
    }

    var allocatedBytes: Int { known.reduce(table.allocatedBytes) { $0 + $1.base.allocatedBytes } }
}

/// What merges of rows leave for the next ones. One for a node.
///
/// A backlog is leased piece by piece, and the next piece mostly has the series of the last: with its table at hand no label
/// is copied or compared again, and both batches share it. Columns take megabytes; to get them anew costs a page fault for
/// each 4 KiB.
final class MergeMemory: Sendable {
    /// So many spools, or lanes of one, drain at once.
    private static let kept = 2
    private static let keptSeriesBytes = 32 << 20
    /// The table counts among what a lease may take: with more of it there would be little room for points.
    private static let keptTableBytes = LeaseLimit.mergedBytes / 2
    private static let keptColumnsBytes = 8 << 20
    /// Looked at so often without a merge in between, it is given back.
    private static let patience = 10

    private struct State {
        var series: [(spool: UInt64, merged: MergedSeries)] = []
        var columns: [Batch] = []
        var looks = 0
    }
    private let state = Mutex(State())

    /// What a merge begins with: mostly what the last one of this spool left, which nobody else gets meanwhile.
    ///
    /// - Parameter points: so many are merged at most. A table with more series is not used: whoever encodes the points walks
    ///   over all of it.
    func take(_ spool: UInt64, points: Int) -> RowMerger {
        let merged = state.withLock { state in
            state.looks = 0
            return state.series.lastIndex { $0.spool == spool }.map { state.series.remove(at: $0).merged }
        }
        let usable = merged.flatMap { $0.table.count <= points ? $0 : nil }
        return RowMerger(into: emptyBatch(points), usable ?? MergedSeries())
    }

    /// - Parameter points: those that it gets room for.
    private func emptyBatch(_ points: Int) -> Batch {
        // Never the one that came back last: whoever sent it may not have let go of it yet, and it would be copied.
        var batch = state.withLock { $0.columns.count > 1 ? $0.columns.removeFirst() : Batch() }
        // To make it larger takes more than a new one does.
        if batch.points.series.capacity < points { batch = Batch() }
        batch.removeAll()
        // The next lease is nearly, not exactly, as large.
        batch.points.reserveCapacity(points + points / 16)
        return batch
    }

    /// - Parameter merged: rows of `spool`, all of them merged.
    func give(_ merged: MergedSeries, of spool: UInt64) {
        // Beyond labels a series says more in other tables of its batch. That names are good would not be found out again.
        guard merged.table.isPlain, merged.table.hasPrometheusNames,
            merged.table.allocatedBytes <= MergeMemory.keptTableBytes,
            merged.allocatedBytes <= MergeMemory.keptSeriesBytes
        else { return }
        state.withLock { state in
            if state.series.count == MergeMemory.kept { state.series.removeFirst() }
            state.series.append((spool, merged))
        }
    }

    /// - Parameter merged: a batch that `take`'s merger made, and that is not wanted any more.
    func give(columnsOf merged: Batch) {
        var batch = merged
        // Others share it.
        batch.series = SeriesTable()
        guard batch.allocatedBytes <= MergeMemory.keptColumnsBytes else { return }
        state.withLock { if $0.columns.count <= MergeMemory.kept { $0.columns.append(batch) } }
    }

    /// Gives all back when it has not been used for some time. Called about once a second.
    func look() {
        state.withLock { state in
            state.looks += 1
            if state.looks == MergeMemory.patience { (state.series, state.columns) = ([], []) }
        }
    }
}
