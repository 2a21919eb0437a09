import Metrics

/// What a job has read and not settled: the points of one request or so, copied out of their blocks, so that neither
/// repack nor prune is in its way. It lives in memory; after a restart it is read, and sent, once more.
struct ReplayPiece: Sendable {
    /// Neighbours of one row.
    struct Segment: Sendable {
        /// Ordinal in `batch`.
        var first: Int
        var row: StoredRow
        var origins: [OriginRun]
        /// Of the first of them, in the row.
        var ordinal: Int
    }

    var batch = Batch()
    var segments: [Segment] = []
    /// Ordinals without an answer yet.
    var open: [Range<Int>] = []
    /// The job when all of this is settled, but for what becomes of these points.
    var after: ReplayJob
    var refusals: [ReplayRefusal] = []
    /// nil while nobody has it.
    var lease: LeaseID?
    /// Of its points, refused.
    var dead: Int64 = 0

    init(after job: ReplayJob) { after = job }

    /// The position behind the last of its points; nil when it has none.
    var endPosition: Int64? {
        segments.last.map { $0.row.position + Int64($0.ordinal + batch.points.count - $0.first) }
    }

    var openPoints: Int64 { open.reduce(0) { $0 + Int64($1.count) } }

    func place(of ordinal: Int) -> Place {
        let index = segments.partition { $0.first > ordinal } - 1
        let segment = segments[index]
        return segment.row.place(of: segment.ordinal + ordinal - segment.first, segment.origins)
    }

    /// The first `limit` points without an answer, as pieces of a lease that share the batch.
    ///
    /// A later point of the same series may be at the backend already, by its own delivery: that it calls one of these out
    /// of order proves nothing.
    func leased(limit: Int) -> [LeasedPiece] {
        var left = limit
        var pieces: [LeasedPiece] = []
        for run in open where left > 0 {
            let ordinals = run.prefix(left)
            left -= ordinals.count
            let (first, last) = (place(of: ordinals.lowerBound), place(of: ordinals.upperBound - 1))
            pieces.append(
                LeasedPiece(
                    places: PlaceRange(first, Place(last.sequence, last.ordinal + 1)), batch: batch,
                    ordinals: ordinals, maybeSent: false, overtaken: ordinals))
        }
        return pieces
    }

    /// Takes what was answered out of what is open, and counts it.
    ///
    /// - Throws: `.misuse` for points that have no place here or were settled before; nothing is changed then.
    mutating func settle(_ settlement: Settlement, wall: Int64) throws(SpoolError) {
        var settled = self
        for part in settlement.parts where part.fate != .released && !part.run.ordinals.isEmpty {
            try settled.close(part.run.ordinals)
            let excluded = Int64(max(0, min(part.excluded, part.run.ordinals.count)))
            let points = Int64(part.run.ordinals.count) - excluded
            settled.after.counts.excluded += excluded
            switch part.fate {
            case .delivered, .assumed: settled.after.counts.sent += points
            case .excluded: settled.after.counts.excluded += points
            case .dead(let reason):
                settled.after.counts.dead += points
                settled.dead += points
                settled.note(part.run.ordinals, reason, wall)
            case .released: break
            }
        }
        self = settled
    }

    private mutating func close(_ ordinals: Range<Int>) throws(SpoolError) {
        guard
            let index = open.firstIndex(where: {
                $0.lowerBound <= ordinals.lowerBound && ordinals.upperBound <= $0.upperBound
            })
        else { throw SpoolError(.misuse, "points of a replay are settled twice, or are not its own") }
        let run = open[index]
        let rest = [run.lowerBound..<ordinals.lowerBound, ordinals.upperBound..<run.upperBound]
        open.replaceSubrange(index...index, with: rest.filter { !$0.isEmpty })
    }

    /// Rows that a piece adds to the refusals at most; the points of the rest are counted.
    static let maximumRefusals = 100

    private mutating func note(_ ordinals: Range<Int>, _ reason: DeadLetterReason, _ wall: Int64) {
        let place = place(of: ordinals.lowerBound)
        if let last = refusals.last, last.reason == reason, last.place.sequence == place.sequence,
            last.place.ordinal + last.points == place.ordinal
        {
            refusals[refusals.count - 1].points += Int64(ordinals.count)
            return
        }
        guard refusals.count < ReplayPiece.maximumRefusals else { return }
        var point = Batch()
        point.merge(batch, runs: [ordinals.prefix(1)])
        refusals.append(
            ReplayRefusal(
                place: place, points: Int64(ordinals.count), reason: reason, refusedAt: wall, first: point))
    }
}

extension Array {
    /// The first index of a sorted array for which `isBehind` holds; by halving.
    func partition(_ isBehind: (Element) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if isBehind(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

extension Range<Int> {
    fileprivate func prefix(_ count: Int) -> Range<Int> { lowerBound..<Swift.min(upperBound, lowerBound + count) }
}
