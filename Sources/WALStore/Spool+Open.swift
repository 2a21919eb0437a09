extension Spool {
    /// Opens the database, reads the ledger, and makes the first transaction: from here until a clean close the file
    /// says that it was not closed.
    func start(minimumSequence: Int64, _ job: SalvageJob?) throws(SpoolError) {
        isBeingSalvaged = job != nil
        let hasLog = walBytes() > 0
        let wasClean = try load()
        let job = try job.flatMap { (job) throws(SpoolError) in try confirmed(job) }
        isBeingSalvaged = job != nil
        if let job {
            if hasLog { try renewLog() }
            try beginSalvage(job)
        } else {
            try checkEnd(minimumSequence)
            if hasLog { try renewLog() }
        }
        try noteStoppedChain()
        ledger.nextSequence = max(ledger.nextSequence, minimumSequence)
        if !wasClean {
            for index in ledger.backends.indices {
                let sent = min(ledger.backends[index].sentBefore, ledger.nextSequence)
                ledger.backends[index].unknownBefore = max(ledger.backends[index].unknownBefore, sent)
                changedBackends.insert(ledger.backends[index].id)
            }
        }
        try configure(configuration)
        // SQLite has synced the folder of its new log too, and does not say when that fails.
        try environment.files.syncFolder(Files.parent(of: path))
        noteCommit()
        account.opened()
        isServing = true
    }

    /// Whether all that was committed is there: the mark outside the file says how far it went.
    ///
    /// - Throws: `.unreadable` when a log is there that shows less than was committed: it may be an old one. Without a
    ///   log, or where the config lets a power cut take the last moments, what is missing becomes a loss.
    private func checkEnd(_ minimumSequence: Int64) throws(SpoolError) {
        guard let mark = environment.commitMark?.read(), mark.nextPosition > ledger.nextPosition else { return }
        let missing = mark.nextPosition - ledger.nextPosition
        // Without a backend nobody would be told of the loss.
        guard walBytes() == 0 || configuration.durability != .full, !ledger.backends.isEmpty else {
            throw SpoolError(.unreadable, "the log shows \(missing) points less than were committed")
        }
        let former = ledger.end
        let end = Cut(Place(max(mark.nextSequence, former.place.sequence, minimumSequence), 0), mark.nextPosition)
        _ = clock.read(environment.time)
        try transact { (database) throws(SpoolError) in
            (ledger.nextSequence, ledger.nextPosition) = (end.place.sequence, end.position)
            for index in ledger.backends.indices {
                for span in ledger.backends[index].owed(in: Span(former, end), upTo: end) {
                    try loseUnseen(
                        span, backend: index, .corruption, "committed, and not in the file any more", database)
                }
            }
            try record(event: "log_missing", "\(missing) points", database)
        }
        raise(
            .error, "the log of a spool is missing: what was only in it is lost",
            ["points.lost": String(missing), "sequence.first": String(former.place.sequence)])
    }

    /// Begins a log of its own, behind which nothing lies that was acknowledged before.
    ///
    /// A log that a crash left behind may end in the middle of a sector: SQLite syncs a commit up to the end of one and
    /// writes the rest of the padding after it (`walWriteToLog`). The next commit would then share a sector with the last
    /// acknowledged one, and a torn write could reach it, which `psow=0` is there to prevent (rule 12).
    private func renewLog() throws(SpoolError) {
        guard walBytes() > 0, try !rewriteLog() else { return }
        isLogDoubtful = true
        raise(.warning, "a log that was left behind could not be emptied: a reader outside, or a full disk")
    }

    /// Makes the connection and reads all there is to know: a few rows, however long the backlog.
    ///
    /// - Returns: whether the last process that had it closed it.
    @discardableResult
    func load() throws(SpoolError) -> Bool {
        let database = try openChained()
        self.database = database
        upkeep.logLimit = nil
        do throws(SpoolError) {
            let connection = database.connection
            try checked { () throws(SQLiteError) in
                let isNamed = try connection.integer("SELECT 1 FROM spool") != nil
                if !isNamed { try writeIdentity(connection) }
                try loadChain(connection)
            }
            let wasClean = try readLedger(connection)
            // Of the bases that the file has only its own rows stand on any.
            bases.removeAll(before: ledger.nextSequence)
            keepPromises(database)
            openFiles = OpenFiles(path, on: environment.files)
            return wasClean
        } catch {
            database.connection.close()
            self.database = nil
            throw error
        }
    }

    /// Whose spool it is, and its first life as a file.
    private func writeIdentity(_ connection: Connection) throws(SQLiteError) {
        try connection.execute("BEGIN IMMEDIATE")
        try Statement(
            """
            INSERT INTO spool (id, tenant, tenant_uuid, created_wall, next_sequence, next_position, clock_at, clock_boot,
                clock_boot_id, clock_wall) VALUES (1, ?1, ?2, ?3, 1, 0, ?4, ?5, ?6, ?7)
            """, on: connection
        ).run(
            .text(tenant), .blob(randomIdentifier()), .integer(clock.wall), .integer(clock.at), .integer(clock.boot),
            .text(clock.bootID), .integer(clock.wall))
        try Statement(
            "INSERT INTO incarnations (uuid, reason, first_sequence, created_wall) VALUES (?1, 'created', 1, ?2)",
            on: connection
        ).run(.blob(randomIdentifier()), .integer(clock.wall))
        try connection.execute("COMMIT")
    }

    private func randomIdentifier() -> [UInt8] { (0..<16).map { _ in .random(in: .min ... .max) } }

    // MARK: Reading

    private func readLedger(_ connection: Connection) throws(SpoolError) -> Bool {
        let found: (ledger: Ledger, tenant: String, wasClean: Bool)?
        do throws(SQLiteError) {
            found = try Statement(
                """
                SELECT tenant, next_sequence, next_position, accepted_requests, refused_points, dropped_points,
                    ledger_version, clock_at, clock_boot, clock_boot_id, clock_wall, closed_cleanly FROM spool
                """, on: connection
            ).first { row in
                var ledger = Ledger()
                ledger.nextSequence = row.integer(1)
                ledger.nextPosition = row.integer(2)
                ledger.acceptedRequests = row.integer(3)
                ledger.refusedPoints = row.integer(4)
                ledger.droppedPoints = row.integer(5)
                ledger.version = row.integer(6)
                clock = SpoolClock(
                    at: row.integer(7), boot: row.integer(8), bootID: row.text(9), wall: row.integer(10))
                return (ledger, row.text(0), row.integer(11) == 1)
            }
        } catch {
            throw error.asSpoolError
        }
        guard var found else { throw SpoolError(.unreadable, "the spool does not say whose it is") }
        guard found.tenant == tenant else {
            throw SpoolError(.incompatible, "the file is the spool of tenant \(found.tenant), not of \(tenant)")
        }
        do throws(SQLiteError) {
            found.ledger.nextSequence = try connection.followingSequence()
            found.ledger.backends = try readBackends(connection)
            try readRanges(connection, &found.ledger)
            incarnation =
                try Statement("SELECT uuid FROM incarnations ORDER BY id DESC LIMIT 1", on: connection)
                .first { row in row.withBlob(0) { Array($0) } } ?? []
        } catch {
            throw error.asSpoolError
        }
        if !isBeingSalvaged { try checkSums(found.ledger, connection) }
        ledger = found.ledger
        do throws(SQLiteError) {
            replays = try Spool.readReplays(connection, ledger)
            mayHaveMarks = try connection.hasMarks()
        } catch {
            throw error.asSpoolError
        }
        return found.wasClean
    }

    private func readBackends(_ connection: Connection) throws(SQLiteError) -> [BackendState] {
        var backends: [BackendState] = []
        try Statement(
            """
            SELECT id, name, type, first_sequence, detached_position, tail_sequence, tail_ordinal, tail_position,
                delivered_points, assumed_points, dead_points, lost_points, excluded_points, sent_before,
                unknown_before, limits, retry ->> 'mode', retry ->> 'attempts', retry ->> 'next_attempt_at',
                retry ->> 'reason' FROM backends ORDER BY id
            """, on: connection
        ).rows { row in
            var backend = BackendState(
                id: row.integer(0), name: row.text(1), type: row.text(2), firstSequence: row.integer(3))
            backend.detachedPosition = row.optionalInteger(4)
            if let position = row.optionalInteger(7), position >= 0, row.integer(6) >= 0 {
                backend.tail = Cut(Place(row.integer(5), row.integer(6)), position)
            }
            backend.deliveredPoints = row.integer(8)
            backend.assumedPoints = row.integer(9)
            backend.deadPoints = row.integer(10)
            backend.lostPoints = row.integer(11)
            backend.excludedPoints = row.integer(12)
            backend.sentBefore = row.integer(13)
            backend.unknownBefore = row.integer(14)
            backend.retry = RetryState(
                mode: RetryState.Mode(rawValue: row.text(16)) ?? .ok, attempts: Int(row.integer(17)),
                nextAttemptAt: row.integer(18), reason: row.text(19))
            backend.limits = row.optionalText(15)
            backends.append(backend)
            return true
        }
        return backends
    }

    private func readRanges(_ connection: Connection, _ ledger: inout Ledger) throws(SQLiteError) {
        var byBackend: [Int64: [OwedRange]] = [:]
        try Statement(
            """
            SELECT backend_id, lane, first_sequence, first_ordinal, first_position, end_sequence, end_ordinal,
                end_position FROM ranges WHERE job_id = 0 AND first_position >= 0 AND end_position > first_position
                AND first_ordinal >= 0 AND end_ordinal >= 0 ORDER BY backend_id, first_position
            """, on: connection
        ).rows { row in
            byBackend[row.integer(0), default: []].append(
                OwedRange(
                    lane: Lane(rawValue: Int(row.integer(1))) ?? .backlog,
                    start: Cut(Place(row.integer(2), row.integer(3)), row.integer(4)),
                    end: Cut(Place(row.integer(5), row.integer(6)), row.integer(7))))
            return true
        }
        for index in ledger.backends.indices {
            ledger.backends[index].ranges = byBackend[ledger.backends[index].id] ?? []
        }
    }

    /// What a few look-ups can tell of a file that lies: the newest row ends where the next begins, no backend's books
    /// are out of balance.
    private func checkSums(_ ledger: Ledger, _ connection: Connection) throws(SpoolError) {
        let end: Int64?
        do throws(SQLiteError) {
            end = try connection.integer("SELECT position + points FROM batches ORDER BY sequence DESC LIMIT 1")
        } catch {
            throw error.asSpoolError
        }
        // What was lost at the end leaves no row; nobody is owed it then.
        if let end, end != ledger.nextPosition,
            end > ledger.nextPosition || ledger.backends.contains(where: { $0.owesAfter(end, ledger.nextPosition) })
        {
            throw SpoolError(
                .unreadable, "the newest row ends at position \(end), the spool at \(ledger.nextPosition)")
        }
        if let fault = ledger.fault { throw SpoolError(.unreadable, "the ledger cannot be true: \(fault)") }
    }
}

