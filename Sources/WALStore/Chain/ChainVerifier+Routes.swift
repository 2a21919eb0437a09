/// Whether the rules that deliveries went by are there as they were.
extension ChainVerifier {
    /// They have no tags: rows of `deliveries` have, and name rules by a digest of their text.
    func verifyRoutes() throws(SQLiteError) {
        guard try connection.integer("SELECT count(*) FROM sqlite_schema WHERE name = 'routes'") == 1 else { return }
        let routes = try Statement("SELECT id, rules FROM routes ORDER BY id", on: connection)
        try routes.rows { row in
            let id = row.text(0)
            if StoredRoute(text: row.text(1)).id != id {
                add(.altered, "routes", nil, "the rules \(id.prefix(16)) are not those that points went by")
            }
            return true
        }
        let missing = try Statement(
            """
            SELECT substr(reason, length(?1) + 1), count(*) FROM deliveries
            WHERE substr(reason, 1, length(?1)) = ?1
                AND substr(reason, length(?1) + 1) NOT IN (SELECT id FROM routes) GROUP BY 1 ORDER BY 1
            """, on: connection)
        try missing.rows(.text(StoredRoute.prefix)) { row in
            add(
                .removed, "routes", nil,
                "the rules \(row.text(0).prefix(16)) are gone, by which \(row.integer(1)) rows of deliveries went: which points they "
                    + "kept back is not known until the node goes by them again")
            return true
        }
    }
}
