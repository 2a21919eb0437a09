import CSQLite

/// One failed SQLite call. <https://sqlite.org/rescode.html>
struct SQLiteError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Extended result code.
    var code: Int32
    /// What was being done: a C function or a statement's text.
    var operation: String
    var message: String

    private var primary: Int32 { code & 0xff }

    /// What SQLite cannot see: rows that are well formed and cannot be true.
    static func corrupt(_ message: String) -> SQLiteError {
        SQLiteError(code: SQLITE_CORRUPT, operation: "read the ledger", message: message)
    }

    /// No room for the file, or for the log's index in shared memory, which SQLite reports as an I/O error though nothing
    /// has been written then.
    var isDiskFull: Bool { primary == SQLITE_FULL || code == SQLiteError.sharedMemorySize }
    /// `SQLITE_IOERR_SHMSIZE`, a macro that Swift does not import.
    private static let sharedMemorySize = SQLITE_IOERR | (19 << 8)
    /// The file system failed: what the last commit left behind is not known until recovery has looked.
    var isInputOutput: Bool { primary == SQLITE_IOERR && !isDiskFull }
    var isCorrupt: Bool { primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB }
    /// The file has no SQLite header: another program's, or overwritten.
    var isNotADatabase: Bool { primary == SQLITE_NOTADB }
    var description: String { "\(operation): \(message) (\(code))" }

    /// What the seam says about it.
    var asSpoolError: SpoolError {
        if isDiskFull { return SpoolError(.full, "the disk or the database is full", cause: description) }
        return switch primary {
        case SQLITE_NOTADB: SpoolError(.incompatible, "the file is no spool", cause: description)
        case SQLITE_CORRUPT: SpoolError(.unreadable, "the spool is damaged", cause: description)
        case SQLITE_CANTOPEN, SQLITE_PERM, SQLITE_READONLY, SQLITE_AUTH, SQLITE_BUSY, SQLITE_LOCKED:
            SpoolError(.unavailable, "the spool's file cannot be used", cause: description)
        case SQLITE_TOOBIG: SpoolError(.tooLarge, "a value is beyond the spool's limits", cause: description)
        // The values, not the file: others of a group may pass.
        case SQLITE_CONSTRAINT, SQLITE_MISMATCH, SQLITE_RANGE:
            SpoolError(.misuse, "a value breaks a rule of the spool", cause: description)
        default: SpoolError(.commitFailed, "the spool could not be written or read", cause: description)
        }
    }
}
