import CSQLite

/// A value bound to a parameter.
enum SQLValue: Sendable {
    case integer(Int64)
    /// No NaN: SQLite would store NULL.
    case real(Double)
    case text(String)
    case blob([UInt8])
    case null

    init(_ value: Int64?) { self = value.map { .integer($0) } ?? .null }
    init(_ value: String?) { self = value.map { .text($0) } ?? .null }
}

extension SQLValue: ExpressibleByIntegerLiteral {
    init(integerLiteral value: Int64) { self = .integer(value) }
}

/// A prepared statement: made when the spool opens, kept until it closes. Belongs to its connection's thread.
final class Statement {
    private let raw: OpaquePointer
    let connection: Connection
    private let sql: String

    init(_ sql: String, on connection: Connection) throws(SQLiteError) {
        var handle: OpaquePointer?
        let flags = UInt32(SQLITE_PREPARE_PERSISTENT)
        guard sqlite3_prepare_v3(connection.raw, sql, -1, flags, &handle, nil) == SQLITE_OK, let handle else {
            throw connection.lastError("prepare \(sql.prefix(60))")
        }
        raw = handle
        self.sql = sql
        self.connection = connection
    }

    deinit {
        // A connection that was closed has finalized its statements.
        if !connection.isClosed { sqlite3_finalize(raw) }
    }

    // MARK: Running

    /// Runs a statement that returns no rows.
    func run(_ values: SQLValue...) throws(SQLiteError) {
        defer { reset() }
        try bind(values)
        _ = try step()
    }

    /// Runs a statement that returns no rows, with as many values as there are.
    func run(values: [SQLValue]) throws(SQLiteError) {
        defer { reset() }
        try bind(values)
        _ = try step()
    }

    /// Runs a statement that changes one row, which was read before.
    ///
    /// - Throws: `corrupt` when it changes none: indexes and rows differ, and whoever goes on until nothing is left would go
    ///   on for ever.
    func runOnOne(_ values: SQLValue...) throws(SQLiteError) {
        try run(values: values)
        guard connection.changes == 1 else { throw SQLiteError.corrupt("a row that was read is not there") }
    }

    /// Runs a statement whose last parameter is `blob`. SQLite borrows the bytes for the call and copies nothing:
    /// `SQLITE_STATIC`, <https://sqlite.org/c3ref/bind_blob.html>.
    func run(_ values: SQLValue..., blob: [UInt8]) throws(SQLiteError) {
        precondition(!blob.isEmpty, "an empty buffer has no address, and SQLite would store NULL")
        defer { reset() }
        try bind(values)
        let failure = blob.withUnsafeBytes { bytes -> SQLiteError? in
            defer { reset() }  // While the bytes are still alive.
            let index = Int32(values.count + 1)
            guard sqlite3_bind_blob64(raw, index, bytes.baseAddress, UInt64(bytes.count), nil) == SQLITE_OK else {
                return connection.lastError(sql)
            }
            do throws(SQLiteError) { _ = try step() } catch { return error }
            return nil
        }
        if let failure { throw failure }
    }

    /// Calls `row` for each row, until it returns false.
    func rows(_ values: SQLValue..., each row: (Statement) -> Bool) throws(SQLiteError) {
        defer { reset() }
        try bind(values)
        while try step(), row(self) {}
    }

    /// The first row, or nil.
    func first<Result>(_ values: SQLValue..., read: (Statement) -> Result) throws(SQLiteError) -> Result? {
        defer { reset() }
        try bind(values)
        return try step() ? read(self) : nil
    }

    /// The first column of the first row; 0 when there is none or it is NULL.
    func integer(_ values: SQLValue...) throws(SQLiteError) -> Int64 {
        defer { reset() }
        try bind(values)
        return try step() ? integer(0) : 0
    }

    // MARK: Pieces of it

    /// Binds values, for whoever steps through the rows by himself, and resets in the end.
    func begin(_ values: SQLValue...) throws(SQLiteError) { try bind(values) }

    private func bind(_ values: [SQLValue]) throws(SQLiteError) {
        for (offset, value) in values.enumerated() {
            let index = Int32(offset + 1)
            let code =
                switch value {
                case .integer(let integer): sqlite3_bind_int64(raw, index, integer)
                case .real(let real): sqlite3_bind_double(raw, index, real)
                case .text(let text): holdfast_sqlite_bind_text(raw, index, text, Int32(text.utf8.count))
                case .blob(let bytes):
                    bytes.withUnsafeBytes {
                        holdfast_sqlite_bind_blob(raw, index, $0.baseAddress, Int32($0.count))
                    }
                case .null: sqlite3_bind_null(raw, index)
                }
            guard code == SQLITE_OK else { throw connection.lastError(sql) }
        }
    }

    /// True when there is a row.
    func step() throws(SQLiteError) -> Bool {
        switch sqlite3_step(raw) {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        default: throw connection.lastError(String(sql.prefix(60)))
        }
    }

    func reset() {
        if connection.isClosed { return }
        sqlite3_reset(raw)
        sqlite3_clear_bindings(raw)
    }

    func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(raw, column) }
    func real(_ column: Int32) -> Double { sqlite3_column_double(raw, column) }
    /// An `sqlite3_value`, until the next step.
    func value(_ column: Int32) -> OpaquePointer? { sqlite3_column_value(raw, column) }
    func isInteger(_ column: Int32) -> Bool { sqlite3_column_type(raw, column) == SQLITE_INTEGER }
    func isNull(_ column: Int32) -> Bool { sqlite3_column_type(raw, column) == SQLITE_NULL }
    func optionalInteger(_ column: Int32) -> Int64? { isNull(column) ? nil : integer(column) }
    func text(_ column: Int32) -> String {
        guard let text = sqlite3_column_text(raw, column) else { return "" }
        // The length first: text may hold a zero byte.
        let count = Int(sqlite3_column_bytes(raw, column))
        return String(decoding: UnsafeBufferPointer(start: text, count: count), as: UTF8.self)
    }
    func optionalText(_ column: Int32) -> String? { isNull(column) ? nil : text(column) }

    /// Lends a blob until the next step.
    func withBlob<Result>(_ column: Int32, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        let bytes = sqlite3_column_blob(raw, column)
        return body(UnsafeRawBufferPointer(start: bytes, count: Int(sqlite3_column_bytes(raw, column))))
    }
}

@available(*, unavailable)
extension Statement: Sendable {}
