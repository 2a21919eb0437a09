import Metrics
import TestSupport
import Testing

@testable import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// What a released version wrote is read, delivered and gone on with (rule 22). The files are in
/// `Tests/TestSupport/Released`; with `HOLDFAST_KEEP_SCHEMA` set, the newest is made again, before a release.
struct ReleasedSchemaTests {
    /// One life of a spool with everything in it that the schema has a place for: `a` owes with holes, has dead letters,
    /// assumed and excluded points; `b` was taken out of the config with a backlog; both lost points to their age.
    private static func live(_ fixture: SpoolFixture) async throws {
        let spool = try await fixture.open(["a", "b"])
        var aging = fixture.configuration(["a", "b"])
        aging.maximumAgeSeconds = 60
        _ = try await spool.append(Make.request(Make.batch(0..<10), id: "too old"))
        fixture.advance(seconds: 100)
        _ = try await spool.append(Make.request(Make.batch(10..<40), id: "settled in parts"))
        try await spool.configure(aging)
        #expect(try await spool.dropAged() == 1)
        try await spool.configure(fixture.configuration(["a", "b"]))
        var request = DecodedRequest()
        request.batch = Make.batch(40..<60, labels: "other")
        request.refusals.add(Refusal(.invalidLabels, points: 3, line: 7, detail: "twice"))
        _ = try await spool.append(
            AppendRequest(
                decoded: request, source: "influxdb", peer: "127.0.0.1", requestID: "partly refused",
                traceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", bodyBytes: 900))
        let lease = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 25)))
        func run(_ ordinals: Range<Int>) -> LeasedRun { LeasedRun(piece: 0, ordinals: ordinals) }
        try await spool.settle(
            lease,
            Make.settlement([
                Settlement.Part(run(0..<5), .delivered), Settlement.Part(run(5..<7), .assumed),
                Settlement.Part(run(10..<12), .dead(DeadLetterReason(code: "refused", excerpt: "no", status: 400))),
                Settlement.Part(run(15..<18), .excluded(reason: "kind")),
            ]))
        await spool.release(lease, maybeHaveArrived: true)
        let some = try #require(try await spool.lease(backend: "b", limit: LeaseLimit(points: 8)))
        try await spool.settle(some, Make.all(some, .delivered))
        try await spool.setRetryState(
            RetryState(mode: .held, attempts: 7, nextAttemptAt: 12, reason: "401"), backend: "a")
        try await spool.configure(fixture.configuration(["a"]))
        _ = try await spool.append(Make.request(Make.batch(60..<70), id: "after b"))
        await spool.close()
    }

    /// The next process, which does not live to close it.
    private static func liveOn(_ fixture: SpoolFixture) async throws {
        let spool = try await fixture.open()
        _ = try await spool.append(Make.request(Make.batch(70..<80), id: "before the kill"))
        let lease = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 3)))
        try await spool.settle(lease, Make.all(lease, .delivered))
        await spool.abandon()
    }

    /// All that a spool says of itself, but for what is made by chance.
    private struct Content: Equatable {
        var backends: [BackendLedger]
        var accepted: [Int64]
        var losses: [Loss]
        var letters: [DeadLetter]
        var retry: RetryState?
        var counts: [String: Int64]
    }

    private static func content(_ spool: Spool) async throws -> Content {
        let status = try await spool.status()
        var counts: [String: Int64] = [:]
        let tables = [
            "batches", "receipts", "refusals", "deliveries", "dead_letters", "losses", "ranges", "incarnations",
        ]
        for table in tables {
            counts[table] = try await spool.integer("SELECT count(*) FROM \(table)")
        }
        return Content(
            // Shares of the file, which differs.
            backends: status.backends.map {
                var books = $0
                books.pendingBytes = 0
                return books
            },
            accepted: [status.acceptedPoints, status.acceptedRequests, status.refusedPoints, status.lastSequence],
            losses: try await spool.losses(), letters: try await spool.deadLetters(),
            retry: try await spool.retryState(backend: "a"), counts: counts)
    }

    private static func drain(_ spool: Spool, _ backend: String) async throws -> [Int] {
        var values: [Int] = []
        while let lease = try await spool.lease(backend: backend, limit: LeaseLimit(points: 7)) {
            values += lease.values
            try await spool.settle(lease, Make.all(lease, .delivered))
        }
        return values
    }

    @Test(arguments: ReleasedSpool.all, [false, true])
    func `a spool of a released version holds what it held, is drained, and takes in`(
        _ released: ReleasedSpool, wasKilled: Bool
    ) async throws {
        let (today, kept) = (try SpoolFixture(), try SpoolFixture())
        try await ReleasedSchemaTests.live(today)
        if wasKilled { try await ReleasedSchemaTests.liveOn(today) }
        try released.copy(to: kept.path, withLog: wasKilled)
        kept.advance(seconds: 100)
        let (expected, spool) = (try await today.open(), try await kept.open())
        #expect(try await ReleasedSchemaTests.content(spool) == ReleasedSchemaTests.content(expected))
        await expected.close()

        #expect(try await spool.integer("PRAGMA user_version") == Schema.current)
        let sound = "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"
        #expect(try await spool.integer(sound) == 1)
        let receipt = try await spool.append(Make.request(Make.batch(100..<105)))
        #expect(receipt.places.map(\.start.sequence) == [wasKilled ? 6 : 5], "sequences go on")
        let first = wasKilled ? [] : [17, 18, 19]
        let owed = first + [22, 23, 24] + Array(28..<60) + Array(60..<(wasKilled ? 80 : 70)) + Array(100..<105)
        #expect(try await ReleasedSchemaTests.drain(spool, "a") == owed)
        try await spool.configure(kept.configuration(["a", "b"]))
        #expect(try await ReleasedSchemaTests.drain(spool, "b") == Array(18..<60))
        for books in try await spool.status().backends { #expect(books.balances && books.pendingPoints == 0) }
        await spool.close()
    }

    @Test(.enabled(if: getenv("HOLDFAST_KEEP_SCHEMA") != nil, "HOLDFAST_KEEP_SCHEMA makes the kept file again"))
    func `the newest schema's file is kept`() async throws {
        let fixture = try SpoolFixture()
        try await ReleasedSchemaTests.live(fixture)
        // As the close left it: what the next process writes goes to its log.
        let closed = fixture.folder.path + "/closed.db"
        try FileBytes.write(closed, try FileBytes.read(fixture.path))
        try await ReleasedSchemaTests.liveOn(fixture)
        let released = ReleasedSpool(version: Int(Schema.current))
        try released.keep(closed, log: fixture.path + "-wal")
    }

    // MARK: A schema that is not released yet

    /// Adds a table and changes every row of another: what was done twice, or by half, would show.
    static let next = Schema(
        versions: Schema.released.versions + [
            Array(
                """
                CREATE TABLE notes (sequence INTEGER PRIMARY KEY, points INTEGER NOT NULL) STRICT;
                INSERT INTO notes SELECT sequence, points FROM batches;
                UPDATE receipts SET peer = peer || '+';
                """.utf8)
        ])

    @Test func `a file is migrated when it is opened, once, and keeps what it holds`() async throws {
        let fixture = try SpoolFixture()
        try ReleasedSpool(version: 1).copy(to: fixture.path, withLog: true)
        fixture.advance(seconds: 100)
        var environment = fixture.environment
        environment.schema = ReleasedSchemaTests.next
        for _ in 0..<2 {
            let spool = try await Spool.open(path: fixture.path, fixture.configuration(), environment)
            #expect(try await spool.integer("PRAGMA user_version") == ReleasedSchemaTests.next.newest)
            #expect(try await spool.integer("SELECT count(*) FROM notes") == 5)
            #expect(try await spool.integer("SELECT count(*) FROM receipts WHERE peer = '127.0.0.1+'") == 5)
            #expect(try await spool.books("a").balances)
            await spool.close()
        }
    }

    @Test func `a store sets a later version's spool aside unwritten, says so, and doctor names the version`()
        async throws
    {
        let fixture = try StoreFixture()
        let folder = fixture.path + "/tenants/acme"
        try Files.system.makeFolder(folder)
        try ReleasedSpool(version: 1).copy(to: fixture.spool("acme"), withLog: false)
        let connection = try Connection(path: fixture.spool("acme"), access: .readWrite)
        try connection.execute("PRAGMA user_version = \(Schema.current + 1)")
        connection.setCheckpointOnClose(true)
        connection.close()
        let before = try FileBytes.read(fixture.spool("acme"))

        let remark = SpoolInspection.look(at: "acme", in: fixture.path, isLive: false, openedElsewhere: [])
            .first { $0.message.contains("schema version \(Schema.current + 1)") }
        #expect(remark?.severity == .error)
        #expect(remark?.advice.contains("Start a Holdfast that knows schema version \(Schema.current + 1)") == true)
        #expect(try FileBytes.read(fixture.spool("acme")) == before, "doctor writes nothing")

        let store = try fixture.open()
        try await store.configure([StoreFixture.tenant("acme")])
        #expect(try await store.append(Make.batch(0..<5), tenant: "acme").storedPoints == 5)
        #expect(fixture.raised("a spool cannot be used and is set aside") == 1)
        await store.maintain()
        #expect(try await store.drain("acme") == Array(0..<5))
        await store.close()
        let aside = try #require(
            Files.system.names(in: folder).first { $0.hasPrefix(SetAside.prefix) && $0.hasSuffix("Z") })
        #expect(try FileBytes.read(folder + "/" + aside) == before)
    }
}
