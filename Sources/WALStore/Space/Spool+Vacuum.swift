/// Gives free pages back to the file system: only when it pays, because moving pages is writing (rule 16).
extension Spool {
    private static let vacuumPages: Int64 = 1024
    /// While space is short the log of a step must not take much of it either.
    private static let tightVacuumPages: Int64 = 128
    private static let smallestTightVacuumPages: Int64 = 16
    /// What moving a page may write to the log: itself, the page that points to it, and the map of both.
    private static let logBytesAPage: Int64 = 3 * 4120

    /// One step: up to 4 MiB of pages, when the disk or the budget is tight or more than half of the file is free, and no more than
    /// the log has room for. The file is shorter when this returns.
    ///
    /// - Returns: whether it gave something back, and another step may have something to do.
    func vacuumStep(isDiskTight: Bool) throws(SpoolError) -> Bool {
        let database = try openDatabase()
        let (pages, free) = try checked { () throws(SQLiteError) in
            (try database.statements.pageCount.integer(), try database.statements.freePageCount.integer())
        }
        // A budget that was made smaller than the file.
        let isTooLong = configuration.spaceLimits.map { pages * FileBlocks.bytes > $0.databaseBytes } ?? false
        let isTight = isDiskTight || isTooLong
        let smallest = isTight ? Spool.smallestTightVacuumPages : upkeep.smallestVacuumPages
        guard free >= smallest, isTight || free > pages / 2 else { return false }
        account.begin(.makingRoom)
        let room = account.room / Spool.logBytesAPage
        var step = min(
            isTight ? Spool.tightVacuumPages : Spool.vacuumPages, max(room, Spool.smallestTightVacuumPages))
        while try !vacuum(pages: step, database) {
            // The less is moved, the less log it takes; a single page that goes makes room for more.
            guard step > 1 else { return false }
            step /= 4
        }
        keepPromises()
        // Before that the file still has its length.
        emptyWAL(database.connection)
        return true
    }

    /// - Returns: false when the disk or a budget has no room for the log of that.
    private func vacuum(pages: Int64, _ database: Database) throws(SpoolError) -> Bool {
        do throws(SQLiteError) {
            // `execute` steps to the end: each step frees one page, and a statement left half-way frees only those.
            try database.connection.execute("PRAGMA incremental_vacuum(\(pages))")
            return true
        } catch {
            guard error.isDiskFull else {
                keepPromises()
                // Like any commit of unknown outcome: what the log shows may not be on the disk (`recover`).
                metOutsideTransaction(error)
                throw error.asSpoolError
            }
            keepPromises()
            emptyWAL(database.connection)
            return false
        }
    }
}
