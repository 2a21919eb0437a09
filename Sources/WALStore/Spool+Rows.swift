extension Spool {
    /// Writes the row edits of one backend.
    func apply(_ edits: [RangeEdit], backendID: Int64, _ database: Database) throws(SQLiteError) {
        changedBackends.insert(backendID)
        for edit in edits {
            switch edit {
            case .delete(let range):
                try database.statements.deleteRange.run(
                    .integer(backendID), .integer(range.start.place.sequence), .integer(range.start.place.ordinal))
                precondition(database.connection.changes == 1, "a range that is deleted has a row")
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
        try database.statements.rowsFrom.rows(.integer(place.sequence)) { row in
            body(
                StoredRow(
                    sequence: row.integer(0), lastSequence: row.integer(1), position: row.integer(2),
                    points: Int(row.integer(3)), receivedAt: row.integer(4)))
        }
    }
}
