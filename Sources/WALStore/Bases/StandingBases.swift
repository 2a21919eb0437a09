import Metrics

/// The bases that a spool's new rows stand on: where each of their series is, and when a new base pays.
///
/// A series gets into a base when it comes a second time, with many others. A base serves for so many samples that its own
/// bytes are next to nothing among theirs, and not for so many rows that its loss would be a disaster; then what still comes
/// gets into a new one, with the values of that day. Bound to the writer; not `Sendable`.
final class StandingBases {
    private struct Standing {
        let base: BlockBase
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
    /// A row of whose series less than this part is in bases says them all itself; nor are fewer of them a new base, so that
    /// few bases have them all.
    private static let smallestPart = 16
    /// Rows between two attempts to get memory.
    private static let restRows = 256

    private let allowance: BaseAllowance
    private let rules: BaseRules
    /// nil: it went out of use, and entries may still have its number.
    private var standing: [Standing?] = []
    /// A slot has the lower half of a hash, and the number of an entry plus 1; 0 is free. At most half of them are taken.
    private var slots: [UInt64] = []
    private var entries: [Entry] = []
    /// Numbers in `standing` that no entry has.
    private var unused: [Int] = []
    private var seen = SeenSeries()
    /// Where no row stands on it any more: of those that went out of use in this life of the spool.
    private var ends: [Int64: Int64] = [:]
    /// The first sequence of this life.
    private var start: Int64 = .max
    private var restsFor = 0
    /// By series of the row at hand, kept from row to row for its memory.
    private var found: [Entry] = []

    private struct Entry {
        /// `missing`, or its index in `standing`.
        var base: UInt32
        var series: UInt32
        static let missing = UInt32.max
    }

    init(_ allowance: BaseAllowance, _ rules: BaseRules) {
        self.allowance = allowance
        self.rules = rules
    }

    /// Ids of those that rows may still come to stand on.
    var ids: [Int64] { standing.compactMap { $0?.base.id } }

