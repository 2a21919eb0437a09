/// Gives free pages back to the file system: only when it pays, because moving pages is writing (`storage.md` 16).
extension Spool {
    private static let vacuumPages: Int64 = 1024
    /// Below this a file is not worth shrinking.
    private static let smallestVacuumPages: Int64 = 256

    /// One step: up to 4 MiB of pages, when the disk is tight or more than half of the file is free.
    ///
    /// - Returns: whether another step has something to do.
    func vacuumStep(isDiskTight: Bool) throws(SpoolError) -> Bool {
        let database = try openDatabase()
        let (pages, free) = try checked { () throws(SQLiteError) in
            (try database.statements.pageCount.integer(), try database.statements.freePageCount.integer())
        }
        guard free >= Spool.smallestVacuumPages, isDiskTight || free > pages / 2 else { return false }
        // `execute` steps to the end: each step frees one page, and a statement left half-way frees only those.
        try checked { () throws(SQLiteError) in
            try database.connection.execute("PRAGMA incremental_vacuum(\(Spool.vacuumPages))")
        }
        return free > Spool.vacuumPages
    }
}
