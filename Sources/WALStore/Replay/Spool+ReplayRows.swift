import Metrics

/// Rows of `replays` and `replay_refusals`. A job is written a few times a second at most, and most spools have none:
/// these statements are made when they are needed.
extension Spool {
    private static let columns = """
        backend_id, state, problem, selector, first_time, end_time, first_sequence, end_sequence, points_per_second,
        start_position, end_position, cursor_sequence, cursor_ordinal, cursor_position, sent_points, dead_points,
        lost_points, excluded_points, pruned_points, created_wall, changed_wall, asked
        """

    static func insert(_ job: inout ReplayJob, _ database: Database) throws(SQLiteError) {
        let marks = (1...22).map { "?\($0)" }.joined(separator: ", ")
        try Statement("INSERT INTO replays (\(columns)) VALUES (\(marks))", on: database.connection).run(
            values: [
                .integer(job.backendID), .text(job.state.rawValue), .text(job.problem),
                SQLValue(job.selector?.description), SQLValue(job.times?.lowerBound), SQLValue(job.times?.upperBound),
                .integer(job.sequences.lowerBound), .integer(job.sequences.upperBound),
                SQLValue(job.pointsPerSecond.map { Int64($0) }), .integer(job.start), .integer(job.end),
                .integer(job.cursor.place.sequence), .integer(job.cursor.place.ordinal), .integer(job.cursor.position),
                .integer(job.counts.sent), .integer(job.counts.dead), .integer(job.counts.lost),
                .integer(job.counts.excluded), .integer(job.counts.pruned), .integer(job.createdAt),
                .integer(job.changedAt), .text(job.asked),
            ])
        job.id = database.connection.lastInsertedID
    }

    static func update(_ job: ReplayJob, _ database: Database) throws(SQLiteError) {
        try Statement(
            """
            UPDATE replays SET state = ?2, problem = ?3, cursor_sequence = ?4, cursor_ordinal = ?5, cursor_position = ?6,
                sent_points = ?7, dead_points = ?8, lost_points = ?9, excluded_points = ?10, pruned_points = ?11,
                changed_wall = ?12 WHERE id = ?1
            """, on: database.connection
        ).runOnOne(
            .integer(job.id), .text(job.state.rawValue), .text(job.problem), .integer(job.cursor.place.sequence),
            .integer(job.cursor.place.ordinal), .integer(job.cursor.position), .integer(job.counts.sent),
            .integer(job.counts.dead), .integer(job.counts.lost), .integer(job.counts.excluded),
            .integer(job.counts.pruned), .integer(job.changedAt))
    }

    static func delete(_ job: ReplayJob, _ database: Database) throws(SQLiteError) {
        try Statement("DELETE FROM replay_refusals WHERE replay_id = ?1", on: database.connection).run(.integer(job.id))
        try Statement("DELETE FROM replays WHERE id = ?1", on: database.connection).runOnOne(.integer(job.id))
    }

    /// Those that there is no room for are in the job's count alone.
    static func insert(
        _ refusals: [ReplayRefusal], of job: Int64, _ database: Database, _ workspace: BlockWorkspace
    ) throws(SQLiteError) {
        guard !refusals.isEmpty else { return }
        let count = try Statement("SELECT count(*) FROM replay_refusals WHERE replay_id = ?1", on: database.connection)
            .integer(.integer(job))
        let insert = try Statement(
            """
            INSERT INTO replay_refusals (replay_id, first_sequence, first_ordinal, points, reason, status, excerpt,
                refused_wall, block) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
            """, on: database.connection)
        for refusal in refusals.prefix(Int(max(0, maximumReplayRefusals - count))) {
            let origin = OriginRun(sequence: refusal.place.sequence, firstOrdinal: refusal.place.ordinal, count: 1)
            guard let first = refusal.first else { continue }
            let reason = refusal.reason
            let excerpt = String(decoding: reason.excerpt.utf8.prefix(DeadLetterReason.excerptBytes), as: UTF8.self)
            try insert.run(
                .integer(job), .integer(refusal.place.sequence), .integer(refusal.place.ordinal),
                .integer(refusal.points), .text(reason.code), .integer(Int64(reason.status)), .text(excerpt),
                .integer(refusal.refusedAt), blob: Block.encode(first, origins: [origin], workspace: workspace))
        }
    }

    static func refusals(of job: Int64, _ database: Database) throws(SQLiteError) -> [ReplayRefusal] {
        var found: [ReplayRefusal] = []
        try Statement(
            """
            SELECT first_sequence, first_ordinal, points, reason, status, excerpt, refused_wall, block
            FROM replay_refusals WHERE replay_id = ?1 ORDER BY id LIMIT ?2
            """, on: database.connection
        ).rows(.integer(job), .integer(maximumReplayRefusals)) { row in
            let decoded = row.withBlob(7) { bytes in Result { () throws(SpoolError) in try Block.decode(bytes) } }
            let first: Batch? = if case .success(let block) = decoded { block.batch } else { nil }
            found.append(
                ReplayRefusal(
                    place: Place(row.integer(0), row.integer(1)), points: row.integer(2),
                    reason: DeadLetterReason(code: row.text(3), excerpt: row.text(5), status: Int(row.integer(4))),
                    refusedAt: row.integer(6), first: first))
            return true
        }
        return found
    }

    /// All jobs. A row that cannot be one is passed over: no job is worth a spool.
    static func readReplays(_ connection: Connection, _ ledger: Ledger) throws(SQLiteError) -> [ReplayJob] {
        var jobs: [ReplayJob] = []
        try Statement("SELECT id, \(columns) FROM replays ORDER BY id", on: connection).rows { row in
            if let job = ReplayJob(row, ledger) { jobs.append(job) }
            return true
        }
        return jobs
    }
}

extension ReplayJob {
    /// From the columns of `Spool.columns` behind the id.
    fileprivate init?(_ row: Statement, _ ledger: Ledger) {
        let sequences = (row.integer(7), row.integer(8))
        guard let backend = ledger.backends.first(where: { $0.id == row.integer(1) }),
            let state = State(rawValue: row.text(2)), sequences.0 <= sequences.1, row.integer(13) >= 0,
            row.integer(10) >= 0, row.integer(14) >= row.integer(10), row.integer(14) <= row.integer(11),
            row.integer(11) <= ledger.nextPosition
        else { return nil }
        self.init(
            backend: backend.name, asked: row.text(22), backendID: backend.id, sequences: sequences.0..<sequences.1,
            start: row.integer(10), end: row.integer(11),
            cursor: Cut(Place(row.integer(12), row.integer(13)), row.integer(14)))
        id = row.integer(0)
        self.state = state
        problem = row.text(3)
        if let text = row.optionalText(4) {
            do throws(SelectorError) { selector = try SeriesSelector.parse(text) } catch { return nil }
        }
        if let first = row.optionalInteger(5), let end = row.optionalInteger(6) {
            guard first <= end else { return nil }
            times = first..<end
        }
        pointsPerSecond = row.optionalInteger(9).map { Int($0) }
        counts.sent = row.integer(15)
        counts.dead = row.integer(16)
        counts.lost = row.integer(17)
        counts.excluded = row.integer(18)
        counts.pruned = row.integer(19)
        (createdAt, changedAt) = (row.integer(20), row.integer(21))
    }
}
