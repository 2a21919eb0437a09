import CSQLite

/// What SQL may do here: read. SQLite asks about each step of a statement while it is prepared.
/// <https://sqlite.org/c3ref/set_authorizer.html>
enum AuditAuthorizer {
    static func install(on connection: Connection) {
        sqlite3_set_authorizer(
            connection.raw,
            { _, action, first, second, _, _ in
                switch action {
                case SQLITE_SELECT, SQLITE_READ, SQLITE_RECURSIVE: return SQLITE_OK
                case SQLITE_FUNCTION:
                    return AuditAuthorizer.refusedFunctions.contains(AuditAuthorizer.word(second))
                        ? SQLITE_DENY : SQLITE_OK
                // Only with an argument that names a table, which none of these changes.
                case SQLITE_PRAGMA:
                    return AuditAuthorizer.allowedPragmas.contains(AuditAuthorizer.word(first))
                        ? SQLITE_OK : SQLITE_DENY
                // So a virtual table is declared. Nothing else gets so far: no statement may change this table.
                case SQLITE_UPDATE:
                    return AuditAuthorizer.word(first) == "sqlite_master" ? SQLITE_OK : SQLITE_DENY
                default: return SQLITE_DENY
                }
            }, nil)
    }

    private static func word(_ text: UnsafePointer<CChar>?) -> String { text.map { String(cString: $0) } ?? "" }

    private static let allowedPragmas: Set<String> = ["table_info", "table_xinfo", "table_list", "function_list"]
    /// Code from a file, or from a pointer.
    private static let refusedFunctions: Set<String> = ["load_extension", "fts3_tokenizer"]
}