    /// No row with this sequence or a later one stands on it.
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
            each.uses >= rules.usesASeries * each.base.series.count || each.rows >= rules.mostRows
        }
        lookUp(table)
        let fresh = makeBase(of: batch, sequence, encode)
        guard let names = chooseNames(table.count) else { return nil }
        return (names, fresh)
    }

    // MARK: Finding

    private func lookUp(_ table: SeriesTable) {
        found.removeAll(keepingCapacity: true)
        found.reserveCapacity(table.count)
        // Rows come in the order of the base: the next one is mostly the next one there.
        var known = SeriesTable()
        var at = Entry(base: Entry.missing, series: 0)
        for id in 0..<UInt32(table.count) {
            if Int(at.series) < known.count, known.isSame(at.series, as: table, id) {
                found.append(at)
                at.series += 1
                continue
            }
            let entry = find(table, id)
            found.append(entry)
            guard entry.base != Entry.missing else { continue }
            if entry.base != at.base { known = standing[Int(entry.base)]?.base.series ?? SeriesTable() }
            at = Entry(base: entry.base, series: entry.series + 1)
        }
    }

    private func find(_ table: SeriesTable, _ id: UInt32) -> Entry {
        let missing = Entry(base: Entry.missing, series: 0)
        if slots.isEmpty { return missing }
        let hash = table.hash(of: id)
        let mask = slots.count - 1
        var at = Int(truncatingIfNeeded: hash >> 32) & mask
        let wanted = hash << 32
        while slots[at] != 0 {
            if slots[at] & 0xffff_ffff_0000_0000 == wanted {
                let entry = entries[Int(UInt32(truncatingIfNeeded: slots[at])) - 1]
                if standing[Int(entry.base)]?.base.series.isSame(entry.series, as: table, id) == true { return entry }
            }
            at = (at + 1) & mask
        }
        return missing
    }

    /// Puts the series of a base where `find` finds them.
    private func index(_ number: Int) {
        guard let base = standing[number]?.base else { return }
        if 2 * (entries.count + base.series.count) > slots.count { return indexAnew() }
        let mask = slots.count - 1
        for id in 0..<UInt32(base.series.count) {
            let hash = base.series.hash(of: id)
            entries.append(Entry(base: UInt32(number), series: id))
            var at = Int(truncatingIfNeeded: hash >> 32) & mask
            while slots[at] != 0 { at = (at + 1) & mask }
            slots[at] = hash << 32 | UInt64(entries.count)
        }
    }

    /// Without what went out of use, and with room for as much again.
    private func indexAnew() {
        let count = standing.reduce(0) { $0 + ($1?.base.series.count ?? 0) }
        entries.removeAll(keepingCapacity: true)
        var room = 64
        while room < 4 * count { room *= 2 }
        slots = Array(repeating: 0, count: room)
        for number in standing.indices { index(number) }
        unused = standing.indices.filter { standing[$0] == nil }
    }

    // MARK: Choosing

    /// - Returns: nil when too little is found to be worth it.
    private func chooseNames(_ count: Int) -> BaseNames? {
        var uses = [Int](repeating: 0, count: standing.count)
        for entry in found where entry.base != Entry.missing { uses[Int(entry.base)] += 1 }
        let chosen = uses.indices.filter { uses[$0] > 0 }.sorted { uses[$0] > uses[$1] }
            .prefix(BlockBase.maximumOfABlock).sorted()
        guard chosen.reduce(0, { $0 + uses[$1] }) * StandingBases.smallestPart >= count, !chosen.isEmpty else {
            return nil
        }
        var names = BaseNames()
        var firstOf = [UInt32](repeating: BaseNames.own, count: standing.count)
        var first: UInt32 = 0
        for number in chosen {
            firstOf[number] = first
            standing[number]?.uses += uses[number]
            standing[number]?.rows += 1
            guard let base = standing[number]?.base else { continue }
            first += UInt32(base.series.count)
            names.bases.append(base)
        }
        names.ids = found.map { entry in
            guard entry.base != Entry.missing, firstOf[Int(entry.base)] != BaseNames.own else { return BaseNames.own }
            return firstOf[Int(entry.base)] + entry.series
        }
        return names
    }

    // MARK: Making and retiring

    /// Of the series that are in none, when most of them came before.
    private func makeBase(
        of batch: Batch, _ sequence: Int64, _ encode: (Batch, [OriginRun]) -> [UInt8]
    ) -> Fresh? {
        let missing = found.count { $0.base == Entry.missing }
        guard missing > 0 else { return nil }
        seen.expect(missing)
        var cameAgain = 0
        for id in 0..<UInt32(found.count) where found[Int(id)].base == Entry.missing {
            if seen.note(batch.series.hash(of: id)) { cameAgain += 1 }
        }
        guard cameAgain >= max(rules.fewestSeries, found.count / StandingBases.smallestPart), 2 * cameAgain >= missing
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
        let number = unused.popLast() ?? standing.count
        if number == standing.count { standing.append(nil) }
        standing[number] = Standing(base: base, share: share)
        for (series, id) in wanted.enumerated() {
            found[Int(id)] = Entry(base: UInt32(number), series: UInt32(series))
        }
        index(number)
        return Fresh(base: base, block: block)
    }

    /// As many as one base takes, and the bytes of their labels.
    private func missingSeries(of table: SeriesTable) -> (ids: [UInt32], labelBytes: Int) {
        var ids: [UInt32] = []
        var labelBytes = 0
        for id in 0..<UInt32(found.count) where found[Int(id)].base == Entry.missing {
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
            standing[number] = nil
            ends[each.base.id] = sequence
            seen.expect(each.base.series.count)
            for id in 0..<UInt32(each.base.series.count) { _ = seen.note(each.base.series.hash(of: id)) }
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
        entries = []
        slots = []
        unused = []
        found = []
        seen.removeAll()
    }
}
