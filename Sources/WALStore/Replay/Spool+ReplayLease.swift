import Metrics

/// A job's points on their way: one piece at a time, read behind the cursor; the cursor moves, with the counts, in one
/// transaction when all of a piece is answered. A kill at any moment sends at most that piece once more.
extension Spool {
    /// Claims the next points of a job; nil when it does not run, has come to its end, or its points are with somebody.
    ///
    /// - Throws: what reading a row throws; `.commitFailed` or `.full` when the cursor cannot be moved.
    public func leaseReplay(_ id: Int64, limit: Int) async throws(SpoolError) -> Lease? {
        precondition(limit > 0, "a lease asks for at least one point")
        while salvage == nil, let job = running(id) {
            if replayPieces[id] == nil {
                guard !readingReplays.contains(id) else { return nil }
                readingReplays.insert(id)
                defer { readingReplays.remove(id) }
                let piece = try await readPiece(job, limit: min(limit, (replayCaution[id] ?? ReplayCaution()).limit))
                // Somebody may have paused it meanwhile, or the spool was closed.
                guard running(id) != nil else { return nil }
                guard piece.openPoints > 0 else {
                    try finish(piece)
                    await letCommitsPass()
                    continue
                }
                try noteOvertaking(piece)
                replayPieces[id] = piece
            }
            guard replayPieces[id]?.lease == nil else { return nil }
            let lease = nextLeaseID()
            replayPieces[id]?.lease = lease
            guard let pieces = replayPieces[id]?.leased(limit: limit) else { return nil }
            return Lease(id: lease, backend: job.backend, lane: .replay, pieces: pieces)
        }
        return nil
    }

    /// Ends parts of a lease. Durable when it returns, once the whole piece is settled; what is not is sent again after a
    /// crash.
    ///
    /// - Throws: `.misuse` when the lease is not ours or a part of it was settled before: nothing is changed then.
    public func settleReplay(_ lease: Lease, _ settlement: Settlement) throws(SpoolError) {
        guard let (id, held) = replayPieces.first(where: { $0.value.lease == lease.id }) else {
            throw SpoolError(.misuse, "the lease is not held any more")
        }
        var piece = held
        _ = clock.read(environment.time)
        try piece.settle(settlement, wall: clock.wall)
        try settleCounters(of: id, settlement)
        if piece.open.isEmpty { try finish(piece) } else { replayPieces[id] = piece }
    }

    /// Not with the piece, which ends later: what is sent of other points meanwhile is counted from here. After a crash the
    /// points of the piece are passed, and none of them is counted twice.
    private func settleCounters(of job: Int64, _ settlement: Settlement) throws(SpoolError) {
        guard !settlement.counters.isEmpty, let job = replays.first(where: { $0.id == job }),
            let index = ledger.index(of: job.backend)
        else { return }
        let backendID = ledger.backends[index].id
        try transact { (database) throws(SpoolError) in
            try advance(settlement.counters, backendID: backendID, database)
        }
    }

    /// Gives back whatever of the lease is not settled yet.
    public func releaseReplay(_ lease: Lease) throws(SpoolError) {
        guard let (id, held) = replayPieces.first(where: { $0.value.lease == lease.id }) else { return }
        replayPieces[id]?.lease = nil
        // Nobody comes back for the rest.
        if replays.first(where: { $0.id == id })?.state == .cancelled { try finish(held) }
    }

    private func running(_ id: Int64) -> ReplayJob? { replays.first { $0.id == id && $0.state == .running } }

    // MARK: Settling

    /// Moves the cursor behind a piece, and counts what became of it.
    private func finish(_ piece: ReplayPiece) throws(SpoolError) {
        var job = piece.after
        guard let current = replays.first(where: { $0.id == job.id }) else {
            replayPieces[job.id] = nil
            return
        }
        (job.state, job.problem) = (current.state, current.problem)
        let caution = (replayCaution[job.id] ?? ReplayCaution()).after(piece)
        if job.state == .running, job.isAtEnd {
            job.state = .done
        } else if job.state == .running, let problem = caution.problem {
            (job.state, job.problem) = (.paused, problem)
        }
        try write(job, piece.refusals)
        replayPieces[job.id] = nil
        replayCaution[job.id] = caution
        guard job.state != current.state else { return }
        raise(
            job.state == .done ? .info : .warning,
            job.state == .done ? "a replay is done" : "a replay has paused itself",
            [
                "backend": job.backend, "replay.id": String(job.id), "replay.sent_points": String(job.counts.sent),
                "replay.dead_points": String(job.counts.dead), "replay.problem": job.problem,
            ])
    }

    /// Where the backend is still owed points that lie before these, "out of order" will not prove of those that it has them.
    private func noteOvertaking(_ piece: ReplayPiece) throws(SpoolError) {
        let backendID = piece.after.backendID
        guard let index = ledger.backends.firstIndex(where: { $0.id == backendID }), let end = piece.endPosition,
            let oldest = ledger.backends[index].owedInOrder(upTo: ledger.end).first?.start.position, oldest < end
        else { return }
        let positions = oldest..<end
        if let known = ledger.backends[index].overtaken, known.clamped(to: positions) == positions { return }
        try transact { _ throws(SpoolError) in
            ledger.backends[index].overtake(positions)
            changedBackends.insert(backendID)
        }
    }

    // MARK: Reading

    /// Rows that are looked at in one go, and points of them that are decoded.
    private static let rowsATurn = 256
    private static let pointsATurn = 1 << 17
    /// Turns until what was found has to do; a selector may take one point in a million.
    private static let turnsAPiece = 16

