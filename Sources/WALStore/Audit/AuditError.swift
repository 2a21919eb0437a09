import CSQLite

/// Why a question over a spool has no answer.
public struct AuditError: Error, Sendable, CustomStringConvertible {
    public enum Code: Sendable, Hashable {
        /// The SQL cannot be understood, or asks for what nobody may.
        case mistake
        /// A stored row cannot be read.
        case damaged
        /// It took longer than it may.
        case tooLong
        /// It took more memory than it may.
        case tooLarge
        /// The spool's log grew too far meanwhile: a question holds it.
        case logGrew
        /// Somebody stopped it.
        case stopped
        /// The file cannot be opened or read.
        case unavailable
    }
    public var code: Code
    public var message: String
    /// Where in the SQL the mistake is, in bytes; nil where that is not known.
    public var offset: Int?

    public init(_ code: Code, _ message: String, offset: Int? = nil) {
        self.code = code
        self.message = message
        self.offset = offset
    }

    public var description: String { message }

    /// What a virtual table hands to SQLite.
    var resultCode: Int32 {
        switch code {
        case .stopped: SQLITE_INTERRUPT
        case .tooLarge: SQLITE_NOMEM
        case .damaged: SQLITE_CORRUPT_VTAB
        default: SQLITE_ERROR
        }
    }

    /// `SQLITE_CORRUPT_VTAB`, a macro that Swift does not import.
    private var SQLITE_CORRUPT_VTAB: Int32 { SQLITE_CORRUPT | (1 << 8) }

    /// Of one of a table's own reads.
    init(_ error: SQLiteError) {
        switch error.code & 0xff {
        case SQLITE_INTERRUPT: self.init(.stopped, "interrupted")
        case SQLITE_NOMEM: self.init(.tooLarge, "out of memory")
        case SQLITE_CORRUPT, SQLITE_NOTADB: self.init(.damaged, error.description)
        default: self.init(.unavailable, error.description)
        }
    }
}
