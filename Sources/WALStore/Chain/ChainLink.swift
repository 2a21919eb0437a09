/// Something that happened to the rows as a whole; its head stands for all links up to it.
struct ChainLink: Sendable, Hashable {
    enum Kind: String, Sendable, CaseIterable {
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
    /// As it was read: every column has what a link has there.
    var isWellFormed = true

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

    /// The kinds of the links that it stands for: of a folded one those that its detail counts (`3 sealed, 1 started`).
    var kindsWithin: [String: Int] {
        guard kind == Kind.folded.rawValue else { return [kind: 1] }
        var kinds: [String: Int] = [:]
        for part in detail.split(separator: ", ").prefix(Kind.allCases.count) {
            let words = part.split(separator: " ")
            guard words.count == 2, let count = Int(words[0]), count > 0 else { continue }
            kinds[String(words[1]), default: 0] = count
        }
        return kinds
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

    /// - Parameter row: of `columns`. What is no digest, no number of its size or no span leaves it not well formed.
    init(_ row: Statement) {
        let digests = (14..<17).map { column in row.withBlob(column) { ChainDigest(stored: $0) } }
        let (first, end) = (row.optionalInteger(6), row.optionalInteger(7))
        isWellFormed =
            digests.allSatisfy { $0 != nil } && UInt32(exactly: row.integer(4)) != nil
            && UInt32(exactly: row.integer(5)) != nil && (first == nil) == (end == nil) && (first ?? 0) <= (end ?? 0)
        id = row.integer(0)
        kind = row.text(1)
        wall = row.integer(2)
        version = row.integer(3)
        life = UInt32(exactly: row.integer(4)) ?? 0
        epoch = UInt32(exactly: row.integer(5)) ?? .max
        work = ChainState.Work()
        if let first, let end, first <= end { work.pruned = first..<end }
        work.prunedRows = row.integer(8)
        work.repackedRows = row.integer(9)
        work.mergedRows = row.integer(10)
        work.removedRows = row.integer(11)
        work.alteredRows = row.integer(12)
        detail = row.text(13)
        (rows, former, head) = (digests[0] ?? .zero, digests[1] ?? .zero, digests[2] ?? .zero)
    }
}
