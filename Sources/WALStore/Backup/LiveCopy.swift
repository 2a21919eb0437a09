import CSQLite

/// A copy of an open database, made a piece at a time through the very connection that writes it.
///
/// SQLite carries what this connection commits meanwhile over to the copy, so nothing is copied twice, and no snapshot is
/// held between two steps, so the log can be folded in and emptied as ever. Writes of any other connection would make the
/// copy begin anew; the spool has none. <https://sqlite.org/c3ref/backup_finish.html>
///
/// The copy is one transaction of its file: whole when the last step says so, nothing before.
final class LiveCopy {
    private let target: Connection
    private let raw: OpaquePointer
    private var isEnded = false

    /// - Parameters:
    ///   - source: in no transaction; stays open until `end`.
    ///   - path: of the copy, where there is no file yet.
    init(of source: Connection, to path: String, vfs: String?) throws(SQLiteError) {
        target = try Connection(path: path, access: .readWrite, vfs: vfs)
        do throws(SQLiteError) {
            // Nothing of it counts before it is whole and synced by whoever asked for it.
            try target.execute("PRAGMA journal_mode = MEMORY")
            try target.execute("PRAGMA synchronous = OFF")
            try target.execute("PRAGMA locking_mode = EXCLUSIVE")
        } catch {
            target.close()
            throw error
        }
        guard let raw = sqlite3_backup_init(target.raw, "main", source.raw, "main") else {
            let error = target.lastError("begin to copy a database")
            target.close()
            throw error
        }
        self.raw = raw
    }

    deinit { abandon() }

    /// Pages of the source as the last step found it, and how many of them are copied.
    var pages: (copied: Int64, all: Int64) {
        let all = Int64(sqlite3_backup_pagecount(raw))
        return (all - Int64(sqlite3_backup_remaining(raw)), all)
    }

    /// Copies the next pages.
    ///
    /// - Returns: whether the copy is whole: it then is the source as it is at this moment.
    func step(pages: Int) throws(SQLiteError) -> Bool {
        let code = sqlite3_backup_step(raw, Int32(clamping: pages))
        switch code {
        case SQLITE_DONE: return true
        // Somebody reads or checkpoints from outside: the next step tries again.
        case SQLITE_OK, SQLITE_BUSY, SQLITE_LOCKED: return false
        default: throw LiveCopy.failure(code)
        }
    }

    /// Closes the copy's file. To be called before the source closes.
    ///
    /// - Throws: what spoilt the copy.
    func end() throws(SQLiteError) {
        guard !isEnded else { return }
        isEnded = true
        let code = sqlite3_backup_finish(raw)
        target.close()
        guard code == SQLITE_OK else { throw LiveCopy.failure(code) }
    }

    /// The same, of a copy that nobody wants any more.
    func abandon() {
        do throws(SQLiteError) { try end() } catch {}
    }

    private static func failure(_ code: Int32) -> SQLiteError {
        SQLiteError(code: code, operation: "copy a database", message: String(cString: sqlite3_errstr(code)))
    }
}

@available(*, unavailable)
extension LiveCopy: Sendable {}
