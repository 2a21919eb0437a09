extension Spool {
    /// The spool in numbers. A few look-ups, whatever the backlog: bytes of parts are estimated from their points, and
    /// counts of rows are those between the first and the last.
    public func status() throws(SpoolError) -> SpoolStatus {
        let database = try openDatabase()
        let now = clock.read(environment.time)
        var status = SpoolStatus()
        status.tenant = tenant
        status.incarnation = incarnation.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        status.acceptedPoints = ledger.nextPosition
        status.acceptedRequests = ledger.acceptedRequests
        status.refusedPoints = ledger.refusedPoints
        status.droppedAtIngestPoints = ledger.droppedPoints
        status.lastSequence = ledger.nextSequence - 1
        status.maximumBytes = configuration.maximumBytes
        status.secondsToFull = secondsToFull()
        status.refusal = refusal
        status.chain = chainStatus
        status.deadLetters = ledger.backends.reduce(0) { $0 + $1.deadPoints }
        let left = SetAside.left(in: Files.parent(of: path), environment.files)
        (status.setAsideFiles, status.setAsideBytes) = left
        status.salvaging = salvage == nil ? 0 : 1
        status.replays = Int64(replays.count { $0.state == .running })
        status.salvageProblem = salvage?.problem
        let storedPoints = try checked { () throws(SQLiteError) in try measure(database, &status) }
        status.oldestStoredAt = try oldestStored(database).map { clock.wall &- (now &- $0) } ?? 0
        let usedBytes = status.databaseBytes - status.freePageBytes
        for backend in ledger.backends {
            var ledgerRow = backend.ledger(upTo: ledger.nextPosition)
            if storedPoints > 0 {
                let share = Double(ledgerRow.pendingPoints) / Double(storedPoints)
                ledgerRow.pendingBytes = Int64(share * Double(usedBytes))
            }
            let (fresh, backlog) = try checked { () throws(SQLiteError) in
                (
                    try backend.oldestFresh(upTo: ledger.end).flatMap { (oldest) throws(SQLiteError) in
                        try age(at: oldest, now, database)
                    } ?? 0,
                    try backend.backlog.first.flatMap { (oldest) throws(SQLiteError) in
                        try age(at: oldest.start, now, database)
                    } ?? 0
                )
            }
            (ledgerRow.oldestFreshAgeSeconds, ledgerRow.oldestBacklogAgeSeconds) = (fresh, backlog)
            ledgerRow.oldestPendingAgeSeconds = max(fresh, backlog)
            status.backends.append(ledgerRow)
        }
        return status
    }

    /// - Returns: how many points are stored.
    private func measure(_ database: Database, _ status: inout SpoolStatus) throws(SQLiteError) -> Int64 {
        let statements = database.statements
        status.databaseBytes = try statements.pageCount.integer() * 4096
        status.freePageBytes = try statements.freePageCount.integer() * 4096
        status.walBytes = walBytes()
        status.lossRows = try statements.lossRows.integer()
        status.deadLetterBytes = try statements.deadLetterBytes.integer() * status.deadLetters
        // Between the oldest row and the newest: sequences that an unclean end skipped lie behind it.
        let found = try statements.oldestRow.first { row in
            (first: row.integer(0), position: row.integer(1), last: row.integer(2))
        }
        guard let found else { return 0 }
        // Within what the ledger has given, whatever a damaged row says.
        let given = 0...ledger.nextSequence
        guard given.contains(found.first), given.contains(found.last), found.first <= found.last,
            (0...ledger.nextPosition).contains(found.position)
        else { throw SQLiteError.corrupt("the oldest row is outside what was accepted") }
        status.batches = found.last - found.first + 1
        let span = Span(Cut(Place(found.first, 0), found.position), ledger.end)
        return span.points - (try missingPoints(in: span, database))
    }

    /// So many gaps between what is owed are looked at, the largest first.
    private static let maximumGaps = 64

    /// How many points between the oldest row and the end have no row any more: `drop_oldest` takes what lies behind a leased
    /// head, and what was delivered behind a backlog is pruned. Both begin with the oldest, so that of a gap between what is
    /// owed the end is what is left, and a look at its beginning tells.
    private func missingPoints(in span: Span, _ database: Database) throws(SQLiteError) -> Int64 {
        var owed = ledger.backends.flatMap { $0.owed(in: span, upTo: ledger.end) }
        owed.sort { $0.start.position < $1.start.position }
        var gaps: [Span] = []
        var end = span.start
        for part in owed {
            if part.start.position > end.position { gaps.append(Span(end, part.start)) }
            if part.end.position > end.position { end = part.end }
        }
        if span.end.position > end.position { gaps.append(Span(end, span.end)) }
        gaps.sort { $0.points > $1.points }
        var missing: Int64 = 0
        for gap in gaps.prefix(Spool.maximumGaps) { missing += try missingPoints(atStartOf: gap, database) }
        return missing
    }

    private func missingPoints(atStartOf gap: Span, _ database: Database) throws(SQLiteError) -> Int64 {
        var (missing, position, isInRow, seen) = (Int64(0), gap.start.position, false, 0)
        try eachRow(from: gap.start.place, database) { row in
            seen += 1
            guard row.positions.upperBound > position else { return seen < Spool.maximumEmptyRows }
            if row.position <= position, !isInRow {
                // One that is owed in part.
                (position, isInRow) = (min(row.positions.upperBound, gap.end.position), true)
                return position < gap.end.position
            }
            missing = max(0, min(row.position, gap.end.position) - position)
            return false
        }
        return missing
    }

    /// Asks for the size without opening the file: see `Connection`.
    func walBytes() -> Int64 { environment.files.size(path + "-wal") }

    /// Rows without points that the oldest ones may be: a sender of nothing but metadata must not make `status` slow.
    private static let maximumEmptyRows = 64

    /// When the oldest stored point came, spool clock; nil when there is none, or none is found soon.
    private func oldestStored(_ database: Database) throws(SpoolError) -> Int64? {
        try checked { () throws(SQLiteError) in
            var oldest: StoredRow?
            var seen = 0
            try eachRow(from: Place(0, 0), database) { row in
                oldest = row
                seen += 1
                return row.points == 0 && seen < Spool.maximumEmptyRows
            }
            guard let oldest, oldest.points > 0 else { return nil }
            return try firstReceived(of: oldest, from: oldest.sequence, database)
        }
    }

    /// How long ago the point at `cut` was received, seconds; nil where no row holds one.
    func age(at cut: Cut, _ now: Int64, _ database: Database) throws(SQLiteError) -> Double? {
        var holding: StoredRow?
        try eachRow(from: cut.place, database) { row in
            guard row.positions.upperBound > cut.position else { return true }
            holding = row
            return false
        }
        guard let holding else { return nil }
        let received = try firstReceived(of: holding, from: max(holding.sequence, cut.place.sequence), database)
        // As floats: a damaged time must not overflow.
        return max(0, Double(now) - Double(received)) / 1_000_000_000
    }
}

extension BackendState {
    func ledger(upTo end: Int64) -> BackendLedger {
        var ledger = BackendLedger()
        ledger.name = name
        ledger.type = type
        ledger.owedPoints = end
        ledger.pendingPoints = pendingPoints(upTo: end)
        ledger.backlogPoints = backlog.reduce(0) { $0 + $1.end.position - $1.start.position }
        ledger.deliveredPoints = deliveredPoints
        ledger.assumedPoints = assumedPoints
        ledger.deadPoints = deadPoints
        ledger.lostPoints = lostPoints
        ledger.excludedPoints = excludedPoints(upTo: end)
        ledger.isDetached = !isAttached
        ledger.retry = retry
        return ledger
    }
}
