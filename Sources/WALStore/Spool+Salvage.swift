import Metrics

/// Carrying over what can be read of spools that were set aside, into the one that took their place.
///
/// First its books are written, in one transaction; from then on new requests are taken. Then the rows follow, a few
/// mebibytes a transaction, each block checked; delivery waits for the end of that, so that the order of points is kept.
/// At last one walk over all rows in order finds what is owed and not there, and makes loss rows of it. Whenever it is
/// interrupted, by a kill or a full disk, it goes on with what is missing.
extension Spool {
    /// What a salvage whose note cannot be read comes to: the spool says itself whether one was begun and had no end yet,
    /// and of what. The note is written anew.
    ///
    /// - Returns: nil when there is nothing to carry over: the spool has books, and not of a salvage that goes on.
    func confirmed(_ job: SalvageJob) throws(SpoolError) -> SalvageJob? {
        guard job.note.isGuess else { return job }
        var job = job
        let connection = try openDatabase().connection
        let (event, life) = try checked { () throws(SQLiteError) in
            (
                try Statement(
                    """
                    SELECT kind, detail FROM events WHERE kind IN ('salvage_begun', 'salvaged') ORDER BY id DESC LIMIT 1
                    """, on: connection
                ).first { (kind: $0.text(0), detail: $0.text(1)) },
                try Statement("SELECT reason, uuid FROM incarnations ORDER BY id DESC LIMIT 1", on: connection)
                    .first { (reason: $0.text(0), uuid: $0.withBlob(1) { Array($0) }) }
            )
        }
        job.note.isGuess = false
        if let life, life.reason == "salvaged", event?.kind != "salvaged" {
            job.note.incarnation = life.uuid
            if let event { job.note.names = SalvageNote.names(event.detail.split(separator: " ")) }
        } else if ledger.nextPosition > 0 || !ledger.backends.isEmpty {
            try SalvageNote.remove(job.folder, environment.files)
            return nil
        }
        raise(.warning, "the note of a salvage was damaged", ["spool.set_aside": job.names.joined(separator: " ")])
        try job.note.write(job.folder, environment.files)
        return job
    }

    /// Writes the books that the spool begins with, unless they are there.
    func beginSalvage(_ job: SalvageJob) throws(SpoolError) {
        let connection = try openDatabase().connection
        let isBegun = try checked { () throws(SQLiteError) in
            try Statement("SELECT count(*) FROM incarnations WHERE uuid = ?1", on: connection)
                .integer(.blob(job.incarnation)) > 0
        }
        salvage = SalvageWork(job)
        guard !isBegun else { return }
        let books = try job.books()
        if let former = books.clock { clock = SpoolClock(resuming: former, environment.time) }
        _ = clock.read(environment.time)
        try transact { (database) throws(SpoolError) in
            ledger = books.ledger
            for backend in books.ledger.backends { changedBackends.insert(backend.id) }
            try checked { () throws(SQLiteError) in try write(books, job, database) }
            try record(event: "salvage_begun", job.names.joined(separator: " "), database)
        }
        incarnation = job.incarnation
        raise(
            .error, "a spool was set aside and a fresh one opened",
            [
                "spool.set_aside": job.names.first ?? "", "sequence.first": String(ledger.nextSequence),
                "points.accepted": String(ledger.nextPosition),
            ])
    }

