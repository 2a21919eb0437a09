/// Points that waited too long for their backend end as its losses.
extension Spool {
    /// Turns points that waited longer than the age of their backend into loss rows; their rows go with the retained ones.
    ///
    /// - Returns: how many rows were ended for a backend; 0 when nothing is too old, or while ages cannot be trusted.
    func dropAged() throws(SpoolError) -> Int {
        guard clock.at >= upkeep.agePausedUntil else { return 0 }
        var aged: [(backend: Int64, rows: [StoredRow], seconds: Int64)] = []
        for backend in ledger.backends {
            guard let seconds = configuration.maximumAgeSeconds(of: backend.name) else { continue }
            let rows = try agedRows(of: backend, cutoff: clock.at.subtractingSeconds(seconds))
            if !rows.isEmpty { aged.append((backend.id, rows, seconds)) }
        }
        guard !aged.isEmpty else { return 0 }
        return try transact { (database) throws(SpoolError) in
            var ended: Set<Int64> = []
            for (backend, rows, seconds) in aged {
                let lost = try lose(rows, .age, detail: "older than \(seconds) s", of: backend, database)
                ended.formUnion(lost.map(\.sequence))
            }
            return ended.count
        }
    }

    /// The oldest rows of which the backend is owed a point, as far as they were received at `cutoff` or before.
    private func agedRows(of backend: BackendState, cutoff: Int64) throws(SpoolError) -> [StoredRow] {
        let owed = backend.owedInOrder(upTo: ledger.end).map(\.start.place.sequence)
        guard let oldest = owed.min() else { return [] }
        let database = try openDatabase()
        // The row that holds `oldest` may begin before it.
        let first = try checked { () throws(SQLiteError) in
            try database.statements.holdingSequence.integer(.integer(oldest))
        }
        return try storedRows(from: first, receivedBy: cutoff, database).map(\.row).filter { row in
            row.points > 0 && !isLeased(row) && !backend.owed(in: row.span, upTo: ledger.end).isEmpty
        }
    }
}
