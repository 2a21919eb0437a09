extension Spool {
    /// Rows of `events` that are kept.
    static let maximumEvents: Int64 = 1000

    /// Writes down what happened to this spool, inside `transact`; the oldest rows make room.
    ///
    /// - Parameter kind: a short constant: `clock_step`, `set_aside`, `backend_detached`.
    func record(event kind: String, _ detail: String, _ database: Database) throws(SpoolError) {
        try checked { () throws(SQLiteError) in
            try database.statements.insertEvent.run(
                .text(kind), .integer(clock.at), .integer(clock.wall), .text(detail))
            try database.statements.pruneEvents.run(.integer(Spool.maximumEvents))
        }
    }
}
