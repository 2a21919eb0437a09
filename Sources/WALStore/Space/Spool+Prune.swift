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
                if !isHeld(candidate.row, isMakingRoom: cutoff == .max) {
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

    /// Deletes receipts, refusals and deliveries that are older than `cutoff` and speak of rows that are gone, some
    /// hundred at a time.
    ///
    /// - Returns: false when there are none.
    @discardableResult
    func pruneLedgerRows(before cutoff: Int64) throws(SpoolError) -> Bool {
        let database = try openDatabase()
        let (oldest, hasExpired) = try checked { () throws(SQLiteError) in
            let found = try database.statements.oldestSequence.integer()
            let oldest = found > 0 ? found : ledger.nextSequence
            return (
                oldest,
                try database.statements.expiredRows.integer(
                    .integer(cutoff), .integer(oldest), .integer(Spool.ledgerRowsADeletion)) == 1
            )
        }
        guard hasExpired else { return false }
        try transact { (database) throws(SpoolError) in
            // A row that goes cannot be the one that the next settle lets grow.
            for index in ledger.backends.indices
            where (ledger.backends[index].lastDelivery?.settledAt ?? .max) <= cutoff {
                ledger.backends[index].lastDelivery = nil
            }
            let statements = database.statements
            let expired = [
                statements.deleteExpiredRefusals, statements.deleteExpiredReceipts, statements.deleteExpiredDeliveries,
            ]
            try checked { () throws(SQLiteError) in
                var deleted: Int64 = 0
                for statement in expired {
                    try statement.run(.integer(cutoff), .integer(oldest), .integer(Spool.ledgerRowsADeletion))
                    deleted += database.connection.changes
                }
                // Those that are there by one index and not by another would be tried for ever.
                guard deleted > 0 else { throw SQLiteError.corrupt("rows that were read are not there") }
            }
        }
        return true
    }
}
