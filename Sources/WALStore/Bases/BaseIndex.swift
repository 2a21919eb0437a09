import Metrics

/// Finds series in bases: in which of them each is, and as which of its own.
struct BaseIndex {
    /// Where a series is.
    struct Entry {
        /// `missing`, or the number of a base.
        var base: UInt32
        var series: UInt32
        static let missing = UInt32.max
        var isMissing: Bool { base == Entry.missing }
    }

    /// A row of whose series less than this part is in bases says them all itself.
    static let smallestPart = 16

    /// By number; nil: it went out of use, and entries may still have its number.
    private(set) var bases: [BlockBase?] = []
    /// A slot has the lower half of a hash, and the number of an entry plus 1; 0 is free. At most half of them are taken.
    private var slots: [UInt64] = []
    private var entries: [Entry] = []
    /// Numbers that no entry has.
    private var unused: [Int] = []

    /// - Returns: its number.
    mutating func add(_ base: BlockBase) -> Int {
        let number = unused.popLast() ?? bases.count
        if number == bases.count { bases.append(nil) }
        bases[number] = base
        index(number)
        return number
    }

    mutating func remove(_ number: Int) { bases[number] = nil }

    mutating func removeAll() { self = BaseIndex() }

    // MARK: Finding

    /// Where each series of a table is.
    ///
    /// - Parameter found: gets an entry for each; kept from table to table for its memory.
    func lookUp(_ table: SeriesTable, into found: inout [Entry]) {
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
            guard !entry.isMissing else { continue }
            if entry.base != at.base { known = bases[Int(entry.base)]?.series ?? SeriesTable() }
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
                if bases[Int(entry.base)]?.series.isSame(entry.series, as: table, id) == true { return entry }
            }
            at = (at + 1) & mask
        }
        return missing
    }

    /// Puts the series of a base where `find` finds them.
    private mutating func index(_ number: Int) {
        guard let base = bases[number] else { return }
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
    private mutating func indexAnew() {
        let count = bases.reduce(0) { $0 + ($1?.series.count ?? 0) }
        entries.removeAll(keepingCapacity: true)
        var room = 64
        while room < 4 * count { room *= 2 }
        slots = Array(repeating: 0, count: room)
        for number in bases.indices { index(number) }
        unused = bases.indices.filter { bases[$0] == nil }
    }

    // MARK: Naming

    /// Names for what was found: of the bases that have most of it, as many as a block may name.
    ///
    /// - Returns: nil when too little is found to be worth it; else also which bases were chosen, and how many series
    ///   each has.
    func names(of found: [Entry]) -> (names: BaseNames, chosen: [(number: Int, series: Int)])? {
        var uses = [Int](repeating: 0, count: bases.count)
        for entry in found where !entry.isMissing { uses[Int(entry.base)] += 1 }
        let chosen = uses.indices.filter { uses[$0] > 0 }.sorted { uses[$0] > uses[$1] }
            .prefix(BlockBase.maximumOfABlock).sorted()
        guard chosen.reduce(0, { $0 + uses[$1] }) * BaseIndex.smallestPart >= found.count, !chosen.isEmpty else {
            return nil
        }
        var names = BaseNames()
        var firstOf = [UInt32](repeating: BaseNames.own, count: bases.count)
        var first: UInt32 = 0
        for number in chosen {
            guard let base = bases[number] else { continue }
            firstOf[number] = first
            first += UInt32(base.series.count)
            names.bases.append(base)
        }
        names.ids = found.map { entry in
            guard !entry.isMissing, firstOf[Int(entry.base)] != BaseNames.own else { return BaseNames.own }
            return firstOf[Int(entry.base)] + entry.series
        }
        return (names, chosen.map { ($0, uses[$0]) })
    }
}
