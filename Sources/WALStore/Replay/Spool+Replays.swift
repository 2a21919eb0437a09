import Metrics

/// Replay jobs: durable rows, of which a worker asks points (`Spool+ReplayLease.swift`). See
/// `docs/decisions/0034-a-replay-is-a-walk-with-a-cursor.md`.
extension Spool {
    /// Jobs that are not over, at most.
    public static let maximumOpenReplays = 16
    /// Jobs that are kept, over or not.
    static let maximumReplays = 64
    /// Rows of refusals that a job keeps.
    static let maximumReplayRefusals: Int64 = 1000

    /// Begins a job over what is stored now; returns when it is durable.
    ///
    /// - Throws: `.misuse` when the backend is not one of the tenant's, or too many jobs are open; `.unavailable` while the
    ///   spool's former file is still carried over.
    public func startReplay(_ order: ReplayOrder) throws(SpoolError) -> ReplayJob {
        guard replays.count(where: { !$0.state.isOver }) < Spool.maximumOpenReplays else {
            throw SpoolError(
                .misuse, "\(Spool.maximumOpenReplays) replays of tenant \(tenant) are open: cancel one, or wait for it")
        }
        var job = try planReplay(order)
        let over = replays.filter(\.state.isOver).prefix(max(0, replays.count + 1 - Spool.maximumReplays))
        try transact { (database) throws(SpoolError) in
            try checked { () throws(SQLiteError) in
                for old in over { try Spool.delete(old, database) }
                try Spool.insert(&job, database)
            }
            try record(event: "replay_started", "\(job.id) to \(job.backend): \(order.asked)", database)
        }
        replays.removeAll { job in over.contains { $0.id == job.id } }
        replays.append(job)
        return job
    }

    /// What a job would be; nothing is written.
    func planReplay(_ order: ReplayOrder) throws(SpoolError) -> ReplayJob {
        guard salvage == nil else {
            throw SpoolError(.unavailable, "the spool's former file is still being carried over: replay it then")
        }
        guard let index = ledger.index(of: order.backend), ledger.backends[index].isAttached else {
            throw SpoolError(.misuse, "tenant \(tenant) has no backend \"\(order.backend)\"")
        }
        let database = try openDatabase()
        _ = clock.read(environment.time)
        return try checked { () throws(SQLiteError) in
            var sequences: Range<Int64> = 0..<ledger.nextSequence
            if let received = order.received {
                let first = try sequence(receivedAt: received.lowerBound, database)
                sequences = first..<max(first, try sequence(receivedAt: received.upperBound, database))
            }
            let start = try beginning(of: sequences.lowerBound, database)
            let end = max(start.position, try endPosition(before: sequences.upperBound, database))
            var job = ReplayJob(
                backend: order.backend, asked: order.asked, backendID: ledger.backends[index].id, sequences: sequences,
                start: start.position, end: end, cursor: start)
            (job.times, job.selector, job.pointsPerSecond) = (order.times, order.selector, order.pointsPerSecond)
            (job.createdAt, job.changedAt) = (clock.wall, clock.wall)
            return job
        }
    }

    /// All jobs that are kept, oldest first, with what is on its way.
    public func replayJobs() throws(SpoolError) -> [ReplayJob] {
        _ = try openDatabase()
        return replays.map { job in
            var shown = job
            // It may have another name by now.
            if let backend = ledger.backends.first(where: { $0.id == job.backendID }) { shown.backend = backend.name }
            guard let piece = replayPieces[job.id] else { return shown }
            shown.counts = piece.after.counts
            shown.counts.pending = piece.openPoints
            return shown
        }
    }

    /// Pauses, resumes or cancels; returns when it is durable. What is on its way is answered for as it was begun.
    ///
    /// - Throws: `.misuse` when there is no such job, or it is over.
    public func setReplay(_ id: Int64, to state: ReplayJob.State, asked: String) throws(SpoolError) -> ReplayJob {
        guard let index = replays.firstIndex(where: { $0.id == id }) else {
            throw SpoolError(.misuse, "tenant \(tenant) has no replay \(id)")
        }
        guard state != .done, !replays[index].state.isOver else {
            throw SpoolError(.misuse, "replay \(id) is over: it is \(replays[index].state.rawValue)")
        }
        guard replays[index].state != state else { return replays[index] }
        var job = replays[index]
        // Nobody has it, and nobody will.
        let dropped = state == .cancelled ? replayPieces[id].flatMap { $0.lease == nil ? $0 : nil } : nil
        if let dropped { job = dropped.after }
        job.state = state
        job.problem = ""
        try write(job, dropped?.refusals ?? []) { (database) throws(SpoolError) in
            try record(event: "replay_\(state.rawValue)", "\(id): \(asked)", database)
        }
        if dropped != nil { replayPieces[id] = nil }
        if state == .running { replayCaution[id] = nil }
        return job
    }

    /// What the backend refused, oldest first; `maximumReplayRefusals` at most.
    public func replayRefusals(_ id: Int64) throws(SpoolError) -> [ReplayRefusal] {
        let database = try openDatabase()
        return try checked { () throws(SQLiteError) in try Spool.refusals(of: id, database) }
    }

    /// Writes a job as it is now, in a transaction of its own.
    func write(
        _ changed: ReplayJob, _ refusals: [ReplayRefusal] = [],
        and body: (Database) throws(SpoolError) -> Void = { _ in }
    ) throws(SpoolError) {
        var job = changed
        _ = clock.read(environment.time)
        job.changedAt = clock.wall
        try transact { (database) throws(SpoolError) in
            try checked { () throws(SQLiteError) in
                try Spool.update(job, database)
                try Spool.insert(refusals, of: job.id, database, workspace)
            }
            try body(database)
        }
        // By id: a transaction may have read the rows anew.
        if let index = replays.firstIndex(where: { $0.id == job.id }) { replays[index] = job }
    }

    // MARK: Where it begins and ends

    /// The first sequence that was received at `wall` or later, by the wall clock as it goes now.
    private func sequence(receivedAt wall: Int64, _ database: Database) throws(SQLiteError) -> Int64 {
        let (before, isOver) = clock.wall.subtractingReportingOverflow(wall)
        let (at, isOut) = clock.at.subtractingReportingOverflow(before)
        // From the beginning of time, or to its end.
        if isOver || isOut { return wall < clock.wall ? 0 : ledger.nextSequence }
        return try firstSequence(receivedAt: at, database) ?? ledger.nextSequence
    }

    /// The beginning of the row that holds the sequence, or of the first one behind it.
    private func beginning(of sequence: Int64, _ database: Database) throws(SQLiteError) -> Cut {
        var found: Cut?
        try eachRow(from: Place(sequence, 0), database) { row in
            guard row.lastSequence >= sequence else { return true }
            found = row.span.start
            return false
        }
        return found ?? ledger.end
    }

    /// The end of the last row that holds a sequence before this one.
    private func endPosition(before sequence: Int64, _ database: Database) throws(SQLiteError) -> Int64 {
        guard sequence < ledger.nextSequence else { return ledger.nextPosition }
        var end = ledger.nextPosition
        try eachRow(from: Place(sequence, 0), database) { row in
            guard row.lastSequence >= sequence else { return true }
            end = row.sequence < sequence ? row.positions.upperBound : row.position
            return false
        }
        return end
    }
}
