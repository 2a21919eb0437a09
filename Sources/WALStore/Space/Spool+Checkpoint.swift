import CSQLite

/// Checkpoints: on the writer's connection only, after the acknowledgements have gone out (`storage.md` 14, 15).
extension Spool {
    /// Folds the WAL into the database when enough has gathered, and empties it when it has outgrown its cap.
    func checkpointIfDue(isIdle: Bool) {
        guard let connection = database?.connection else { return }
        let pages = connection.pagesWritten - upkeep.pagesAtCheckpoint
        guard pages >= (isIdle ? upkeep.checkpointPages : upkeep.checkpointPages * 8) else { return }
        upkeep.pagesAtCheckpoint = connection.pagesWritten
        if walBytes() >= upkeep.walCapBytes {
            truncateWAL(connection)
        } else {
            checkpoint(connection, SQLITE_CHECKPOINT_PASSIVE)
        }
    }

    /// Waits a moment for our own readers, and makes the WAL empty.
    ///
    /// The gate of `storage.md` 15 for our own readers is their shape: each read is one statement over one block, copied
    /// out and decoded after it, and nobody keeps a snapshot across a send; the longest of them ends long before this
    /// gives up. A reader outside that keeps its snapshot makes this fail; the WAL then grows, counted in the budget,
    /// until it ends, and an event says so.
    func truncateWAL(_ connection: Connection) {
        sqlite3_busy_timeout(connection.raw, 100)
        defer { sqlite3_busy_timeout(connection.raw, 5000) }
        let isDone = checkpoint(connection, SQLITE_CHECKPOINT_TRUNCATE)
        if !isDone, !upkeep.isTruncateBlocked {
            raise(
                .warning, "a reader outside, or a full disk, keeps the write-ahead log from being emptied",
                ["wal.bytes": String(walBytes())])
        }
        upkeep.isTruncateBlocked = !isDone
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