    /// The next piece behind a job's cursor, possibly without a point; `after` says how far it went.
    func readPiece(_ job: ReplayJob, limit: Int) async throws(SpoolError) -> ReplayPiece {
        var piece = ReplayPiece(after: job)
        var turns = 0
        while piece.batch.points.count < limit, turns < Spool.turnsAPiece, !piece.after.isAtEnd {
            try await readTurn(&piece, limit: limit)
            turns += 1
        }
        if piece.batch.points.count > 0 { piece.open = [0..<piece.batch.points.count] }
        return piece
    }

    private func readTurn(_ piece: inout ReplayPiece, limit: Int) async throws(SpoolError) {
        let room = limit - piece.batch.points.count
        guard let read = try nextRows(&piece.after, room: room), !read.rows.isEmpty else { return }
        let found = await reader.find(read, into: piece.batch)
        piece.batch = found.batch
        piece.segments += found.segments
        piece.after.counts.excluded += found.owedPoints
        if let cut = found.cut { piece.after.cursor = cut }
        guard let failure = found.failure else { return }
        let isThere = try holds(failure.row)
        if failure.isMisfit, isThere {
            // The block is checked, its row is not.
            declareDamaged(failure.error)
            throw failure.error
        }
        // Merged or pruned meanwhile: the next turn sees what is there now.
        if failure.isMisfit || (failure.error.code == .unreadable && !isThere) { return }
        guard failure.error.code == .unreadable else { throw failure.error }
        try await checkWay(to: failure.row, failure.error)
        let lost = (piece.after.cursor.position..<piece.after.end).clamped(to: failure.row.positions)
        piece.after.counts.lost += Int64(lost.count)
        piece.after.cursor = Cut(failure.row.span.end.place, lost.upperBound)
    }

    private func holds(_ row: StoredRow) throws(SpoolError) -> Bool {
        let database = try openDatabase()
        return try checked { () throws(SQLiteError) in
            var found: StoredRow?
            try eachRow(from: row.span.start.place, database) { stored in
                found = stored
                return false
            }
            return found == row
        }
    }

    /// The rows behind the cursor, as far as there is no gap between them; a gap before the first is passed, and counted.
    ///
    /// - Returns: nil when there are none.
    private func nextRows(_ job: inout ReplayJob, room: Int) throws(SpoolError) -> ReplayRead? {
        let database = try openDatabase()
        var rows: [ReplayRead.Row] = []
        var next = job.cursor.position
        var points = 0
        var isOver = true
        try checked { () throws(SQLiteError) in
            try eachTimedRow(from: job.cursor.place, database) { row, times in
                guard row.positions.upperBound > next else { return true }
                guard row.position < job.end else { return false }
                if row.position > next {
                    guard rows.isEmpty else {
                        isOver = false
                        return false
                    }
                    job.counts.pruned += row.position - next
                    job.cursor = row.span.start
                }
                next = row.positions.upperBound
                let isPassed = job.times.map { times.upperBound < $0.lowerBound || times.lowerBound >= $0.upperBound }
                let cached = environment.cache.block(cacheID, row.sequence)
                rows.append(ReplayRead.Row(row: row, cached: cached, isPassed: isPassed ?? false))
                points += isPassed == true ? 0 : row.points
                isOver = rows.count < Spool.rowsATurn && points < Spool.pointsATurn
                return isOver
            }
        }
        if rows.isEmpty {
            job.counts.pruned += job.end - job.cursor.position
            job.cursor = Cut(job.cursor.place, job.end)
            return nil
        }
        let backend = ledger.backends.first { $0.id == job.backendID }
        return ReplayRead(
            rows: rows, window: job.cursor.position..<job.end, times: job.times, selector: job.selector,
            sequences: job.sequences, owed: backend?.owedInOrder(upTo: ledger.end).map(\.positions) ?? [], room: room)
    }

    private func eachTimedRow(
        from place: Place, _ database: Database, _ body: (StoredRow, ClosedRange<Int64>) -> Bool
    ) throws(SQLiteError) {
        var isSound = true
        try database.statements.timedRowsFrom.rows(.integer(place.sequence)) { row in
            guard let stored = StoredRow(row, upTo: ledger.end), row.integer(5) <= row.integer(6) else {
                isSound = false
                return false
            }
            return body(stored, row.integer(5)...row.integer(6))
        }
        if !isSound { throw SQLiteError.corrupt("a stored row is outside what was accepted") }
    }
}

/// Keeps a job from asking a backend for each of a million points that it refuses: it begins with small pieces, and one
/// that was refused as a whole ends the trial.
struct ReplayCaution: Sendable {
    /// Points of the next piece.
    private(set) var limit = 128
    /// Points that were refused since one was not.
    private var refused: Int64 = 0
    /// Why the job should not go on.
    private(set) var problem: String?

    private static let growth = 8
    private static let maximum = 1 << 20
    /// A few points may all be bad ones.
    private static let enough: Int64 = 64

    func after(_ piece: ReplayPiece) -> ReplayCaution {
        var next = self
        let points = Int64(piece.batch.points.count)
        if piece.dead == 0 {
            next.limit = min(ReplayCaution.maximum, limit * ReplayCaution.growth)
        } else {
            next.limit = ReplayCaution().limit
        }
        next.refused = piece.dead == points ? refused + points : 0
        if next.refused >= ReplayCaution.enough, let refusal = piece.refusals.first {
            next.problem = "the backend refused \(next.refused) points one after another: \(refusal.reason.excerpt)"
        }
        return next
    }
}
