/// Finds what is to be merged: a walk over rows without their blocks, from where the last one ended.
extension Spool {
    private static let rowsALook = 512

    /// The next run that pays.
    ///
    /// - Returns: nil when there is none now; `upkeep.repack` says until when.
    func findRun(_ round: inout RepackRound) throws(SpoolError) -> RepackRun? {
        let rules = upkeep.repack.rules
        let now = clock.read(environment.time)
        if now >= upkeep.repack.secondLookAt {
            upkeep.repack.secondLookAt = now.advanced(byNanoseconds: rules.secondLook)
            upkeep.repack.doneBefore = 0
        } else if now < upkeep.repack.waitsUntil, ledger.nextPosition < upkeep.repack.waitsForPosition {
            return nil
        }
        while round.rows > 0 {
            let rows = try storedRows(
                from: upkeep.repack.doneBefore, receivedBy: now.advanced(byNanoseconds: -rules.rest),
                limit: Spool.rowsALook, try openDatabase())
            round.rows -= rows.count
            let isAll = rows.count < Spool.rowsALook
            if let run = try look(through: rows, isAll: isAll, now) { return run }
            if isAll { return nil }
        }
        return nil
    }

    /// - Parameter isAll: no row that may be merged lies behind these.
    private func look(through rows: [SizedRow], isAll: Bool, _ now: Int64) throws(SpoolError) -> RepackRun? {
        let rules = upkeep.repack.rules
        var run = RepackRun()
        for row in rows {
            if try add(row, to: &run, now) { continue }
            if let part = run.payingPart(rules) { return part }
            // Nothing to gain before this row; it may begin a run of its own.
            upkeep.repack.doneBefore = row.row.sequence
            run = RepackRun()
            if try !add(row, to: &run, now) { upkeep.repack.doneBefore = row.row.lastSequence + 1 }
        }
        if !isAll {
            if let part = run.payingPart(rules) { return part }
            // One row after another outweighs what follows.
            if run.rows.count == rows.count, let first = rows.first {
                upkeep.repack.doneBefore = first.row.lastSequence + 1
            }
            return nil
        }
        if let part = run.payingPart(rules), now - run.firstReceived >= rules.patience { return part }
        wait(for: run, now)
        return nil
    }

    /// Looks again when enough has come to fill the run, or when it has waited for long enough.
    private func wait(for run: RepackRun, _ now: Int64) {
        let rules = upkeep.repack.rules
        upkeep.repack.waitsForPosition = ledger.nextPosition + Int64(max(1, rules.targetPoints - run.points))
        let full = run.rows.isEmpty ? now : max(now, run.firstReceived.advanced(byNanoseconds: rules.patience))
        upkeep.repack.waitsUntil = max(full, now.advanced(byNanoseconds: rules.rest))
    }

    /// - Returns: false when the row cannot be the next of the run.
    private func add(_ row: SizedRow, to run: inout RepackRun, _ now: Int64) throws(SpoolError) -> Bool {
        let rules = upkeep.repack.rules
        guard row.row.points <= rules.targetPoints / 2, run.points + row.row.points <= rules.targetPoints,
            run.bytes + row.blockBytes <= largestRunBytes, let isOwed = owed(of: row.row), !isLeased(row.row),
            isOwed || now - row.row.receivedAt >= rules.keptRest
        else { return false }
        let database = try openDatabase()
        let first = try checked { () throws(SQLiteError) in try firstReceived(of: row.row, database) }
        if let last = run.rows.last?.row {
            guard row.row.position == last.positions.upperBound, isOwed == run.isOwed, isOneSide(last, row.row),
                row.row.receivedAt - run.firstReceived <= span(rules)
            else { return false }
        }
        run.add(row, firstReceived: first, isOwed: isOwed)
        return true
    }

    /// What a run's blocks may take together: a merged one takes less, and its log must fit beside that of commits.
    private var largestRunBytes: Int64 {
        min(Int64(Block.maximumStoredBytes), configuration.spaceLimits.map { $0.commitBytes / 2 } ?? .max)
    }

    private func span(_ rules: RepackRules) -> Int64 {
        [configuration.retainSeconds, configuration.leastAgeSeconds ?? .max].reduce(rules.span) { span, seconds in
            let (age, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
            return overflow ? span : min(span, age / 24)
        }
    }

    /// Whether somebody is owed a row; nil when it is settled in part: then it is pinned (rule 1).
    func owed(of row: StoredRow) -> Bool? {
        if row.points == 0 { return isHeld(row) }
        var isOwed = false
        for backend in ledger.backends {
            let points = backend.owed(in: row.span, upTo: ledger.end).reduce(0) { $0 + $1.points }
            if points > 0, points < row.points { return nil }
            isOwed = isOwed || points > 0
        }
        return isOwed
    }

    /// What may have been sent and what surely was not stay apart, since a row is one or the other; so does what came
    /// before a backend was removed, which is all that it is owed of the past.
    func isOneSide(_ one: StoredRow, _ other: StoredRow) -> Bool {
        ledger.backends.allSatisfy { backend in
            let detached = backend.detachedPosition ?? .max
            return (backend.unknownBefore > one.sequence) == (backend.unknownBefore > other.sequence)
                && (detached > one.position) == (detached > other.position)
        }
    }
}

extension Int64 {
    /// Without overflow: a damaged clock must not trap.
    fileprivate func advanced(byNanoseconds span: Int64) -> Int64 {
        let (sum, overflow) = addingReportingOverflow(span)
        return overflow ? (span > 0 ? .max : .min) : sum
    }
}
