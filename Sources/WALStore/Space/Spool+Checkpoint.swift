import CSQLite

/// Checkpoints: on the writer's connection only, after the acknowledgements have gone out (rules 14, 15).
extension Spool {
    /// Folds the WAL into the database when enough has gathered, and empties it when it has outgrown its cap.
    func checkpointIfDue(isIdle: Bool) {
        guard let connection = database?.connection else { return }
        let pages = connection.pagesWritten - upkeep.pagesAtCheckpoint
        guard upkeep.isCheckpointDue(after: pages, isIdle: isIdle) else { return }
        upkeep.checkpointed(at: connection.pagesWritten)
        if walBytes() >= upkeep.walCapBytes {
            // Commits wait behind this. A reader of ours is gone in less; one outside that stays is met at each try.
            emptyWAL(connection, patience: upkeep.isTruncateBlocked ? 5 : 20)
        } else {
            checkpoint(connection, SQLITE_CHECKPOINT_PASSIVE)
        }
    }

    /// What a log keeps of the disk while that is full: a settle, or the deletion of some rows, takes less.
    private static let keptLogBytes: Int64 = 256 << 10

    /// Waits a moment for our own readers, and makes the WAL empty.
    ///
    /// On a full disk it only begins anew in the space that it has: what a log gives back there is anybody's, and the next
    /// settle would find none. The commit that follows cuts it down to `keptLogBytes`.
    /// <https://sqlite.org/pragma.html#pragma_journal_size_limit>
    ///
    /// The gate of rule 15 for our own readers is their shape: each read is one statement over one block, copied
    /// out and decoded after it, and nobody keeps a snapshot across a send; the longest of them ends long before this
    /// gives up. A reader outside that keeps its snapshot makes this fail; the WAL then grows, counted in the budget,
    /// until it ends, and an event says so.
    ///
    /// - Parameters:
    ///   - isDiskFull: nil: as the node sees it.
    ///   - patience: milliseconds to wait for readers.
    /// - Returns: whether the next commit begins at its start.
    @discardableResult
    func emptyWAL(_ connection: Connection, isDiskFull: Bool? = nil, patience: Int32 = 100) -> Bool {
        sqlite3_busy_timeout(connection.raw, patience)
        defer { sqlite3_busy_timeout(connection.raw, 5000) }
        let keepsSpace = isDiskFull ?? environment.space?.pressure.isReserveReached ?? false
        limitLog(keepsSpace ? Spool.keptLogBytes : nil, connection)
        let isDone = checkpoint(connection, keepsSpace ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_TRUNCATE)
        if isDone { upkeep.checkpointed(at: connection.pagesWritten) }
        upkeep.truncateRefusals = isDone ? 0 : upkeep.truncateRefusals + 1
        // Once may have been a reader of ours on a busy machine.
        if upkeep.truncateRefusals == 2 {
            raise(
                .warning, "a reader outside, or a full disk, keeps the write-ahead log from being emptied",
                ["wal.bytes": String(walBytes())])
        }
        return isDone
    }

    /// - Parameter bytes: what is left of the log when it begins anew; nil: as it is.
    private func limitLog(_ bytes: Int64?, _ connection: Connection) {
        guard upkeep.logLimit != bytes else { return }
        do throws(SQLiteError) {
            _ = try connection.integer("PRAGMA journal_size_limit = \(bytes ?? -1)")
            upkeep.logLimit = bytes
        } catch {
            // The log stays as long as it is.
        }
    }

    /// Folds the log into the database while the reserve still has room for what that adds to it, and gives back what it
    /// need not keep.
    func shortenLog(_ connection: Connection, isDiskFull: Bool) {
        let isWritten = connection.pagesWritten != upkeep.pagesAtCheckpoint
        let isLong = walBytes() > (isDiskFull ? Spool.keptLogBytes : 64 << 10)
        guard isDiskFull ? isWritten && (isLong || upkeep.logLimit == nil) : isLong else { return }
        emptyWAL(connection, isDiskFull: isDiskFull)
    }

    /// Folds all of the log into the database, synced, and empties it, after an I/O error (`recover`).
    ///
    /// - Returns: false when a reader outside, or a full disk, is in the way.
    func rewriteLog() throws(SpoolError) -> Bool {
        let connection = try openDatabase().connection
        sqlite3_busy_timeout(connection.raw, 100)
        defer { sqlite3_busy_timeout(connection.raw, 5000) }
        let code = sqlite3_wal_checkpoint_v2(connection.raw, nil, SQLITE_CHECKPOINT_TRUNCATE, nil, nil)
        if code == SQLITE_OK { return true }
        let error = connection.lastError("rewrite the log")
        guard code == SQLITE_BUSY || error.isDiskFull else { throw error.asSpoolError }
        return false
    }

    /// - Returns: false when it could not reach the end.
    @discardableResult
    private func checkpoint(_ connection: Connection, _ mode: Int32) -> Bool {
        let code = sqlite3_wal_checkpoint_v2(connection.raw, nil, mode, nil, nil)
        if code & 0xff == SQLITE_IOERR {
            // The WAL still has everything; the next commit meets the same disk and decides.
            raise(.warning, "a checkpoint failed", ["error": connection.lastError("checkpoint").description])
        }
        return code == SQLITE_OK
    }
}

extension Connection {
    /// Pages this connection has ever written to the WAL. <https://sqlite.org/c3ref/c_dbstatus_options.html>
    var pagesWritten: Int64 {
        var current: Int32 = 0
        var highest: Int32 = 0
        sqlite3_db_status(raw, SQLITE_DBSTATUS_CACHE_WRITE, &current, &highest, 0)
        return Int64(UInt32(bitPattern: current))
    }
}