    private func write(_ books: SalvagedLedger, _ job: SalvageJob, _ database: Database) throws(SQLiteError) {
        let connection = database.connection
        if let identity = books.identity {
            try Statement("UPDATE spool SET tenant_uuid = ?1, created_wall = ?2", on: connection)
                .run(.blob(identity.uuid), .integer(identity.createdWall))
        }
        try connection.execute("DELETE FROM incarnations")
        let life = try Statement("INSERT OR IGNORE INTO incarnations VALUES (?1, ?2, ?3, ?4, ?5)", on: connection)
        for former in books.incarnations {
            try life.run(
                .integer(former.id), .blob(former.uuid), .text(former.reason), .integer(former.firstSequence),
                .integer(former.createdWall))
        }
        try life.run(
            .integer((books.incarnations.map(\.id).max() ?? 0) + 1), .blob(job.incarnation), .text("salvaged"),
            .integer(ledger.nextSequence), .integer(clock.wall))
        let backend = try Statement(
            """
            INSERT INTO backends (id, name, type, first_sequence, created_wall, tail_sequence, tail_ordinal,
                tail_position, detached_wall, detached_position) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
            """, on: connection)
        for state in books.ledger.backends {
            try backend.run(
                .integer(state.id), .text(state.name), .text(state.type), .integer(state.firstSequence),
                .integer(clock.wall), SQLValue(state.tail?.place.sequence), SQLValue(state.tail?.place.ordinal),
                SQLValue(state.tail?.position), SQLValue(state.detachedPosition.map { _ in clock.wall }),
                SQLValue(state.detachedPosition))
            try apply(state.ranges.map { .insert($0) }, backendID: state.id, database)
        }
        for table in SalvageTable.copied {
            let insertion = try Statement(table.insertion, on: connection)
            // What breaks a rule of the table is left out, and the one before it is the last.
            for row in books.lastRows[table] ?? [] {
                try insertion.run(values: row.values)
                if connection.changes > 0 { break }
            }
        }
        if books.lastNamedReceipt > books.lastRows[.receipts]?.first?.rowID ?? 0 {
            try standIn(for: "VALUES (\(books.lastNamedReceipt))", connection)
        }
        for loss in books.losses {
            let reason: LossReason = books.isEmpty ? .spoolSetAside : .corruption
            try database.statements.insertLoss.run(
                SQLValue(loss.backendID), .text(reason.rawValue), .integer(loss.places.start.sequence),
                .integer(loss.places.start.ordinal), .integer(loss.places.end.sequence),
                .integer(loss.places.end.ordinal), .null, .null, SQLValue(loss.points), .integer(clock.at),
                .integer(clock.wall), .text(String(loss.detail.prefix(2000))))
        }
    }

    /// Rows for the receipts that could not be read after all.
    func standInForReceipts(_ connection: Connection) throws(SQLiteError) {
        try standIn(
            for: """
                SELECT DISTINCT receipt_id AS column1 FROM refusals
                WHERE receipt_id BETWEEN 1 AND \(SalvageSurvey.maximumID)
                    AND receipt_id NOT IN (SELECT id FROM receipts)
                """, connection)
    }

    /// A receipt that cannot be read has a row that says so as long as a refusal speaks of it: its id must not be given to
    /// another request.
    ///
    /// - Parameter ids: a query.
    private func standIn(for ids: String, _ connection: Connection) throws(SQLiteError) {
        let row = [
            "column1", "0", "0", "0", "''", "0", "NULL", "'not readable'", "''", "0", "0", "0", "?1", "?2",
        ]
        try Statement(
            """
            INSERT OR IGNORE INTO receipts
            SELECT \(row.joined(separator: ", ")), \(connection.isChained ? ChainTable.receipts.tag(of: row) : "NULL")
            FROM (\(ids))
            """, on: connection
        ).run(.integer(clock.at), .integer(clock.wall))
    }

    // MARK: Rows

    /// Carries over all that is left, a step at a time; commits come in between.
    ///
    /// - Throws: `.full` when there is no room for the next rows: they wait, and nothing of them is lost.
    func carryOver() async throws(SpoolError) {
        do throws(SpoolError) {
            while try salvageStep() {
                salvage?.problem = nil
                await letCommitsPass()
            }
        } catch {
            salvage?.problem = error.description
            throw error
        }
    }

    /// - Returns: whether there is another step.
    func salvageStep() throws(SpoolError) -> Bool {
        guard let work = salvage else { return false }
        let database = try openDatabase()
        if work.walk != nil { return try walkOn(work, database) }
        guard environment.space?.pressure.isReserveReached != true else {
            throw SpoolError(.full, "the disk's free-space reserve is reached: the salvage of a spool waits for room")
        }
        let known = try checked { () throws(SQLiteError) in
            try Statement(Spool.holdsRow, on: database.connection)
        }
        let isThere = try work.fill { row in
            guard let sequence = row.rowID else { return false }
            return (try? known.integer(.integer(sequence), .integer(row.integer(1) ?? sequence))) != 1
        }
        guard isThere else {
            work.walk = SalvageWalk()
            return true
        }
        guard !work.waiting.isEmpty else { return true }
        var (carried, unreadable): (Int64, Int64) = (0, 0)
        try transact { (database) throws(SpoolError) in
            (carried, unreadable) = (0, 0)
            for row in work.waiting {
                switch row.table {
                case .bases: try putBase(row, database)
                case .batches:
                    guard let values = try checkedBatch(row, database) else {
                        unreadable += 1
                        continue
                    }
                    carried += try checked { () throws(SQLiteError) in try put(values, known, work, database) }
                default:
                    try checked { () throws(SQLiteError) in
                        try work.insertion(row.table, on: database.connection).run(values: row.values)
                    }
                }
            }
        }
        work.carriedRows += carried
        work.unreadableRows += unreadable
        work.waiting = []
        checkpointIfDue(isIdle: true)
        return true
    }

