extension Spool {
    /// One transaction of the ledger: `body` changes rows and `ledger` together; both go back when it throws.
    ///
    /// Everything that writes goes through here, so that the spool row, the clock and the changed backends' rows are
    /// always those of the ledger. The end of a transaction counts `ledger.version` up by one.
    ///
    /// - Throws: what `body` threw, or the failure of the commit. After an I/O error the database has been closed,
    ///   reopened and read again before this returns: the transaction may be there or not.
    func transact<Result>(
        closing: Bool = false, _ body: (Database) throws(SpoolError) -> Result
    ) throws(SpoolError) -> Result {
        let database = try openDatabase()
        let saved = (ledger, changedBackends, leases)
        do throws(SpoolError) {
            let result = try begun(database, body)
            try finish(database, closing: closing)
            reopenings = 0
            return result
        } catch {
            (ledger, changedBackends, leases) = saved
            rollBack(database)
            throw error
        }
    }

    private func begun<Result>(
        _ database: Database, _ body: (Database) throws(SpoolError) -> Result
    ) throws(SpoolError) -> Result {
        try checked { () throws(SQLiteError) in try database.statements.begin.run() }
        return try body(database)
    }

    /// Writes what every transaction writes, and commits: one fsync.
    private func finish(_ database: Database, closing: Bool) throws(SpoolError) {
        ledger.version += 1
        try checked { () throws(SQLiteError) in
            for backend in ledger.backends where changedBackends.contains(backend.id) {
                try write(backend, database)
            }
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
            .integer(backend.id), .text(backend.name), SQLValue(backend.detachedPosition), .integer(clock.wall),
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
            throw error.asSpoolError
        }
    }

    private func rollBack(_ database: Database) {
        let failure = lastFailure
        lastFailure = nil
        if let failure, failure.isInputOutput || failure.isCorrupt { return recover(from: failure) }
        // A full disk, a broken rule, or our own refusal: nothing was committed, the connection is sound.
        guard database.connection.isInTransaction else { return }
        do throws(SQLiteError) { try database.statements.rollback.run() } catch { recover(from: error) }
    }
}
