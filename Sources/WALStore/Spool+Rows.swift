extension Spool {
    /// Writes the row edits of one backend.
    func apply(_ edits: [RangeEdit], backendID: Int64, _ database: Database) throws(SQLiteError) {
        changedBackends.insert(backendID)
        for edit in edits {
            switch edit {
            case .delete(let range):
                try database.statements.deleteRange.run(
                    .integer(backendID), .integer(range.start.place.sequence), .integer(range.start.place.ordinal))
                // The ledger in memory came from these rows: only a damaged index or page can have lost one.
                guard database.connection.changes == 1 else {
                    throw SQLiteError.corrupt("a range at \(range.start.place) has no row")
                }
            case .insert(let range):
                try database.statements.insertRange.run(
                    .integer(backendID), .integer(Int64(range.lane.rawValue)), .integer(range.start.place.sequence),
                    .integer(range.start.place.ordinal), .integer(range.start.position),
                    .integer(range.end.place.sequence), .integer(range.end.place.ordinal),
                    .integer(range.end.position))
            }
        }
    }

    /// Calls `body` for each stored row from the one that holds `place` on, until it returns false.
    func eachRow(from place: Place, _ database: Database, _ body: (StoredRow) -> Bool) throws(SQLiteError) {
        var isSound = true
        try database.statements.rowsFrom.rows(.integer(place.sequence)) { row in
            guard let stored = StoredRow(row, upTo: ledger.end) else {
                isSound = false
                return false
            }
            return body(stored)
        }
        if !isSound { throw SQLiteError.corrupt("a stored row is outside what was accepted") }
    }
}