    /// A stored row that has all of a row's sequences.
    private static let holdsRow = """
        SELECT count(*) FROM batches
        WHERE sequence = (SELECT max(sequence) FROM batches WHERE sequence <= ?1) AND last_sequence >= ?2
        """

    /// Stores a row of `batches`. Rows that a repack had merged into one may still be found: the merged one takes their
    /// place, whichever was found first.
    ///
    /// - Parameter known: `holdsRow`.
    /// - Returns: how many rows came by it.
    private func put(
        _ values: [SQLValue], _ known: Statement, _ work: SalvageWork, _ database: Database
    ) throws(SQLiteError) -> Int64 {
        if try known.integer(values[0], values[1]) == 1 { return 0 }
        try database.statements.deleteBatches.run(values[0], values[1])
        let replaced = database.connection.changes
        try work.insertion(.batches, on: database.connection).run(values: values)
        return database.connection.changes - replaced
    }

    /// Stores a base, both rows of it, unless it is damaged or there.
    private func putBase(_ row: SalvagedRow, _ database: Database) throws(SpoolError) {
        guard let id = row.rowID, (1...SalvageSurvey.maximumID).contains(id),
            row.columns.columns[1].range.upperBound <= row.payload.count
        else { return }
        let block = row.blob(1)
        guard block.withUnsafeBytes({ (try? BlockBase(id: id, block: $0)) != nil }) else { return }
        try checked { () throws(SQLiteError) in
            for table in ["bases", "base_copies"] {
                try Statement("INSERT OR IGNORE INTO \(table) VALUES (?1, ?2, ?3)", on: database.connection)
                    .run(.integer(id), .blob(block), row.tag)
            }
        }
    }

    /// A row of `batches` with what its block says of itself, which is checked, in place of what its columns say.
    ///
    /// - Returns: nil when the block is damaged.
    private func checkedBatch(_ row: SalvagedRow, _ database: Database) throws(SpoolError) -> [SQLValue]? {
        guard row.columns.columns[9].range.upperBound <= row.payload.count, let position = row.integer(2) else {
            return nil
        }
        let bases = StoredBases(connection: database.connection, cache: environment.cache, spool: cacheID)
        let decoded: DecodedBlock?
        switch row.payload[row.columns.columns[9].range].withUnsafeBytes({ bases.decode($0) }) {
        case .success(let found): decoded = try? found.block()
        // One that is not there makes a damaged block; that the disk does not give it now makes none.
        case .failure(let failure):
            if failure.error.isInputOutput { try checked { () throws(SQLiteError) in throw failure.error } }
            decoded = nil
        }
        guard let decoded, let stated = row.rowID else { return nil }
        let first = decoded.origins.first?.sequence ?? stated
        let last = decoded.origins.last?.sequence ?? stated
        guard first >= 1, first <= last, last < ledger.nextSequence else { return nil }
        let times = decoded.batch.points.times
        let values: [SQLValue] = [
            .integer(first), .integer(last), .integer(max(0, min(position, SalvageSurvey.maximumPosition))),
            .integer(Int64(decoded.batch.points.count)),
            .integer(max(0, min(row.integer(4) ?? clock.at, clock.at))), .integer(row.integer(5) ?? clock.wall),
            .integer(times.min() ?? 0), .integer(times.max() ?? 0), .integer(0), .blob(row.blob(9)),
        ]
        guard let chain = database.connection.chain else { return values + [row.tag] }
        return values + [chain.carried(.batches, row.tagBytes, former: Array(row.values.prefix(10)), now: values)]
    }
}

extension SpoolClock {
    /// Goes on from where a former spool's clock was, when that is a time at all.
    init(resuming former: SpoolClock, _ time: TimeSource) {
        self = former
        // A damaged value must not put the clock where no row ever gets old, or all are.
        let limit: Int64 = 20 * 365 * 86_400 * 1_000_000_000
        if former.at <= 0 || (former.at &- time.wall()).magnitude > limit.magnitude {
            self = SpoolClock(startingWith: time)
        }
    }
}
