import Synchronization

/// Merges small neighbouring rows into large ones: the same points at the same places, for a fraction of the bytes.
///
/// Reading, merging and encoding are done on the reader's thread, beside the commits. The swap is one transaction, which
/// first sees that every row is still what it was: a row that is leased or settled in part is pinned (rules 1, 7).
extension Spool {
    /// Merges what pays, a transaction a run, until the round is used up; commits come between.
    ///
    /// - Returns: what is left of the round, and why it ended early, if it did.
    func repack(_ round: RepackRound) async -> (RepackRound, SpoolError?) {
        var round = round
        do throws(SpoolError) {
            while !round.isUsedUp, isFreeToRepack, let run = try findRun(&round) {
                round.points -= run.points
                round.tally += try await merge(run)
                checkpointIfDue(isIdle: queue.withLock { $0.isIdle })
                await letCommitsPass()
            }
            return (round, nil)
        } catch {
            return (round, error)
        }
    }

    /// Short of space there is none for the log of a repack; and what is being carried over is not settled yet.
    private var isFreeToRepack: Bool {
        database != nil && broken == nil && salvage == nil && environment.space?.pressure.isAny != true
    }

    private func merge(_ run: RepackRun) async throws(SpoolError) -> RepackTally {
        let merged = await reader.merge(run.rows.map(\.row), upkeep.repack.rules)
        var tally = RepackTally()
        guard isFreeToRepack else { return tally }
        let done = run.prefix(merged?.rows ?? run.rows.count)
        if let merged, Int64(merged.block.count) < done.bytes, try swap(done.rows.map(\.row), for: merged.block) {
            tally.rows = Int64(done.rows.count)
            tally.mergedRows = 1
            tally.points = Int64(done.points)
            tally.bytesBefore = done.bytes
            tally.bytesAfter = Int64(merged.block.count)
        }
        // Also when nothing came of it: it is looked at again with all that was passed over.
        upkeep.repack.doneBefore = (done.rows.last?.row.lastSequence ?? 0) + 1
        return tally
    }

    /// - Returns: false when a row is no longer what it was, or there is no room.
    private func swap(_ rows: [StoredRow], for block: [UInt8]) throws(SpoolError) -> Bool {
        guard try areUnchanged(rows), let first = rows.first, let last = rows.last else { return false }
        do throws(SpoolError) {
            // Never out of what is kept free for settling.
            try transact(storesPoints: true) { (database) throws(SpoolError) in
                try checked { () throws(SQLiteError) in try replace(first, last, rows.count, block, database) }
            }
        } catch {
            guard error.code == .full else { throw error }
            return false
        }
        for row in rows { environment.cache.remove(cacheID, row.sequence) }
        return true
    }

    private func replace(
        _ first: StoredRow, _ last: StoredRow, _ count: Int, _ block: [UInt8], _ database: Database
    ) throws(SQLiteError) {
        let found = try database.statements.timesOfRows.first(.integer(first.sequence), .integer(last.sequence)) {
            [$0.integer(0), $0.integer(1), $0.integer(2), $0.integer(3)]
        }
        // Their pages are free from here on: the merged block takes some of them.
        try database.statements.deleteBatches.run(.integer(first.sequence), .integer(last.sequence))
        guard let times = found, database.connection.changes == count else {
            throw SQLiteError.corrupt("rows that were neighbours are none")
        }
        try database.statements.insertMergedBatch.run(
            .integer(first.sequence), .integer(last.lastSequence), .integer(first.position),
            .integer(last.positions.upperBound - first.position), .integer(times[0]), .integer(times[1]),
            .integer(times[2]), .integer(times[3]), blob: block)
    }

    /// While they were merged they may have been leased, settled, pruned or lost.
    private func areUnchanged(_ rows: [StoredRow]) throws(SpoolError) -> Bool {
        guard let first = rows.first else { return false }
        let database = try openDatabase()
        var same = 0
        try checked { () throws(SQLiteError) in
            try eachRow(from: Place(first.sequence, 0), database) { row in
                guard row == rows[same] else { return false }
                same += 1
                return same < rows.count
            }
        }
        return same == rows.count && rows.allSatisfy { owed(of: $0) != nil && !isLeased($0) && isOneSide(first, $0) }
    }
}
