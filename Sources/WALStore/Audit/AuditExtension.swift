import CSQLite

/// Gives the connection of a program that loaded the extension what `holdfast sql` has.
///
/// - Parameter database: a spool's, opened read-only: through one that writes, a checkpoint would be made beside the node's.
/// - Returns: why not, in memory that SQLite frees; nil when all is there.
@_cdecl("holdfast_audit_extend")
func extend(_ database: OpaquePointer) -> UnsafeMutablePointer<CChar>? {
    guard sqlite3_db_readonly(database, "main") == 1 else {
        return SQLiteText.copy("a spool is opened read-only: as file:spool.db?mode=ro")
    }
    let connection = Connection(borrowing: database)
    do throws(SQLiteError) {
        try AuditDatabase.check(connection)
        try AuditTables.register(AuditSource(connection, skipsDamage: false))
        return nil
    } catch { return SQLiteText.copy(error.message) }
}

/// Text in memory that SQLite frees.
enum SQLiteText {
    /// - Returns: nil when there is no memory for it.
    static func copy(_ text: String) -> UnsafeMutablePointer<CChar>? {
        let bytes = Array(text.utf8)
        guard let memory = sqlite3_malloc64(UInt64(bytes.count + 1)) else { return nil }
        let target = memory.assumingMemoryBound(to: UInt8.self)
        for (index, byte) in bytes.enumerated() { target[index] = byte }
        target[bytes.count] = 0
        return memory.assumingMemoryBound(to: CChar.self)
    }
}
