/// A stored row with its size: what prune, age and budget walk over.
struct SizedRow: Sendable {
    var row: StoredRow
    var blockBytes: Int64
}

extension Spool {
    /// The bound of one transaction that deletes: commits come first (rule 13).
    static let rowsADeletion = 64
    static let bytesADeletion: Int64 = 4 << 20

    /// The next rows from `sequence` on that were received at `cutoff` or before, oldest first, never the newest one:
    /// it carries the spool's end. Lengths are read without the blocks.
    func storedRows(
        from sequence: Int64, receivedBy cutoff: Int64, limit: Int = Spool.rowsADeletion, _ database: Database
    ) throws(SpoolError) -> [SizedRow] {
        var rows: [SizedRow] = []
        var isSound = true
        try checked { () throws(SQLiteError) in
            try database.statements.sizedRows.rows(.integer(sequence), .integer(Int64(limit))) { row in
                // A row that is deleted for what another one says of itself would take its points along.
                guard let found = StoredRow(row, upTo: ledger.end),
                    found.position >= rows.last?.row.positions.upperBound ?? 0,
                    found.sequence > rows.last?.row.lastSequence ?? -1
                else {
                    isSound = false
                    return false
                }
                guard found.receivedAt <= cutoff else { return false }
                rows.append(SizedRow(row: found, blockBytes: row.integer(5)))
                return true
            }
            if !isSound { throw SQLiteError.corrupt("a stored row is outside what was accepted") }
        }
        return rows
    }

    /// When the oldest point of a row came, spool clock: a merged row is itself as young as its youngest.
    func firstReceived(
        of row: StoredRow, from sequence: Int64? = nil, _ database: Database
    ) throws(SQLiteError) -> Int64 {
        if row.lastSequence == row.sequence { return row.receivedAt }
        return min(try received(since: sequence ?? row.sequence, database) ?? row.receivedAt, row.receivedAt)
    }

    /// Whether a backend is still owed a point of the row, or a worker has one leased.
    ///
    /// A row without points (metadata alone) goes with the points behind it: it is held while they are owed, and while
    /// there are none yet, unless room is to be made (`isMakingRoom`): a sender of nothing but metadata must not fill
    /// the spool with what is never delivered.
    func isHeld(_ row: StoredRow, isMakingRoom: Bool = false) -> Bool {
        if row.points == 0, !isMakingRoom, ledger.backends.contains(where: { $0.tail?.position == row.position }) {
            return true
        }
        let positions = row.positions.isEmpty ? row.position..<row.position + 1 : row.positions
        let isOwed = ledger.backends.contains { backend in
            if let tail = backend.tail, tail.position < min(positions.upperBound, ledger.nextPosition) { return true }
            return backend.ranges.contains { $0.positions.overlaps(positions) }
        }
        return isOwed || isLeased(row)
    }

    func isLeased(_ row: StoredRow) -> Bool {
        leases.values.contains { lease in
            lease.pieces.contains { $0.row.sequence == row.sequence }
                && (row.points == 0 || lease.remaining.contains { $0.overlaps(row.positions) })
        }
    }

    /// As many of `rows` as one transaction may delete, at least one.
    func firstDeletion(of rows: [SizedRow]) -> [SizedRow] {
        var bytes: Int64 = 0
        var taken: [SizedRow] = []
        for row in rows {
            bytes += row.blockBytes
            if !taken.isEmpty, bytes > Spool.bytesADeletion || taken.count >= Spool.rowsADeletion { break }
            taken.append(row)
        }
        return taken
    }

    /// Deletes rows; to be called inside `transact`.
    func delete(_ rows: [StoredRow], _ database: Database) throws(SpoolError) {
        try checked { () throws(SQLiteError) in
            for row in rows { try database.statements.deleteBatch.runOnOne(.integer(row.sequence)) }
        }
    }
}
