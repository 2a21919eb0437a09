/// The versions of the schema, and how a file gets from one to the next: when it is opened, each file by itself, one
/// transaction a version (rule 22); a new one gets all versions in one.
struct Schema: Sendable {
    /// What this program writes, embedded from `schema/`.
    static let released = Schema(
        versions: [
            PackageResources.v001_spool_sql, PackageResources.v002_replay_sql, PackageResources.v003_bases_sql,
            PackageResources.v004_base_lives_sql, PackageResources.v005_resend_sql, PackageResources.v006_chain_sql,
            PackageResources.v007_counters_sql, PackageResources.v008_routes_sql,
        ])
    /// The version that a file has after it was opened.
    static var current: Int64 { released.newest }

    /// Version n is what the statements in `versions[n - 1]` make of version n - 1; a released one never changes.
    let versions: [[UInt8]]
    var newest: Int64 { Int64(versions.count) }

    /// Brings the file to the newest version.
    ///
    /// - Throws: `.incompatible`, before anything is written, for a later version or another program's file; what the
    ///   disk does to a migration leaves the file at the version it had.
    func apply(to connection: Connection) throws(SpoolError) {
        let found: (application: Int64, version: Int64, tables: Int64)
        do throws(SQLiteError) {
            found = (
                try connection.integer("PRAGMA application_id") ?? 0,
                try connection.integer("PRAGMA user_version") ?? 0,
                try connection.integer("SELECT count(*) FROM sqlite_schema") ?? 0
            )
        } catch {
            throw error.asSpoolError
        }
        let isOurs = found.application == Connection.applicationID
        let isEmpty = found.version == 0 && found.tables == 0 && (found.application == 0 || isOurs)
        guard isEmpty || isOurs else { throw SpoolError(.incompatible, "the file is another program's database") }
        guard found.version <= newest else {
            throw SpoolError(
                .incompatible, "the file has schema version \(found.version); this program knows up to \(newest)")
        }
        guard found.version >= 0 else {
            throw SpoolError(.incompatible, "the file has schema version \(found.version), which there is not")
        }
        do throws(SQLiteError) {
            if isEmpty {
                try prepareEmptyFile(connection)
            } else if found.version < newest {
                // Whatever the tenant's durability: a migration is synced.
                try Schema.configure(connection, .full)
            }
            // A new file gets all of it at once: each transaction is a sync.
            if isEmpty { return try migrate(connection, from: 0, to: versions.count) }
            for next in Int(found.version)..<versions.count { try migrate(connection, from: next, to: next + 1) }
        } catch {
            throw error.asSpoolError
        }
    }

    private func prepareEmptyFile(_ connection: Connection) throws(SQLiteError) {
        // They take effect only before the first table.
        try connection.execute("PRAGMA page_size = 4096")
        try connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        try connection.execute("PRAGMA application_id = \(Connection.applicationID)")
    }

    private func migrate(_ connection: Connection, from former: Int, to version: Int) throws(SQLiteError) {
        try connection.execute("BEGIN IMMEDIATE")
        do throws(SQLiteError) {
            for statements in versions[former..<version] {
                try connection.execute(String(decoding: statements, as: UTF8.self))
            }
            try connection.execute("PRAGMA user_version = \(version)")
            try connection.execute("COMMIT")
        } catch {
            if connection.isInTransaction { try connection.execute("ROLLBACK") }
            throw error
        }
    }

    /// Settings of the read-write connection, each time it opens (rules 12-14).
    static func configure(_ connection: Connection, _ durability: Durability) throws(SQLiteError) {
        try connection.execute("PRAGMA journal_mode = WAL")
        try connection.execute("PRAGMA synchronous = \(durability == .full ? "FULL" : "NORMAL")")
        // Debian's default is on: deleting then rewrites every page.
        try connection.execute("PRAGMA secure_delete = OFF")
        try connection.execute("PRAGMA wal_autocheckpoint = 0")
        try connection.execute("PRAGMA cache_size = -512")
        try connection.execute("PRAGMA temp_store = MEMORY")
        try connection.execute("PRAGMA mmap_size = 0")
    }
}
