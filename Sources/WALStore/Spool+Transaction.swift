extension Spool {
    /// One transaction of the ledger: `body` changes rows and `ledger` together; both go back when it throws.
    ///
    /// Everything that writes goes through here, so that the spool row, the clock and the changed backends' rows are
    /// always those of the ledger. The end of a transaction counts `ledger.version` up by one.
    ///
    /// Where the disk or a budget has no more, the log is emptied and `body` runs once more; then the node's ballast is
    /// given back and it runs a last time, but for what takes in new points: the ballast is there so that what makes
    /// room can go on.
    ///
    /// - Throws: what `body` threw, or the failure of the commit. After an I/O error the database has been closed,
    ///   reopened and read again before this returns; when that shows the transaction, it counts (`recover`).
    func transact<Result>(
        closing: Bool = false, storesPoints: Bool = false, _ body: (Database) throws(SpoolError) -> Result
    ) throws(SpoolError) -> Result {
        account.begin(storesPoints ? .newPoints : .makingRoom)
        do throws(SpoolError) {
            return try attempt(closing, body)
        } catch {
            guard error.code == .full, database != nil else { throw error }
            keepPromises()
            if emptyLog(), let result = try again(closing, body) { return result }
            let refusal = account.refusal
            guard !storesPoints, environment.space?.releaseBallast(against: refusal, environment.events) == true else {
                throw account.refusal.map { SpoolError(.full, $0.reason) } ?? error
            }
            return try attempt(closing, body)
        }
    }

    /// nil: it met the full disk, or the budget, again.
    private func again<Result>(
        _ closing: Bool, _ body: (Database) throws(SpoolError) -> Result
    ) throws(SpoolError) -> Result? {
        account.begin(account.purpose)
        do throws(SpoolError) { return try attempt(closing, body) } catch {
            guard error.code == .full, database != nil else { throw error }
            keepPromises()
            return nil
        }
    }

    /// The log takes space for pages that may be in the database already: folds it in and empties it.
    ///
    /// - Returns: false when there was nothing in it, or a reader outside or a full disk is in the way.
    private func emptyLog() -> Bool {
        guard walBytes() > 0, let connection = database?.connection, !connection.isInTransaction else { return false }
        return emptyWAL(connection, isDiskFull: account.refusal == nil || account.refusal == .disk)
    }

    /// Pages that a failed transaction would have added are not promised any more.
    func keepPromises(_ known: Database? = nil) {
        guard let database = known ?? database else { return }
        do throws(SQLiteError) {
            account.ends(databaseBytes: try database.statements.pageCount.integer() * FileBlocks.bytes)
        } catch {
            // They stay promised: too much is counted until the next look, never too little.
        }
    }

    private func attempt<Result>(
        _ closing: Bool, _ body: (Database) throws(SpoolError) -> Result
    ) throws(SpoolError) -> Result {
        try checkFiles()
        let database = try openDatabase()
        isTransacting = true
        defer { isTransacting = false }
        let saved = (ledger, changedBackends, leases)
        var made: Result?
        do throws(SpoolError) {
            let result = try begun(database, body)
            made = result
            try finish(database, closing: closing)
            keepChain(database)
            reopenings = 0
        } catch {
            let (version, held) = (ledger.version, leases)
            (ledger, changedBackends, leases) = saved
            // Its own version is only there when the transaction is.
            guard rollBack(database) == .rewritten, made != nil, ledger.version == version else { throw error }
            reopenings = 0
            leases = held
        }
        guard let made else { preconditionFailure("a transaction that was finished made something") }
        // Before anybody is told that it is stored.
        try checkFiles()
        return made
    }

    private func begun<Result>(
        _ database: Database, _ body: (Database) throws(SpoolError) -> Result
    ) throws(SpoolError) -> Result {
        try checked { () throws(SQLiteError) in
            try database.statements.begin.run()
            try database.connection.chain?.begin()
        }
        try noteNewKey(database)
        return try body(database)
    }

    /// Writes what every transaction writes, and commits: one fsync.
    private func finish(_ database: Database, closing: Bool) throws(SpoolError) {
        ledger.version += 1
        try checked { () throws(SQLiteError) in
            for backend in ledger.backends where changedBackends.contains(backend.id) {
                try write(backend, database)
            }
            try finishChain(database)
            try database.statements.updateSpool.run(
                .integer(ledger.nextSequence), .integer(ledger.nextPosition), .integer(ledger.acceptedRequests),
                .integer(ledger.refusedPoints), .integer(ledger.droppedPoints), .integer(ledger.version),
                .integer(clock.at), .integer(clock.boot), .text(clock.bootID), .integer(clock.wall),
                .integer(closing ? 1 : 0))
            try database.statements.commit.run()
        }
        changedBackends = []
    }

    private func write(_ backend: BackendState, _ database: Database) throws(SQLiteError) {
        try database.statements.updateBackend.run(
            .integer(backend.id), SQLValue(backend.detachedPosition), .integer(clock.wall),
            SQLValue(backend.tail?.place.sequence), SQLValue(backend.tail?.place.ordinal),
            SQLValue(backend.tail?.position), .integer(backend.deliveredPoints), .integer(backend.assumedPoints),
            .integer(backend.deadPoints), .integer(backend.lostPoints), .integer(backend.excludedPoints),
            .integer(backend.sentBefore), .integer(backend.unknownBefore), SQLValue(backend.limits),
            .text(backend.retry.mode.rawValue), .integer(Int64(backend.retry.attempts)),
            .integer(backend.retry.nextAttemptAt), .text(backend.retry.reason))
    }

    /// The one place where an SQLite failure becomes the seam's error; remembers what recovery must know.
    func checked<Result>(_ body: () throws(SQLiteError) -> Result) throws(SpoolError) -> Result {
        do throws(SQLiteError) {
            return try body()
        } catch {
            lastFailure = error
            // Inside a transaction its end decides.
            if isServing, !isTransacting { metOutsideTransaction(error) }
            throw error.asSpoolError
        }
    }

    /// What was asked for fails; whoever asks next has a file that was opened anew, or another one.
    func metOutsideTransaction(_ error: SQLiteError) {
        lastFailure = nil
        if error.isCorrupt { declareDamaged(error.asSpoolError) }
        if error.isInputOutput { _ = recover(from: error) }
    }

    private func rollBack(_ database: Database) -> Recovery {
        let failure = lastFailure
        lastFailure = nil
        if let failure, failure.isInputOutput { return recover(from: failure) }
        if let failure, failure.isCorrupt {
            if isServing { declareDamaged(failure.asSpoolError) }
            return .none
        }
        // A full disk, a broken rule, or our own refusal: nothing was committed, the connection is sound.
        guard database.connection.isInTransaction else { return .none }
        do throws(SQLiteError) {
            try database.statements.rollback.run()
            return .none
        } catch {
            return recover(from: error)
        }
    }
}
