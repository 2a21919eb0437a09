import Metrics

/// The bases that a spool's new rows stand on: where each of their series is, and when a new base pays.
///
/// A series gets into a base when it comes a second time, with many others. A base serves for so many samples that its own
/// bytes are next to nothing among theirs, and not for so many rows that its loss would be a disaster; then what still comes
/// gets into a new one, with the values of that day. Bound to the writer; not `Sendable`.
final class StandingBases {
    private struct Standing {
        let id: Int64
        let series: Int
        let share: BaseAllowance.Share
        /// Series that rows found in it, each time.
        var uses = 0
        var rows = 0
        /// It is in the database.
        var isStored = false
    }

    /// A new base of a row.
    struct Fresh {
        let base: BlockBase
        let block: [UInt8]
    }

    private static let mostSeries = 1 << 16
    private static let mostLabelBytes = 8 << 20
    /// Rows between two attempts to get memory.
    private static let restRows = 256

    private let allowance: BaseAllowance
    private let rules: BaseRules
    private var index = BaseIndex()
    /// By their numbers in `index`.
    private var standing: [Standing?] = []
    private var seen: SeenSeries
    /// Where no row stands on it any more: of those that went out of use in this life of the spool.
    private var ends: [Int64: Int64] = [:]
    /// The first sequence of this life.
    private(set) var start: Int64 = .max
    private var restsFor = 0
    /// By series of the row at hand, kept from row to row for its memory.
    private var found: [BaseIndex.Entry] = []

    init(_ allowance: BaseAllowance, _ rules: BaseRules) {
        self.allowance = allowance
        self.rules = rules
        seen = SeenSeries(allowance)
    }

    /// Ids of those that rows may still come to stand on.
    var ids: [Int64] { standing.compactMap { $0?.id } }

    /// No row with this sequence or a later one stands on it: of a base of a former life, `start` at the latest.
    func end(of id: Int64) -> Int64 { ends[id] ?? (id < start ? start : .max) }

    func forgetEnds(of gone: [Int64]) {
        for id in gone { ends[id] = nil }
    }

    /// What a row's series are called in bases, and the base that came to be for it, if one did.
    ///
    /// - Parameters:
    ///   - sequence: the row's; a new base gets it for its id.
    ///   - encode: makes a base's block.
    /// - Returns: nil when the row is to say all itself.
    func names(
        for batch: Batch, sequence: Int64, encode: (Batch, [OriginRun]) -> [UInt8]
    ) -> (names: BaseNames, fresh: Fresh?)? {
        let table = batch.series
        guard table.isPlain, table.count > 0, table.count <= BlockBase.maximumNames else { return nil }
        if restsFor > 0 {
            restsFor -= 1
            return nil
        }
        retire(at: sequence) { each in
            each.uses >= rules.usesASeries * each.series || each.rows >= rules.mostRows
        }
        index.lookUp(table, into: &found)
        let fresh = makeBase(of: batch, sequence, encode)
        guard let (names, chosen) = index.names(of: found) else { return nil }
        for (number, series) in chosen {
            standing[number]?.uses += series
            standing[number]?.rows += 1
        }
        return (names, fresh)
    }

    // MARK: Making and retiring

    /// Of the series that are in none, when most of them came before.
    private func makeBase(
        of batch: Batch, _ sequence: Int64, _ encode: (Batch, [OriginRun]) -> [UInt8]
    ) -> Fresh? {
        let missing = found.count { $0.isMissing }
        guard missing > 0 else { return nil }
        seen.expect(missing)
        var cameAgain = 0
        for id in 0..<UInt32(found.count) where found[Int(id)].isMissing {
            if seen.note(batch.series.hash(of: id)) { cameAgain += 1 }
        }
        // Few bases shall have them all.
        guard cameAgain >= max(rules.fewestSeries, found.count / BaseIndex.smallestPart), 2 * cameAgain >= missing
        else {
            return nil
        }
        // All of them: neighbours stay neighbours.
        let (wanted, labelBytes) = missingSeries(of: batch.series)
        guard let share = allowance.take(labelBytes + wanted.count * StandingBases.bytesASeries) else {
            restsFor = StandingBases.restRows
            return nil
        }
        let content = StandingBases.content(wanted, of: batch)
        let block = encode(content, OriginRun.fresh(sequence, points: content.points.count))
        guard block.count <= Block.maximumStoredBytes,
            let base = block.withUnsafeBytes({ try? BlockBase(id: sequence, block: $0) })
        else { return nil }
        let number = index.add(base)
        if number == standing.count { standing.append(nil) }
        standing[number] = Standing(id: base.id, series: base.series.count, share: share)
        for (series, id) in wanted.enumerated() {
            found[Int(id)] = BaseIndex.Entry(base: UInt32(number), series: UInt32(series))
        }
        return Fresh(base: base, block: block)
    }

    /// As many as one base takes, and the bytes of their labels.
    private func missingSeries(of table: SeriesTable) -> (ids: [UInt32], labelBytes: Int) {
        var ids: [UInt32] = []
        var labelBytes = 0
        for id in 0..<UInt32(found.count) where found[Int(id)].isMissing {
            labelBytes += table.labelRange(of: id).count
            guard labelBytes <= StandingBases.mostLabelBytes, ids.count < StandingBases.mostSeries else { break }
            ids.append(id)
        }
        return (ids, labelBytes)
    }

    /// A series' entry in its table, its predictor, and what finds it.
    private static let bytesASeries = 128

    /// The series with the last value of each. A NaN tells nothing of the next one; stale markers are such.
    private static func content(_ ids: [UInt32], of batch: Batch) -> Batch {
        var content = Batch()
        var first = 0
        while first < ids.count {
            var end = first + 1
            while end < ids.count, ids[end] == ids[end - 1] + 1 { end += 1 }
            content.series.append(batch.series, Int(ids[first])..<Int(ids[end - 1]) + 1)
            first = end
        }
        var last = [Int32](repeating: -1, count: batch.series.count)
        for (ordinal, id) in batch.points.series.enumerated() {
            let kind = batch.points.kind(at: ordinal)
            guard kind.isScalar, kind != .float64 || !Double(bitPattern: batch.points.bits[ordinal]).isNaN else {
                continue
            }
            last[Int(id)] = Int32(ordinal)
        }
        for (series, id) in ids.enumerated() where last[Int(id)] >= 0 {
            let ordinal = Int(last[Int(id)])
            content.points.append(
                series: UInt32(series), time: 0, kind: batch.points.kind(at: ordinal), bits: batch.points.bits[ordinal])
        }
        return content
    }

    /// What was in them comes again, as far as is known.
    private func retire(at sequence: Int64, where isOver: (Standing) -> Bool) {
        for number in standing.indices {
            guard let each = standing[number], isOver(each) else { continue }
            let series = index.bases[number]?.series ?? SeriesTable()
            standing[number] = nil
            index.remove(number)
            ends[each.id] = sequence
            seen.expect(series.count)
            for id in 0..<UInt32(series.count) { _ = seen.note(series.hash(of: id)) }
        }
    }

    /// The transaction that has the new ones is there.
    func stored() {
        for number in standing.indices { standing[number]?.isStored = true }
    }

    /// It is not, as far as is known: no later row will stand on them.
    func dropUnstored() { retire(at: .max) { !$0.isStored } }

    /// Gives all memory back.
    ///
    /// - Parameter sequence: the next row's.
    func removeAll(before sequence: Int64) {
        start = sequence
        ends = [:]
        standing = []
        index.removeAll()
        found = []
        seen.removeAll()
    }
}
