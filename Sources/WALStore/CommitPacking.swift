import Metrics

/// One row of a commit, encoded.
struct PackedRow: Sendable {
    /// A part of one request's points.
    struct Slice: Sendable, Hashable {
        /// Which request of the group.
        var append: Int
        var ordinals: Range<Int>
    }
    var sequence: Int64
    var batch: Batch
    var block: [UInt8]
    /// What came to be for it, and is stored before it.
    var base: StandingBases.Fresh?
    var slices: [Slice]
    /// Of its block, and of what comes with it.
    var storedBytes: Int64 { Int64(block.count + 2 * (base?.block.count ?? 0)) }
    /// Of its points, nanoseconds; 0 when it has none.
    var firstTime: Int64 = 0
    var lastTime: Int64 = 0
}

extension OriginRun {
    /// What the points of a row that no repack has touched say of their places.
    static func fresh(_ sequence: Int64, points: Int) -> [OriginRun] {
        points == 0 ? [] : [OriginRun(sequence: sequence, firstOrdinal: 0, count: points)]
    }
}

extension Spool {
    /// Merges a group's requests into as few rows as the limits allow (rule 22): requests in arrival order, a
    /// large one over several rows.
    func pack(_ appends: [CommitQueue.Append]) throws(SpoolError) -> [PackedRow] {
        var rows: [PackedRow] = []
        var sequence = ledger.nextSequence
        for slices in Packing.rows(of: appends) {
            try encode(slices, appends, &sequence, into: &rows)
        }
        if sequence > reservedBefore { reservedBefore = try environment.reserveSequences(sequence - 1) }
        return rows
    }

    /// Encodes one row; what comes out beyond the stored limit is halved until it fits.
    private func encode(
        _ slices: [PackedRow.Slice], _ appends: [CommitQueue.Append], _ sequence: inout Int64,
        into rows: inout [PackedRow]
    ) throws(SpoolError) {
        let batch = Packing.merge(slices, appends, environment.spare)
        let origins = OriginRun.fresh(sequence, points: batch.points.count)
        let standing = bases.names(for: batch, sequence: sequence) { [workspace] content, origins in
            Block.encode(content, origins: origins, workspace: workspace)
        }
        let block = Block.encode(batch, origins: origins, names: standing?.names, workspace: workspace)
        if block.count > Block.maximumStoredBytes {
            bases.dropUnstored()
            guard let (left, right) = Packing.halves(slices) else {
                throw SpoolError(.tooLarge, "one point and what travels with it take \(block.count) bytes stored")
            }
            try encode(left, appends, &sequence, into: &rows)
            return try encode(right, appends, &sequence, into: &rows)
        }
        var row = PackedRow(
            sequence: sequence, batch: batch, block: block, base: standing?.fresh, slices: slices)
        if let first = batch.points.times.min(), let last = batch.points.times.max() {
            (row.firstTime, row.lastTime) = (first, last)
        }
        rows.append(row)
        sequence += 1
    }
}

/// How requests become rows.
enum Packing {
    /// Half of what a block may decode to: an estimate must not end at a limit that the decoder enforces.
    static let maximumRowBytes = Block.maximumDecodedBytes / 2

    static func rows(of appends: [CommitQueue.Append]) -> [[PackedRow.Slice]] {
        var rows: [[PackedRow.Slice]] = []
        var row: [PackedRow.Slice] = []
        var (points, bytes) = (0, 0)
        for (index, append) in appends.enumerated() {
            let count = append.request.decoded.batch.points.count
            let bytesPerPoint = max(1, append.bytes / max(1, count))
            var next = 0
            repeat {
                let room = min(Block.maximumPoints - points, (maximumRowBytes - bytes) / bytesPerPoint)
                if room < min(count - next, 1) || bytes >= maximumRowBytes, !row.isEmpty {
                    rows.append(row)
                    (row, points, bytes) = ([], 0, 0)
                    continue
                }
                let taken = min(count - next, max(1, room))
                row.append(PackedRow.Slice(append: index, ordinals: next..<next + taken))
                next += taken
                points += taken
                bytes += count == 0 ? append.bytes : taken * bytesPerPoint
            } while next < count
        }
        rows.append(row)
        return rows
    }

    /// The points of a row, in order. A request that has the row to itself is not copied.
    static func merge(
        _ slices: [PackedRow.Slice], _ appends: [CommitQueue.Append], _ spare: SpareBatches
    ) -> Batch {
        if slices.count == 1 {
            let batch = appends[slices[0].append].request.decoded.batch
            if slices[0].ordinals == 0..<batch.points.count { return batch }
        }
        var merged = spare.take()
        merged.reserveCapacity(merging: slices.lazy.map { appends[$0.append].request.decoded.batch })
        for slice in slices { merged.merge(appends[slice.append].request.decoded.batch, slice.ordinals) }
        return merged
    }

    /// Splits by points, or by requests where these have none.
    static func halves(_ slices: [PackedRow.Slice]) -> ([PackedRow.Slice], [PackedRow.Slice])? {
        let points = slices.reduce(0) { $0 + $1.ordinals.count }
        if points < 2 {
            guard slices.count > 1 else { return nil }
            let middle = slices.count / 2
            return (Array(slices[..<middle]), Array(slices[middle...]))
        }
        var (left, right): ([PackedRow.Slice], [PackedRow.Slice]) = ([], [])
        var room = points / 2
        for slice in slices {
            let taken = min(room, slice.ordinals.count)
            let cut = slice.ordinals.lowerBound + taken
            if taken > 0 || (slice.ordinals.isEmpty && room > 0) {
                left.append(PackedRow.Slice(append: slice.append, ordinals: slice.ordinals.lowerBound..<cut))
            }
            if taken < slice.ordinals.count || (slice.ordinals.isEmpty && room == 0) {
                right.append(PackedRow.Slice(append: slice.append, ordinals: cut..<slice.ordinals.upperBound))
            }
            room -= taken
        }
        return (left, right)
    }
}
