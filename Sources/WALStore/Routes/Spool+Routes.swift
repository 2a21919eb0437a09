/// Which rules the rows of `deliveries` speak of.
extension Spool {
    /// More than so many, and those that no row speaks of any more go.
    private static let keptRoutes = 100

    /// Keeps the rules, inside `transact`; they are mostly there.
    func keep(_ route: StoredRoute, _ database: Database) throws(SpoolError) {
        try checked { () throws(SQLiteError) in
            let connection = database.connection
            let insert = try Statement(
                "INSERT OR IGNORE INTO routes (id, rules, first_wall) VALUES (?1, ?2, ?3)", on: connection)
            try insert.run(.text(route.id), .text(route.rules), .integer(clock.wall))
            guard connection.changes > 0 else { return }
            let count = try connection.integer("SELECT count(*) FROM routes") ?? 0
            guard count > Spool.keptRoutes else { return }
            let delete = try Statement(
                """
                DELETE FROM routes WHERE id != ?1 AND ?2 || id NOT IN (SELECT reason FROM deliveries WHERE reason IS NOT NULL)
                """, on: connection)
            try delete.run(.text(route.id), .text(StoredRoute.prefix))
        }
    }
}
