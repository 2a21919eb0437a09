import Metrics
import WALStore

/// A share of a lease: all leased points of some of its series, in arrival order. Shards of one lease have no series in
/// common, so that their requests may overtake each other where the order of a series has to be kept.
package struct SeriesShard: Sendable, Equatable {
    package var runs: [LeasedRun]
    /// Ids in the batch that the lease's pieces share; nil for a lease that was not divided.
    package var series: Range<Int>?

    /// Divides a lease whose pieces share one batch, so that a shard has `points` points at most, or is one series.
    ///
    /// Series that are neighbours in the batch stay together: requests of one sender come in the same order each time, and
    /// what a shard has of them is few runs.
    ///
    /// - Returns: one shard, the lease as it is, when the backend may take two of its series for one.
    package static func divide(_ lease: Lease, points: Int, for backend: any Backend) -> [SeriesShard] {
        if lease.isOfBodies { return divideBodies(lease, points: points) }
        let all = lease.pieces.indices.map { LeasedRun(piece: $0, ordinals: lease.pieces[$0].ordinals) }
        guard lease.points > points, let batch = lease.pieces.first?.batch, backend.keepsSeriesApart(batch) else {
            return [SeriesShard(runs: all)]
        }
        var counts = [Int](repeating: 0, count: batch.series.count)
        counts.withUnsafeMutableBufferPointer { counts in
            for run in all {
                for id in batch.points.series[run.ordinals] {
                    precondition(Int(id) < counts.count, "a point is of a series of its batch")
                    counts[Int(id)] += 1
                }
            }
        }
        var shards: [SeriesShard] = []
        var shardOf = [Int32](repeating: 0, count: counts.count)
        var (first, room) = (0, points)
        for id in counts.indices {
            if counts[id] > room, first < id {
                shards.append(SeriesShard(runs: [], series: first..<id))
                (first, room) = (id, points)
            }
            room -= counts[id]
            shardOf[id] = Int32(shards.count)
        }
        shards.append(SeriesShard(runs: [], series: first..<counts.count))
        for run in all { add(run, of: batch, shardOf, to: &shards) }
        return shards.filter { !$0.runs.isEmpty }
    }

    /// A lease of bodies is one request, or a row in which each series comes once.
    private static func divideBodies(_ lease: Lease, points: Int) -> [SeriesShard] {
        var shards: [SeriesShard] = []
        var room = 0
        for (piece, leased) in lease.pieces.enumerated() {
            for body in leased.bodies {
                if body.ordinals.count > room {
                    shards.append(SeriesShard(runs: []))
                    room = points
                }
                room -= body.ordinals.count
                shards[shards.count - 1].add(piece, body.ordinals)
            }
        }
        return shards
    }

    private mutating func add(_ piece: Int, _ ordinals: Range<Int>) {
        if let last = runs.last, last.piece == piece, last.ordinals.upperBound == ordinals.lowerBound {
            runs[runs.count - 1].ordinals = last.ordinals.lowerBound..<ordinals.upperBound
        } else {
            runs.append(LeasedRun(piece: piece, ordinals: ordinals))
        }
    }

    /// Cuts a run where the shard changes.
    private static func add(_ run: LeasedRun, of batch: Batch, _ shardOf: [Int32], to shards: inout [SeriesShard]) {
        let ids = batch.points.series
        var start = run.ordinals.lowerBound
        while start < run.ordinals.upperBound {
            let shard = shardOf[Int(ids[start])]
            let end = shardOf.withUnsafeBufferPointer { shardOf in
                ids.withUnsafeBufferPointer { ids in
                    // They were looked up before, when they were counted.
                    var end = start + 1
                    while end < run.ordinals.upperBound, shardOf[Int(ids[end])] == shard { end += 1 }
                    return end
                }
            }
            shards[Int(shard)].runs.append(LeasedRun(piece: run.piece, ordinals: start..<end))
            start = end
        }
    }
}
