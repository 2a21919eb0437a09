import Metrics
import WALStore

/// A lease, and what of it goes out: all as it is, or what rules let through, under the labels that they give.
///
/// Places are those of the lease. The points that are kept back are settled with those around them, not as runs of their own: of
/// a thousand series every second one may be kept back.
package struct RoutedLease: Sendable {
    /// What encoders see.
    package let sent: Lease
    /// By piece; nil where there are no rules.
    private let batches: [RoutedBatch]?
    private let route: StoredRoute?

    /// Without rules.
    package init(_ lease: Lease) {
        sent = lease
        batches = nil
        route = nil
    }

    init(_ lease: Lease, _ batches: [RoutedBatch], _ route: StoredRoute) {
        var pieces = lease.pieces
        for index in pieces.indices { pieces[index].batch = batches[index].batch }
        sent = Lease(id: lease.id, backend: lease.backend, lane: lease.lane, pieces: pieces)
        self.batches = batches
        self.route = route
    }

    /// Those of the points that go out. A run without points, of a row of metadata, stays.
    package func kept(_ runs: [LeasedRun]) -> [LeasedRun] {
        guard let batches else { return runs }
        var kept: [LeasedRun] = []
        for run in runs {
            let batch = batches[run.piece].batch
            let isHead = run.ordinals.lowerBound == 0 && !(batch.metadata.isEmpty && batch.exemplars.isEmpty)
            // What belongs to no point goes with the first one, whether or not that goes.
            if run.ordinals.isEmpty || isHead && batches[run.piece].isExcluded(0) {
                kept.append(LeasedRun(piece: run.piece, ordinals: run.ordinals.lowerBound..<run.ordinals.lowerBound))
            }
            batches[run.piece].kept(in: run.ordinals) { kept.append(LeasedRun(piece: run.piece, ordinals: $0)) }
        }
        return kept
    }

    /// Divides the lease, in its order, into runs of which `points` go out at most, with those between and behind them that do
    /// not. A run without points goes with what is before it.
    ///
    /// - Returns: also how many go out in all.
    func cuts(points: Int) -> (cuts: [[LeasedRun]], kept: Int) {
        let all = sent.pieces.indices.map { LeasedRun(piece: $0, ordinals: sent.pieces[$0].ordinals) }
        guard let batches else { return ([all], all.points) }
        var (cuts, runs): ([[LeasedRun]], [LeasedRun]) = ([], [])
        var (room, kept) = (points, 0)
        for run in all {
            var start = run.ordinals.lowerBound
            batches[run.piece].kept(in: run.ordinals) { part in
                kept += part.count
                var next = part.lowerBound
                while part.upperBound - next > room {
                    let end = next + room
                    if start < end { runs.append(LeasedRun(piece: run.piece, ordinals: start..<end)) }
                    cuts.append(runs)
                    (runs, start, next, room) = ([], end, end, points)
                }
                room -= part.upperBound - next
            }
            if start < run.ordinals.upperBound || run.ordinals.isEmpty {
                runs.append(LeasedRun(piece: run.piece, ordinals: start..<run.ordinals.upperBound))
            }
        }
        if !runs.isEmpty { cuts.append(runs) }
        return (cuts, kept)
    }

    /// - Parameter series: ids in the batch that all pieces share, where the request is a share of its series.
    func chunk(_ tenant: String, _ runs: [LeasedRun], series: Range<Int>? = nil) -> Chunk {
        var series = series
        if let range = series, let kept = batches?.first.map({ Int($0.keptSeries) }) {
            series = min(range.lowerBound, kept)..<min(range.upperBound, kept)
        }
        return Chunk(tenant: tenant, pieces: sent.pieces, runs: kept(runs), series: series)
    }

    /// What becomes of runs of which nothing goes out.
    func settlingExcluded(_ runs: [LeasedRun]) -> [Settlement.Part] {
        runs.filter { !$0.ordinals.isEmpty }.map { Settlement.Part($0, .delivered) }
    }

    /// Says of each part how many of its points were kept back, and by which rules.
    func noting(_ settlement: Settlement) -> Settlement {
        guard let batches else { return settlement }
        var noted = settlement
        noted.route = route
        for (index, part) in noted.parts.enumerated() where part.fate == .delivered || part.fate == .assumed {
            noted.parts[index].excluded = batches[part.run.piece].excluded(in: part.run.ordinals)
        }
        return noted
    }
}
