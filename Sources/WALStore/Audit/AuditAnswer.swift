import CSQLite

/// One row of an answer, while it is handed out.
public struct AuditAnswerRow {
    public enum Value {
        case null
        case integer(Int64)
        case float(Double)
        /// UTF-8 as it is stored, lent until the next row.
        case text(UnsafeRawBufferPointer)
        case blob(UnsafeRawBufferPointer)
    }

    let statement: OpaquePointer
    public let count: Int

    public subscript(column: Int) -> Value {
        let index = Int32(column)
        switch sqlite3_column_type(statement, index) {
        case SQLITE_INTEGER: return .integer(sqlite3_column_int64(statement, index))
        case SQLITE_FLOAT: return .float(sqlite3_column_double(statement, index))
        case SQLITE_TEXT:
            let text = UnsafeRawPointer(sqlite3_column_text(statement, index))
            return .text(UnsafeRawBufferPointer(start: text, count: Int(sqlite3_column_bytes(statement, index))))
        case SQLITE_BLOB:
            let bytes = sqlite3_column_blob(statement, index)
            return .blob(UnsafeRawBufferPointer(start: bytes, count: Int(sqlite3_column_bytes(statement, index))))
        default: return .null
        }
    }
}

/// Takes the rows of an answer, one statement of the question after the other.
public protocol AuditAnswer {
    mutating func begin(columns: [String]) throws(AuditError)
    /// - Parameter nanoseconds: what is left of the question's time: whoever waits longer for a reader holds the spool's log.
    mutating func add(_ row: AuditAnswerRow, nanosecondsLeft: () -> Int64) throws(AuditError)
    /// All rows are there, and the snapshot is given back.
    mutating func end() throws(AuditError)
}
