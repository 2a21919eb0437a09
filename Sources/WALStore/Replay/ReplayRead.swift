import Metrics

/// Rows in order without a gap between them, of which a job wants points.
struct ReplayRead: Sendable {
    struct Row: Sendable {
        var row: StoredRow
        var cached: DecodedBlock?
        /// None of its points is wanted: it is passed without a look.
        var isPassed: Bool
    }

    var rows: [Row]
    /// Positions.
    var window: Range<Int64>
    var times: Range<Int64>?
    var selector: SeriesSelector?
    var sequences: Range<Int64>
    /// What the backend is still owed, in order.
    var owed: [Range<Int64>]
    /// Points at most.
    var room: Int

    /// - Returns: ordinals of the row that are selected, in order, from the one at the window's beginning on; and where it
    ///   stopped for want of room.
    func select(_ block: DecodedBlock, _ row: StoredRow) -> (runs: [Range<Int>], owed: Int64, stop: Int) {
        let ordinals = row.ordinals(of: window)
        let points = block.batch.points
        // Whether a series is: 0 is not known yet.
        var known = [UInt8](repeating: selector == nil ? 1 : 0, count: block.batch.series.count)
        var runs: [Range<Int>] = []
        var (count, owedPoints): (Int, Int64) = (0, 0)
        for part in wanted(ordinals, block.origins) {
            for ordinal in part {
                if count == room { return (runs, owedPoints, ordinal) }
                if let times, !times.contains(points.times[ordinal]) { continue }
                let id = points.series[ordinal]
                if known[Int(id)] == 0 { known[Int(id)] = selector?.matches(block.batch, series: id) == true ? 1 : 2 }
                guard known[Int(id)] == 1 else { continue }
                let position = row.position + Int64(ordinal)
                if isOwed(position) {
                    owedPoints += 1
                    continue
                }
                count += 1
                if let last = runs.last, last.upperBound == ordinal {
                    runs[runs.count - 1] = last.lowerBound..<ordinal + 1
                } else {
                    runs.append(ordinal..<ordinal + 1)
                }
            }
        }
        return (runs, owedPoints, ordinals.upperBound)
    }

    /// Those of the wanted sequences.
    private func wanted(_ ordinals: Range<Int>, _ origins: [OriginRun]) -> [Range<Int>] {
        var parts: [Range<Int>] = []
        var first = 0
        for origin in origins {
            let part = (first..<first + origin.count).clamped(to: ordinals)
            if sequences.contains(origin.sequence), !part.isEmpty { parts.append(part) }
            first += origin.count
        }
        return parts
    }

    private func isOwed(_ position: Int64) -> Bool {
        let index = owed.partition { $0.lowerBound > position } - 1
        return index >= 0 && owed[index].contains(position)
    }
}

/// What was found of a `ReplayRead`.
struct ReplayFound: Sendable {
    struct Failure: Sendable {
        var row: StoredRow
        var error: SpoolError
        /// The block was read, and is not that of its row: it was merged meanwhile, or the row is damaged.
        var isMisfit = false
    }

    var batch: Batch
    var segments: [ReplayPiece.Segment] = []
    var owedPoints: Int64 = 0
    /// Where it goes on; nil: at the beginning.
    var cut: Cut?
    var failure: Failure?
}

extension SpoolReader {
    /// Copies what is selected behind the points of `batch`, on the reader's thread.
    func find(_ read: ReplayRead, into batch: Batch) -> ReplayFound {
        var read = read
        var found = ReplayFound(batch: batch)
        for wanted in read.rows {
            let row = wanted.row
            if wanted.isPassed {
                found.cut = row.span.end.clamped(to: read.window.upperBound)
                continue
            }
            let block: DecodedBlock
            do throws(SpoolError) {
                if let cached = wanted.cached { block = cached } else { block = try self.block(row.sequence) }
            } catch {
                found.failure = ReplayFound.Failure(row: row, error: error)
                return found
            }
            guard block.batch.points.count == row.points, row.isRow(of: block.origins) else {
                found.failure = ReplayFound.Failure(
                    row: row, error: SpoolError(.unavailable, "a row is not that of its block"), isMisfit: true)
                return found
            }
            let (runs, owed, stop) = read.select(block, row)
            found.owedPoints += owed
            var first = found.batch.points.count
            for run in runs {
                found.segments.append(
                    ReplayPiece.Segment(first: first, row: row, origins: block.origins, ordinal: run.lowerBound))
                first += run.count
            }
            read.room -= first - found.batch.points.count
            found.batch.merge(block.batch, runs: runs)
            let position = row.position + Int64(stop)
            found.cut = Cut(stop < row.points ? row.place(of: stop, block.origins) : row.span.end.place, position)
            if stop < row.ordinals(of: read.window).upperBound { return found }
        }
        return found
    }
}

extension Cut {
    /// The place is that of the row's end: only the position counts behind a job's end.
    fileprivate func clamped(to end: Int64) -> Cut { position <= end ? self : Cut(place, end) }
}
