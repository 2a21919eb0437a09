/// What a spool's file says of itself: read from a copy that nobody writes, never from a live spool.
public struct SpoolBooks: Sendable, Equatable {
    /// What a backend is owed.
    public struct Backend: Sendable, Equatable {
        public var name: String
        public var type: String
        public var pendingPoints: Int64
        public var isDetached: Bool
    }

    public var tenant: String
    /// 32 hexadecimal digits.
    public var incarnation: String
    public var schemaVersion: Int64
    /// Of the oldest and the newest stored row; 0 when none is stored.
    public var firstSequence: Int64
    public var lastSequence: Int64
    /// No sequence from here on has been given, as far as the file knows.
    public var nextSequence: Int64
    /// All that were ever accepted.
    public var points: Int64
    public var backends: [Backend]

    /// - Parameter path: of a file without a log beside it.
    /// - Throws: `.incompatible` for another program's file, or a later schema; `.unreadable` when it is damaged.
    static func read(_ path: String, vfs: String?) throws(SpoolError) -> SpoolBooks {
        try reading(path, vfs: vfs) { (connection) throws(SQLiteError) in try books(connection) }
    }

    /// Reads every page of the file: what SQLite's `quick_check` finds wrong.
    ///
    /// - Returns: nil when it is sound.
    static func damage(_ path: String, vfs: String?) throws(SpoolError) -> String? {
        try reading(path, vfs: vfs) { (connection) throws(SQLiteError) in
            let text = try Statement("PRAGMA quick_check(1)", on: connection).first { $0.text(0) } ?? ""
            return text == "ok" ? nil : text
        }
    }

    private static func reading<Result>(
        _ path: String, vfs: String?, _ body: (Connection) throws(SQLiteError) -> Result
    ) throws(SpoolError) -> Result {
        let connection: Connection
        do throws(SQLiteError) {
            connection = try Connection(path: path, access: .readOnly, vfs: vfs, isImmutable: true)
        } catch {
            throw error.asSpoolError
        }
        defer { connection.close() }
        try check(connection)
        do throws(SQLiteError) { return try body(connection) } catch { throw error.asSpoolError }
    }

    private static func check(_ connection: Connection) throws(SpoolError) {
        let (application, version, foreign): (Int64, Int64, Int64)
        do throws(SQLiteError) {
            application = try connection.integer("PRAGMA application_id") ?? 0
            version = try connection.integer("PRAGMA user_version") ?? 0
            foreign =
                try connection.integer("SELECT count(*) FROM sqlite_schema WHERE type IN ('trigger', 'view')") ?? 0
        } catch {
            throw error.asSpoolError
        }
        guard application == Connection.applicationID else { throw SpoolError(.incompatible, "the file is no spool") }
        guard version <= Schema.current else {
            throw SpoolError(
                .incompatible,
                "the file has schema version \(version); this program knows up to \(Schema.current): use a later one")
        }
        // Ours has none. Whatever one does, it is not to be run.
        guard foreign == 0 else { throw SpoolError(.incompatible, "the file has triggers or views: it is no spool") }
    }

    private static func books(_ connection: Connection) throws(SQLiteError) -> SpoolBooks {
        let identity = try Statement("SELECT tenant, next_position FROM spool", on: connection).first { row in
            (tenant: row.text(0), points: row.integer(1))
        }
        guard let identity else { throw .corrupt("the spool does not say whose it is") }
        var books = SpoolBooks(
            tenant: identity.tenant, incarnation: "", schemaVersion: 0, firstSequence: 0, lastSequence: 0,
            nextSequence: 1, points: identity.points, backends: [])
        books.schemaVersion = try connection.integer("PRAGMA user_version") ?? 0
        books.incarnation =
            try Statement("SELECT lower(hex(uuid)) FROM incarnations ORDER BY id DESC LIMIT 1", on: connection)
            .first { $0.text(0) } ?? ""
        books.nextSequence = try connection.followingSequence()
        books.firstSequence = try connection.integer("SELECT min(sequence) FROM batches") ?? 0
        books.lastSequence =
            try connection.integer("SELECT last_sequence FROM batches ORDER BY sequence DESC LIMIT 1") ?? 0
        let points = books.points
        try Statement(
            """
            SELECT name, type, tail_position, (SELECT coalesce(sum(end_position - first_position), 0) FROM ranges
                WHERE backend_id = backends.id AND job_id = 0) FROM backends ORDER BY id
            """, on: connection
        ).rows { row in
            let tail = row.optionalInteger(2).map { max(0, points) - max(0, $0) } ?? 0
            books.backends.append(
                Backend(
                    name: row.text(0), type: row.text(1), pendingPoints: row.integer(3).addingCapped(tail),
                    isDetached: row.isNull(2)))
            return true
        }
        return books
    }
}

extension Int64 {
    /// Of numbers that a file says, and which may be any.
    func addingCapped(_ other: Int64) -> Int64 {
        let (sum, isOver) = addingReportingOverflow(other)
        return isOver ? .max : sum
    }
}
