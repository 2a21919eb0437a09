import CSQLite

#if canImport(Glibc)
    import Glibc
#endif

/// One SQLite connection, owned by one thread at a time: the spool's writer, or one of its readers.
///
/// Only SQLite opens `spool.db`: a plain open and close of the same file would drop its POSIX locks
/// (<https://sqlite.org/howtocorrupt.html>, 2.2).
final class Connection {
    enum Access { case readWrite, readOnly }

    /// 'Hold', big-endian. <https://sqlite.org/pragma.html#pragma_application_id>
    static let applicationID: Int64 = 0x486f_6c64

    let raw: OpaquePointer
    let access: Access

    /// - Parameters:
    ///   - path: of the database; made when it does not exist and `access` allows.
    ///   - vfs: SQLite's name of the file system that has it; nil: the process's default.
    ///   - account: asked before a file grows; a reader grows none.
    ///   - isImmutable: nobody writes the file, which has no log, while it is open: nothing is locked, and nothing is made
    ///     beside it. Never for a live spool: what its log holds would be missing.
    init(
        path: String, access: Access, vfs: String? = nil, account: SpaceAccount? = nil, isImmutable: Bool = false
    ) throws(SQLiteError) {
        Connection.restrictNewFiles
        var handle: OpaquePointer?
        let flags =
            (access == .readWrite ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY)
            | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        var uri = Connection.uri(path)
        if isImmutable { uri += "&immutable=1" }
        if let account { uri += "&\(CountedFiles.parameter)=\(account.id)" }
        let code = sqlite3_open_v2(uri, &handle, flags, CountedFiles.name(over: vfs))
        guard code == SQLITE_OK, let handle else {
            let message = handle.map { String(cString: sqlite3_errmsg($0)) } ?? "out of memory"
            sqlite3_close_v2(handle)
            throw SQLiteError(code: code, operation: "open \(path)", message: message)
        }
        raw = handle
        self.access = access
        isBorrowed = false
        sqlite3_busy_timeout(raw, 5000)
        setLimits()
        // Checkpoints are the writer's, taken when the spool says so: a connection that closes never makes one.
        setFlag(SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        setFlag(SQLITE_DBCONFIG_DEFENSIVE, true)
        setFlag(SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)
    }

    /// A connection that somebody else opened, and closes: statements on it are ours, nothing else is.
    init(borrowing raw: OpaquePointer) {
        self.raw = raw
        access = .readOnly
        isBorrowed = true
    }

    deinit { close() }

    private let isBorrowed: Bool
    private(set) var isClosed = false
    /// Of the writer's connection, where the config has a key: statements that are prepared on it write tags.
    private(set) var chain: ChainKeeper?
    var isChained: Bool { chain != nil }

    /// To be called before any statement is prepared.
    func keepChain(_ key: ChainKey, tenant: String) throws(SQLiteError) {
        chain = try ChainKeeper(key, tenant: tenant, on: self)
    }

    /// Closes at once, whoever still holds statements: a reopened file must not have two connections of one writer.
    func close() {
        guard !isClosed, !isBorrowed else { return }
        isClosed = true
        while let statement = sqlite3_next_stmt(raw, nil) { sqlite3_finalize(statement) }
        sqlite3_close_v2(raw)
    }

    /// Whether the last connection to close folds the WAL into the database.
    func setCheckpointOnClose(_ isOn: Bool) { setFlag(SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !isOn) }

    private func setFlag(_ flag: Int32, _ isOn: Bool) {
        holdfast_sqlite_db_config_flag(raw, flag, isOn ? 1 : 0)
    }

    /// What no statement of ours comes near. <https://sqlite.org/c3ref/limit.html>
    private func setLimits() {
        sqlite3_limit(raw, SQLITE_LIMIT_LENGTH, 16 << 20)
        sqlite3_limit(raw, SQLITE_LIMIT_SQL_LENGTH, 64 << 10)
        sqlite3_limit(raw, SQLITE_LIMIT_ATTACHED, 0)
        sqlite3_limit(raw, SQLITE_LIMIT_VARIABLE_NUMBER, 64)
        sqlite3_limit(raw, SQLITE_LIMIT_WORKER_THREADS, 0)
        sqlite3_limit(raw, SQLITE_LIMIT_TRIGGER_DEPTH, 0)
    }

    /// New databases, `-wal` and `-shm` are 0600: whoever may read a spool is decided by the daemon.
    private static let restrictNewFiles: Void = { umask(0o077) }()

    /// `psow=0`: a torn sector must not reach the last acknowledged commit, so that SQLite pads each commit to a
    /// sector. <https://sqlite.org/psow.html>
    private static func uri(_ path: String) -> String {
        var text = "file:"
        for byte in path.utf8 {
            let isPlain =
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                || [UInt8(ascii: "/"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_")].contains(byte)
            if isPlain {
                text.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                let digits = String(byte, radix: 16, uppercase: true)
                text += digits.count == 1 ? "%0\(digits)" : "%\(digits)"
            }
        }
        return text + "?psow=0"
    }

    // MARK: Running

    /// Runs statements that return nothing of interest: settings, the schema, `BEGIN` and `COMMIT`.
    func execute(_ sql: String) throws(SQLiteError) {
        guard sqlite3_exec(raw, sql, nil, nil, nil) == SQLITE_OK else {
            throw lastError(String(sql.prefix(60)))
        }
    }

    /// The first column of the first row, for pragmas and one-off questions.
    func integer(_ sql: String) throws(SQLiteError) -> Int64? {
        let statement = try Statement(sql, on: self)
        defer { statement.reset() }
        return try statement.step() ? statement.integer(0) : nil
    }

    func lastError(_ operation: String) -> SQLiteError {
        SQLiteError(
            code: sqlite3_extended_errcode(raw), operation: operation, message: String(cString: sqlite3_errmsg(raw)))
    }

    /// Whether a `BEGIN` is open: SQLite ends a transaction by itself after some errors.
    var isInTransaction: Bool { sqlite3_get_autocommit(raw) == 0 }

    /// Rows changed by the last statement.
    var changes: Int64 { sqlite3_changes64(raw) }
    var lastInsertedID: Int64 { sqlite3_last_insert_rowid(raw) }
}

@available(*, unavailable)
extension Connection: Sendable {}
