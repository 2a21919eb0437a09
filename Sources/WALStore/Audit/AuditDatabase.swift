import CSQLite

/// A spool, open for questions in SQL: its points, series and books as tables that can only be read.
///
/// Belongs to the thread that made it. A snapshot is held from the first row of an answer to its last, not between questions.
public final class AuditDatabase {
    private let connection: Connection
    private let source: AuditSource
    private let file: AuditFile

    /// - Parameter skipsDamage: rows that cannot be read are left out, and counted in `damage`.
    /// - Throws: `AuditError` with code `.unavailable` for a file that is no spool, or a later version's.
    public init(_ file: AuditFile, skipsDamage: Bool = false) throws(AuditError) {
        self.file = file
        do throws(SQLiteError) {
            connection = try Connection(path: file.path, access: .readOnly, isImmutable: file.isImmutable)
            source = AuditSource(connection, skipsDamage: skipsDamage)
            try AuditDatabase.check(connection)
            try connection.execute("PRAGMA temp_store = MEMORY")
            try AuditTables.register(source)
            try connection.execute("PRAGMA query_only = 1")
        } catch { throw AuditDatabase.failure(error, file) }
        sqlite3_limit(connection.raw, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000)
        AuditAuthorizer.install(on: connection)
    }

    deinit { connection.close() }

    /// A node has the file, and what goes on in it goes on now.
    var isLive: Bool { file.isLive }

    /// Rows that were left out of answers.
    public var damage: AuditDamage { source.damage }
    var cost: AuditCost { source.cost }

    /// - Throws: for another program's file, a later version's, or one that has more than a spool has.
    static func check(_ connection: Connection) throws(SQLiteError) {
        guard try connection.integer("PRAGMA application_id") == Connection.applicationID else {
            throw SQLiteError(code: SQLITE_NOTADB, operation: "open", message: "the file is no spool")
        }
        let version = try connection.integer("PRAGMA user_version") ?? 0
        guard (1...Schema.current).contains(version) else {
            throw SQLiteError(
                code: SQLITE_NOTADB, operation: "open",
                message: "the spool has schema version \(version); this program knows up to \(Schema.current)")
        }
        // Ours has none. Whatever one does, it is not to be run.
        let foreign =
            """
            SELECT count(*) FROM main.sqlite_schema
            WHERE type IN ('trigger', 'view') OR sql LIKE 'CREATE VIRTUAL%'
            """
        guard try connection.integer(foreign) == 0 else {
            throw SQLiteError(
                code: SQLITE_NOTADB, operation: "open",
                message: "the file has triggers, views or virtual tables: it is no spool")
        }
    }

    private static func failure(_ error: SQLiteError, _ file: AuditFile) -> AuditError {
        AuditError(.unavailable, "\(file.path): \(error.message)")
    }

    // MARK: Questions

    /// Runs one or more statements, and hands their rows to `answer`.
    ///
    /// - Parameter isStopped: asked again and again while it runs.
    public func ask(
        _ sql: String, _ limits: AuditLimits, into answer: inout some AuditAnswer,
        isStopped: @escaping () -> Bool = { false }
    ) throws(AuditError) {
        guard sql.utf8.count <= AuditDatabase.maximumSQLBytes else {
            throw AuditError(.mistake, "a question may have \(AuditDatabase.maximumSQLBytes) bytes")
        }
        let watch = AuditWatch(limits, path: file.path, isStopped: isStopped)
        sqlite3_progress_handler(
            connection.raw, AuditDatabase.stepsBetweenLooks,
            { watch in
                guard let watch else { return 0 }
                return Unmanaged<AuditWatch>.fromOpaque(watch).takeUnretainedValue().isOver() ? 1 : 0
            }, Unmanaged.passUnretained(watch).toOpaque())
        defer { sqlite3_progress_handler(connection.raw, 0, nil, nil) }
        var rest = Array(sql.utf8)
        rest.append(0)
        var at = 0
        while at < rest.count - 1 {
            let next = try withExtendedLifetime(watch) { () throws(AuditError) in
                try askFirst(rest[at...], offset: at, watch, &answer)
            }
            at += next
        }
    }

    /// Bounds what SQLite takes of memory in this process: for sorting, grouping, `DISTINCT` and texts. Not where a
    /// `WALStore` was opened.
    public static func limitMemory(_ bytes: Int) { sqlite3_hard_heap_limit64(Int64(bytes)) }

    /// Whether a statement has its semicolon.
    public static func isComplete(_ sql: String) -> Bool { sqlite3_complete(sql) != 0 }

    private static let maximumSQLBytes = 60 << 10
    private static let stepsBetweenLooks: Int32 = 2000

    /// - Parameter sql: ends with a zero byte.
    /// - Returns: how many bytes of it were the first statement.
    private func askFirst(
        _ sql: ArraySlice<UInt8>, offset: Int, _ watch: AuditWatch, _ answer: inout some AuditAnswer
    ) throws(AuditError) -> Int {
        var handle: OpaquePointer?
        var (code, used): (Int32, Int) = (SQLITE_OK, 0)
        sql.withUnsafeBufferPointer { bytes in
            guard let start = bytes.baseAddress else { return }
            start.withMemoryRebound(to: CChar.self, capacity: bytes.count) { text in
                var tail: UnsafePointer<CChar>?
                code = sqlite3_prepare_v3(connection.raw, text, Int32(bytes.count), 0, &handle, &tail)
                used = tail.map { $0 - text } ?? bytes.count - 1
            }
        }
        guard code == SQLITE_OK else { throw failure(watch, offset) }
        // A comment, or nothing.
        guard let statement = handle else { return max(1, used) }
        defer { sqlite3_finalize(statement) }
        guard sqlite3_stmt_readonly(statement) != 0, sqlite3_column_count(statement) > 0 else {
            throw AuditError(.mistake, "a spool is only read: SELECT, WITH, VALUES and EXPLAIN are understood")
        }
        let count = Int(sqlite3_column_count(statement))
        try answer.begin(
            columns: (0..<count).map { sqlite3_column_name(statement, Int32($0)).map { String(cString: $0) } ?? "" })
        let row = AuditAnswerRow(statement: statement, count: count)
        while true {
            switch sqlite3_step(statement) {
            case SQLITE_ROW: try answer.add(row, nanosecondsLeft: { watch.left })
            case SQLITE_DONE:
                try answer.end()
                return max(1, used)
            default: throw failure(watch, nil)
            }
        }
    }

    private func failure(_ watch: AuditWatch, _ offset: Int?) -> AuditError {
        let error = connection.lastError("ask")
        if error.code & 0xff == SQLITE_INTERRUPT, let reason = watch.reason { return reason }
        switch error.code & 0xff {
        case SQLITE_NOMEM:
            return AuditError(.tooLarge, "the question needs more memory than it may take")
        case SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_IOERR: return AuditError(.damaged, error.message)
        case SQLITE_BUSY, SQLITE_CANTOPEN, SQLITE_PERM:
            return AuditError(.unavailable, "\(file.path): \(error.message)")
        case SQLITE_AUTH: return AuditError(.mistake, "a spool is only read: \(error.message)")
        default:
            let place = sqlite3_error_offset(connection.raw)
            let known = offset != nil && place >= 0
            return AuditError(.mistake, error.message, offset: known ? (offset ?? 0) + Int(place) : nil)
        }
    }
}
