/// Something that happened to the rows as a whole; its head stands for all links up to it.
struct ChainLink: Sendable, Hashable {
    enum Kind: String, Sendable {
        /// The first of a spool, or of a spool that had no chain.
        case started
        /// The chain began again: the node had run without its key, or its state was not the one it had written.
        case resumed
        /// The spool took the place of one that was set aside.
        case salvaged
        /// The spool was put in place from a backup.
        case restored
        /// Nothing but that time passed, or the spool was closed.
        case sealed
        /// Rows were found that are not as the node had written them.
        case altered
        /// The key is of another epoch.
        case key
        /// Former links, in one.
        case folded
    }

    /// The length of the chain with it.
    var id: Int64
    var kind: String
    var wall: Int64
    var version: Int64
    var life: UInt32
    var epoch: UInt32
    var work: ChainState.Work
    var detail: String
    /// `ChainState.rowsDigest`, as it was then.
    var rows: ChainDigest
    var former: ChainDigest
    var head = ChainDigest.zero

    /// The head that the link should have, with the key of its epoch.
    func head(_ mac: ChainMAC) -> ChainDigest {
        var input = mac.begin()
        add(to: &input)
        input.add(rows)
        return input.end()
    }

    /// What a folded link has in place of `rows`: its head is that of the last one that it took in.
    func foldedCode(_ keys: ChainKeys) -> ChainDigest {
        var input = keys.state.begin()
        input.add(UInt8(ascii: "f"))
        add(to: &input)
        input.add(head)
        return input.end()
    }

    private func add(to input: inout ChainMACInput) {
        input.add(former)
        for number in [
            id, wall, version, Int64(life), Int64(epoch), work.pruned?.lowerBound ?? -1, work.pruned?.upperBound ?? -1,
            work.prunedRows, work.repackedRows, work.mergedRows, work.removedRows, work.alteredRows,
        ] { input.add(number) }
        for text in [kind, detail] {
            input.add(Int64(text.utf8.count))
            var text = text
            text.withUTF8 { input.add(UnsafeRawBufferPointer($0)) }
        }
    }
}

/// Links as rows.
extension ChainLink {
    static let columns =
        """
        id, kind, wall, ledger_version, life, epoch, pruned_position, pruned_end, pruned_rows, repacked_rows, merged_rows, \
        removed_rows, altered_rows, detail, rows, former, head
        """

    static let insertion =
        "INSERT OR REPLACE INTO links (\(columns)) VALUES (\((1...17).map { "?\($0)" }.joined(separator: ", ")))"

    var values: [SQLValue] {
        [
            .integer(id), .text(kind), .integer(wall), .integer(version), .integer(Int64(life)), .integer(Int64(epoch)),
            SQLValue(work.pruned?.lowerBound), SQLValue(work.pruned?.upperBound), .integer(work.prunedRows),
            .integer(work.repackedRows), .integer(work.mergedRows), .integer(work.removedRows),
            .integer(work.alteredRows), .text(detail), .blob(rows.array), .blob(former.array), .blob(head.array),
        ]
    }

    /// - Parameter row: of `columns`. What is no digest or no number of its size reads as zero, which is no link's.
    init(_ row: Statement) {
        func digest(_ column: Int32) -> ChainDigest { row.withBlob(column) { ChainDigest(stored: $0) ?? .zero } }
        id = row.integer(0)
        kind = row.text(1)
        wall = row.integer(2)
        version = row.integer(3)
        life = UInt32(exactly: row.integer(4)) ?? 0
        epoch = UInt32(exactly: row.integer(5)) ?? .max
        work = ChainState.Work()
        if let first = row.optionalInteger(6), let end = row.optionalInteger(7), first <= end {
            work.pruned = first..<end
        }
        work.prunedRows = row.integer(8)
        work.repackedRows = row.integer(9)
        work.mergedRows = row.integer(10)
        work.removedRows = row.integer(11)
        work.alteredRows = row.integer(12)
        detail = row.text(13)
        rows = digest(14)
        former = digest(15)
        head = digest(16)
    }
}
