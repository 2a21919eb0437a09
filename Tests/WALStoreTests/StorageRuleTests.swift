import CSQLite
import Metrics
import Synchronization
import TestSupport
import Testing

@testable import WALStore

/// Rules of the store that no other suite would miss (the table in `docs/testing.md` has them all).
struct StorageRuleTests {
    // MARK: The record of deliveries

    @Test func `a settle leaves a row that says what was delivered, when, and by which answer`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        _ = try await spool.append(Make.request(Make.batch(0..<30)))
        for (points, outcome) in [(10, Fate.delivered), (5, .assumed), (5, .excluded(reason: "kind"))] {
            let lease = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: points)))
            try await spool.settle(
                lease,
                Settlement(
                    parts: [Settlement.Part(LeasedRun(piece: 0, ordinals: lease.pieces[0].ordinals), outcome)],
                    attempts: 3, status: 202, firstAttemptAt: SpoolFixture.start + 5))
        }
        // Adjacent ones of one answer share a row.
        for _ in 0..<2 {
            let lease = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 5)))
            try await spool.settle(lease, Make.all(lease, .delivered))
        }
        #expect(
            try await spool.deliveryRows() == [
                "1 1.0-1.10 10 confirmed - 3 202", "1 1.10-1.15 5 assumed - 3 202", "1 1.15-1.20 5 excluded kind 3 202",
                "1 1.20-1.30 10 confirmed - 1 200",
            ])
        await spool.close()
    }

    @Test func `deliveries and receipts are kept as long as the rows they speak of, and until their time is over`()
        async throws
    {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        func deliver(_ values: Range<Int>) async throws {
            _ = try await spool.append(Make.request(Make.batch(values)))
            let lease = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 100)))
            try await spool.settle(lease, Make.all(lease, .delivered))
        }
        try await deliver(0..<10)
        fixture.advance(seconds: 1000)
        try await deliver(10..<20)
        try await deliver(20..<30)
        func counts() async throws -> [Int64?] {
            [
                try await spool.integer("SELECT count(*) FROM deliveries"),
                try await spool.integer("SELECT count(*) FROM receipts"),
            ]
        }
        let before = try await counts()
        // Old enough, and their row is stored.
        try await spool.pruneLedgerRows(before: SpoolFixture.start + 500_000_000_000)
        #expect(try await counts() == before)
        // Their row is gone, and they are not old enough.
        #expect(try await spool.prune(receivedBy: SpoolFixture.start + 500_000_000_000) == 1)
        try await spool.pruneLedgerRows(before: SpoolFixture.start - 1)
        #expect(try await counts() == before)
        try await spool.pruneLedgerRows(before: SpoolFixture.start + 500_000_000_000)
        #expect(try await counts() == [1, 2])
        await spool.close()
    }

    // MARK: Ages

    @Test(arguments: [Int64(1), -1])
    func `after a step of the wall clock nothing is deleted for its age for an hour`(years: Int64) async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        try await store.configure([StoreFixture.tenant("acme", maximumAgeSeconds: 60, retainSeconds: 60)])
        // The newest row stays, whatever its age.
        for value in 0..<4 { _ = try await store.append(Make.batch(value..<value + 1), tenant: "acme") }
        func losses() async throws -> Int64 {
            try await store.withSpool("acme") { (spool) async throws(SpoolError) in
                try await spool.losses().reduce(0) { $0 + ($1.points ?? 0) }
            }
        }
        // Too old by now; but somebody sets the date before anybody looks.
        fixture.advance(seconds: 100)
        fixture.stepWall(seconds: years * 365 * 86_400)
        await store.maintain()
        fixture.advance(seconds: 3400)
        await store.maintain()
        #expect(try await losses() == 0)
        fixture.advance(seconds: 300)
        await store.maintain()
        #expect(try await losses() == 3)
        await store.close()
    }

    // MARK: SQLite as it is set

    @Test func `limits, sectors and the closing of a connection are set as the rules ask`() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/spool.db"
        let writer = try Database(path: path, vfs: nil, .full)
        defer { writer.connection.close() }
        let reader = try Connection(path: path, access: .readOnly)
        defer { reader.close() }
        for connection in [writer.connection, reader] {
            #expect(sqlite3_limit(connection.raw, SQLITE_LIMIT_LENGTH, -1) == 16 << 20)
            #expect(sqlite3_limit(connection.raw, SQLITE_LIMIT_SQL_LENGTH, -1) == 64 << 10)
            #expect(sqlite3_limit(connection.raw, SQLITE_LIMIT_ATTACHED, -1) == 0)
            #expect(sqlite3_limit(connection.raw, SQLITE_LIMIT_VARIABLE_NUMBER, -1) == 64)
            var powersafe: Int32 = -1
            #expect(
                sqlite3_file_control(connection.raw, "main", SQLITE_FCNTL_POWERSAFE_OVERWRITE, &powersafe) == SQLITE_OK)
            #expect(powersafe == 0, "a torn sector must not reach the commit before")
        }
        #expect(sqlite3_db_readonly(writer.connection.raw, "main") == 0)
        #expect(sqlite3_db_readonly(reader.raw, "main") == 1)
        #expect(try writer.connection.integer("PRAGMA cache_size") == -512)
        #expect(try writer.connection.integer("PRAGMA mmap_size") ?? 0 == 0)
    }

    @Test func `whoever closes last makes no checkpoint unless the spool closes`() async throws {
        let fixture = try SpoolFixture(cacheBytes: 0)
        let spool = try await fixture.open()
        _ = try await spool.append(Make.request(Make.batch(0..<10)))
        _ = try await spool.lease(backend: "a", limit: LeaseLimit(points: 5))
        let before = Files.system.size(fixture.path)
        await spool.abandon()
        #expect(Files.system.size(fixture.path) == before)
        #expect(Files.system.size(fixture.path + "-wal") > 0)
        let reader = try Connection(path: fixture.path, access: .readOnly)
        #expect(try reader.integer("SELECT count(*) FROM batches") == 1)
        reader.close()
        #expect(Files.system.size(fixture.path) == before)
        #expect(Files.system.size(fixture.path + "-wal") > 0)
    }

    // MARK: Short transactions

    @Test func `rows are deleted at most sixty-four, or four mebibytes, a transaction`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        for value in 0..<150 { _ = try await spool.append(Make.request(Make.batch(value..<value + 1))) }
        while let lease = try await spool.lease(backend: "a", limit: LeaseLimit(points: 1000)) {
            try await spool.settle(lease, Make.all(lease, .delivered))
        }
        var taken: [Int] = []
        while case let rows = try await spool.prune(receivedBy: .max), rows > 0 { taken.append(rows) }
        #expect(taken == [64, 64, 21])
        let large = SizedRow(
            row: StoredRow(sequence: 1, lastSequence: 1, position: 0, points: 1, receivedAt: 0), blockBytes: 1_500_000)
        #expect(await spool.firstDeletion(of: Array(repeating: large, count: 10)).count == 2)
        await spool.close()
    }

    @Test func `no snapshot is open while points are out with a worker`() async throws {
        let fixture = try SpoolFixture(cacheBytes: 0)
        let spool = try await fixture.open()
        for part in 0..<5 { _ = try await spool.append(Make.request(Make.batch(part * 10..<part * 10 + 10))) }
        let lease = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 25)))
        _ = try await spool.append(Make.request(Make.batch(50..<60)))
        #expect(await spool.walBytes() > 0)
        // Fails when anybody still reads from before the last commit.
        #expect(try await spool.rewriteLog())
        #expect(await spool.walBytes() == 0)
        try await spool.settle(lease, Make.all(lease, .delivered))
        await spool.close()
    }

    @Test func `a checkpoint waits while requests wait, up to a bound`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        await spool.setCheckpointPages(.max / 8)
        for value in 0..<5 { _ = try await spool.append(Make.request(Make.batch(value..<value + 1))) }
        let written = await spool.pagesSinceCheckpoint
        let before = Files.system.size(fixture.path)
        await spool.setCheckpointPages(written)
        await spool.checkpointIfDue(isIdle: false)
        #expect(await spool.pagesSinceCheckpoint == written, "requests wait")
        await spool.checkpointIfDue(isIdle: true)
        #expect(await spool.pagesSinceCheckpoint == 0)
        #expect(Files.system.size(fixture.path) >= before)
        for value in 5..<10 { _ = try await spool.append(Make.request(Make.batch(value..<value + 1))) }
        await spool.setCheckpointPages(max(1, await spool.pagesSinceCheckpoint / 8))
        await spool.checkpointIfDue(isIdle: false)
        #expect(await spool.pagesSinceCheckpoint == 0, "eight times as many do not wait")
        await spool.setCheckpointPages(.max / 8)
        for value in 10..<25 { _ = try await spool.append(Make.request(Make.batch(value..<value + 1))) }
        await spool.setCheckpointPages(await spool.pagesSinceCheckpoint)
        await spool.checkpointIfDue(isIdle: false)
        #expect(await spool.pagesSinceCheckpoint > 0, "fifteen commits do not share it yet")
        await spool.setCheckpointPages(.max / 8)
        _ = try await spool.append(Make.request(Make.batch(25..<26)))
        await spool.setCheckpointPages(await spool.pagesSinceCheckpoint)
        await spool.checkpointIfDue(isIdle: false)
        #expect(await spool.pagesSinceCheckpoint == 0, "sixteen do")
        await spool.close()
    }

    @Test func `a file that is less than half free keeps its pages, and uses them again`() async throws {
        var random = SeededGenerator.fresh()
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        for _ in 0..<40 { _ = try await spool.append(Make.request(.noise(10_000, &random))) }
        let lease = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 150_000)))
        try await spool.settle(lease, Make.all(lease, .delivered))
        while try await spool.prune(receivedBy: .max) > 0 {}
        let full = try await spool.status()
        #expect(full.freePageBytes > full.databaseBytes / 4 && full.freePageBytes < full.databaseBytes / 2)
        #expect(try await spool.vacuumStep(isDiskTight: false) == false)
        #expect(try await spool.status().databaseBytes == full.databaseBytes)
        for _ in 0..<10 { _ = try await spool.append(Make.request(.noise(10_000, &random))) }
        #expect(try await spool.status().databaseBytes == full.databaseBytes, "free pages come first")
        #expect(try await spool.vacuumStep(isDiskTight: true), "under pressure they go back")
        await spool.close()
    }

    @Test func `retry states alone are written every thirty seconds at most, and ride along with a commit`()
        async throws
    {
        let fixture = try SpoolFixture()
        let asked = Mutex<[(duration: Duration, gate: CheckedContinuation<Void, Never>)]>([])
        var environment = fixture.environment
        environment.scheduling = Scheduling(sleep: { duration in
            await withCheckedContinuation { gate in asked.withLock { $0.append((duration, gate)) } }
        })
        let spool = try await Spool.open(path: fixture.path, fixture.configuration(), environment)
        let before = await spool.ledger.version
        func set(_ attempts: Int) async throws {
            try await spool.setRetryState(
                RetryState(mode: .backingOff, attempts: attempts, nextAttemptAt: 1, reason: "503"), backend: "a")
        }
        for attempts in 1...50 { try await set(attempts) }
        while asked.withLock({ $0.isEmpty }) { await Task.yield() }
        #expect(asked.withLock { $0.map(\.duration) } == [.seconds(30)])
        #expect(await spool.ledger.version == before, "nothing is written for them before")
        asked.withLock { $0.removeFirst() }.gate.resume()
        while await spool.ledger.version == before { await Task.yield() }
        #expect(await spool.ledger.version == before + 1)
        #expect(try await spool.integer("SELECT retry ->> 'attempts' FROM backends") == 50)
        try await set(51)
        _ = try await spool.append(Make.request(Make.batch(0..<1)))
        #expect(try await spool.integer("SELECT retry ->> 'attempts' FROM backends") == 51)
        while asked.withLock({ $0.isEmpty }) { await Task.yield() }
        asked.withLock { $0.removeFirst() }.gate.resume()
        await spool.close()
    }
}

extension Spool {
    /// `backend first-end points outcome reason attempts status`, in order.
    fileprivate func deliveryRows() throws -> [String] {
        var rows: [String] = []
        try Statement(
            """
            SELECT backend_id, first_sequence || '.' || first_ordinal, end_sequence || '.' || end_ordinal, points, outcome,
                coalesce(reason, '-'), attempts, status FROM deliveries ORDER BY id
            """, on: try openDatabase().connection
        ).rows { row in
            let places = "\(row.text(1))-\(row.text(2))"
            let answer = "\(row.integer(6)) \(row.integer(7))"
            rows.append("\(row.integer(0)) \(places) \(row.integer(3)) \(row.text(4)) \(row.text(5)) \(answer)")
            return true
        }
        return rows
    }

    fileprivate func setCheckpointPages(_ pages: Int64) { upkeep.checkpointPages = pages }
    fileprivate var pagesSinceCheckpoint: Int64 {
        (database?.connection.pagesWritten ?? 0) - upkeep.pagesAtCheckpoint
    }
}
