/// Deletes what every backend has settled and nobody needs to keep any more.
extension Spool {
    /// Deletes one transaction's worth of rows that no backend is owed and that were received at `cutoff` or before.
    ///
    /// Skips what is owed or leased: an owed range is jumped over as a whole, so that a backlog costs no walk.
    ///
    /// - Returns: how many rows went; 0 when there is nothing to prune.
    func prune(receivedBy cutoff: Int64) throws(SpoolError) -> Int {
        let database = try openDatabase()
        var sequence: Int64 = 0
        var free: [SizedRow] = []
        walk: while true {
            let rows = try storedRows(from: sequence, receivedBy: cutoff, database)
            for candidate in rows {
                if !isHeld(candidate.row) {
                    free.append(candidate)
                } else if !free.isEmpty {
                    break walk
                } else if let next = endOfHold(candidate.row), next > candidate.row.sequence {
                    sequence = next
                    continue walk
                }
            }
            guard free.isEmpty, rows.count == Spool.rowsADeletion, let last = rows.last else { break }
            sequence = last.row.lastSequence + 1
        }
        let taken = firstDeletion(of: free)
        guard !taken.isEmpty else { return 0 }
        try transact { (database) throws(SpoolError) in try delete(taken.map(\.row), database) }
        return taken.count
    }

    /// The first sequence behind the owed range that holds the row, where one can be told; the end of everything for
    /// a row in an open tail.
    private func endOfHold(_ row: StoredRow) -> Int64? {
        var end: Int64?
        for backend in ledger.backends {
            if let tail = backend.tail, tail.position <= row.position { return .max }
            for range in backend.ranges where range.positions.contains(row.position) {
                end = max(end ?? 0, range.end.place.sequence)
            }
        }
        return end
    }

    private static let ledgerRowsADeletion: Int64 = 256

    /// Deletes receipts, refusals and deliveries that are older than `cutoff` and speak of rows that are gone.
    func pruneLedgerRows(before cutoff: Int64) throws(SpoolError) {
        let growing = ledger.backends.compactMap { $0.lastDelivery?.id }.map(String.init).joined(separator: ",")
        let database = try openDatabase()
        let oldest = try checked { () throws(SQLiteError) in
            try database.connection.integer("SELECT min(sequence) FROM batches") ?? ledger.nextSequence
        }
        let receipts =
            "SELECT id FROM receipts WHERE received_at <= \(cutoff) AND sequence < \(oldest) ORDER BY id LIMIT "
            + "\(Spool.ledgerRowsADeletion)"
        // The row that the next settle may still grow is left alone.
        let deliveries =
            "SELECT id FROM deliveries WHERE settled_at <= \(cutoff) AND end_sequence < \(oldest) "
            + "AND id NOT IN (\(growing)) ORDER BY id LIMIT \(Spool.ledgerRowsADeletion)"
        let found = try checked { () throws(SQLiteError) in
            (try database.connection.integer("SELECT count(*) FROM (\(receipts))") ?? 0)
                + (try database.connection.integer("SELECT count(*) FROM (\(deliveries))") ?? 0)
        }
        guard found > 0 else { return }
        try transact { (database) throws(SpoolError) in
            try checked { () throws(SQLiteError) in
                try database.connection.execute("DELETE FROM refusals WHERE receipt_id IN (\(receipts))")
                try database.connection.execute("DELETE FROM receipts WHERE id IN (\(receipts))")
                try database.connection.execute("DELETE FROM deliveries WHERE id IN (\(deliveries))")
            }
        }
    }
}