extension Connection {
    /// The sequence behind all that the file speaks of: sequences never come back, so whatever is the highest seen anywhere
    /// in it counts. Each is a look at the newest rows.
    func followingSequence() throws(SQLiteError) -> Int64 {
        let next = try integer("SELECT next_sequence FROM spool") ?? 1
        let highest = try integer(
            """
            SELECT max(coalesce((SELECT max(last_sequence) FROM (SELECT last_sequence FROM batches
                    ORDER BY sequence DESC LIMIT 1)), 0),
                coalesce((SELECT max(sequence) FROM (SELECT sequence FROM receipts ORDER BY id DESC LIMIT 64)), 0),
                coalesce((SELECT max(end_sequence) FROM ranges), 0),
                coalesce((SELECT max(end_sequence) FROM (SELECT end_sequence FROM deliveries ORDER BY id DESC LIMIT 64)), 0),
                coalesce((SELECT max(end_sequence) FROM (SELECT end_sequence FROM losses ORDER BY id DESC LIMIT 64)), 0))
            """)
        // The last of all numbers is a damaged one: no ledger with it is believed.
        let (following, isOver) = (highest ?? 0).addingReportingOverflow(1)
        return max(next, isOver ? .max : following)
    }
}

extension BackendState {
    /// Whether it is owed a point from `start` on.
    fileprivate func owesAfter(_ start: Int64, _ end: Int64) -> Bool {
        if let tail, max(tail.position, start) < end { return true }
        return ranges.contains { $0.end.position > start }
    }
}
