/// The versions of the schema, embedded from `schema/`, and how a file gets from one to the next.
enum Schema {
    /// Version n is what `versions[n - 1]` leaves behind; a released one never changes.
    private static let versions: [[UInt8]] = [PackageResources.v001_spool_sql]

    static var current: Int64 { Int64(versions.count) }

    /// Brings the file to the current version, one transaction a version.
    ///
    /// - Throws: `.incompatible`, before anything is written, for a later version or another program's file.
    static func apply(to connection: Connection) throws(SpoolError) {
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
        guard found.version <= current else {
            throw SpoolError(
                .incompatible, "the file has schema version \(found.version); this program knows up to \(current)")
        }
        do throws(SQLiteError) {
            if isEmpty { try prepareEmptyFile(connection) }
            for next in Int(found.version)..<versions.count { try migrate(connection, to: next + 1) }
        } catch {
            throw error.asSpoolError
        }
    }

    private static func prepareEmptyFile(_ connection: Connection) throws(SQLiteError) {
        // They take effect only before the first table.
        try connection.execute("PRAGMA page_size = 4096")
        try connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        try connection.execute("PRAGMA application_id = \(Connection.applicationID)")
    }

    private static func migrate(_ connection: Connection, to version: Int) throws(SQLiteError) {
        try connection.execute("BEGIN IMMEDIATE")
        do throws(SQLiteError) {
            try connection.execute(String(decoding: versions[version - 1], as: UTF8.self))
            try connection.execute("PRAGMA user_version = \(version)")
            try connection.execute("COMMIT")
        } catch {
            if connection.isInTransaction { try connection.execute("ROLLBACK") }
            throw error
        }
    }

    /// Settings of the read-write connection, each time it opens (`storage.md` 12-14).
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
