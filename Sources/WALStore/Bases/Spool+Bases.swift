/// The rows of bases: written with the first row that stands on each, deleted when none can any more.
extension Spool {
    func insert(_ fresh: StandingBases.Fresh, _ database: Database) throws(SQLiteError) {
        try database.statements.insertBase.run(.integer(fresh.base.id), blob: fresh.block)
        try database.statements.insertBaseCopy.run(.integer(fresh.base.id), blob: fresh.block)
        try database.statements.insertBaseLife.run(.integer(bases.start))
    }

    /// The rows are committed, and what they stand on.
    func keepBases(of rows: [PackedRow]) {
        bases.stored()
        for row in rows {
            if let fresh = row.base { environment.cache.insert(fresh.base, cacheID) }
        }
    }

    static let basesALook = 64
    /// Of the rows that one transaction drops not many more went out of use.
    static let basesADrop = 8
    /// Nanoseconds without a new row, after which the memory is of more use to others.
    private static let idleNanoseconds: Int64 = 300_000_000_000

    /// Deletes bases on which no row stands, in the order of their ids; each look begins behind the last.
    ///
    /// - Returns: whether some were deleted.
    @discardableResult
    func pruneBases(limit: Int = Spool.basesALook) throws(SpoolError) -> Bool {
        // Rows are still on their way.
        guard salvage == nil else { return false }
        let statements = try openDatabase().statements
        let standing = Set(bases.ids)
        var unused: [Int64] = []
        var last: Int64?
        try checked { () throws(SQLiteError) in
            var ids: [Int64] = []
            try statements.basesFrom.rows(.integer(upkeep.basesLookedAt + 1), .integer(Int64(limit))) { row in
                ids.append(row.integer(0))
                return true
            }
            if ids.count == limit { last = ids.last }
            for id in ids where !standing.contains(id) {
                var end = bases.end(of: id)
                // Of a former life: no later than the next one began, however many followed.
                let next = try statements.nextBaseLife.integer(.integer(id))
                if next > 0 { end = min(end, next) }
                if try statements.standingRow.integer(.integer(id), .integer(end)) == 0 {
                    unused.append(id)
                }
            }
        }
        upkeep.basesLookedAt = last ?? 0
        guard !unused.isEmpty else { return false }
        try transact { (database) throws(SpoolError) in
            try checked { () throws(SQLiteError) in
                for id in unused {
                    try database.statements.deleteBase.run(.integer(id))
                    try database.statements.deleteBaseCopy.run(.integer(id))
                }
                try database.statements.deleteBaseLives.run()
            }
        }
        bases.forgetEnds(of: unused)
        return true
    }

    func releaseIdleBases() {
        if upkeep.basesIdle?.sequence != ledger.nextSequence {
            upkeep.basesIdle = (ledger.nextSequence, clock.at)
        } else if let idle = upkeep.basesIdle, clock.at - idle.since >= Spool.idleNanoseconds {
            bases.removeAll(before: ledger.nextSequence)
        }
    }
}
