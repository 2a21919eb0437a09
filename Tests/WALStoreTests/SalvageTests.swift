import Foundation
import Metrics
import Synchronization
import TestSupport
import Testing

@testable import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// What is carried over of a spool that was set aside, beside what is written meanwhile.
@Suite struct SalvageTests {
    /// A request whose refused line says which request it was in.
    private func append(_ id: String, _ value: Int, to spool: Spool) async throws {
        var request = Make.request(Make.batch(value..<value + 1), id: id)
        request.decoded.refusals.add(Refusal(.invalidLine, points: 1, line: 1, detail: id))
        _ = try await spool.append(request)
    }

    private func job(_ fixture: SpoolFixture) throws -> SalvageJob {
        let folder = fixture.folder.path
        let name = try #require(try SetAside(folder: folder, files: .system).perform(wall: SpoolFixture.start))
        let evidence = SalvagedLedger.Evidence(
            reservedBefore: 1000, mark: nil, summary: nil, registrations: fixture.configuration().backends)
        return SalvageJob(
            folder: folder, files: .system, note: SalvageNote(incarnation: Array(0..<16), names: [name]),
            tenant: "acme", evidence: evidence)
    }

    @Test func `what is written while a salvage is under way hides no row of the former spool`() async throws {
        let fixture = try SpoolFixture()
        let former = try await fixture.open()
        for index in 0..<40 { try await append("former \(index)", index, to: former) }
        for _ in 0..<3 { try await former.recordAnotherLoss() }
        try await former.note(event: "former")
        await former.close()

        let spool = try await Spool.open(
            path: fixture.path, fixture.configuration(), fixture.environment, minimumSequence: 1000,
            salvage: try job(fixture))
        for index in 0..<60 { try await append("new \(index)", 100 + index, to: spool) }
        for _ in 0..<5 { try await spool.recordAnotherLoss() }
        try await spool.note(event: "new")
        try await spool.carryOver()

        #expect(try await spool.integer("SELECT count(*) FROM receipts") == 100)
        #expect(try await spool.integer("SELECT count(DISTINCT request_id) FROM receipts") == 100)
        let right = try await spool.integer(
            "SELECT count(*) FROM refusals AS f JOIN receipts AS r ON r.id = f.receipt_id AND r.request_id = f.detail")
        #expect(right == 100, "a refusal is of the request it was in")
        #expect(try await spool.integer("SELECT count(*) FROM losses WHERE detail = 'another loss'") == 8)
        #expect(try await spool.integer("SELECT count(*) FROM events WHERE kind IN ('former', 'new')") == 2)
        await spool.close()
    }

    /// Overwrites the page that the table's last row is on, of a database that is closed.
    private func destroyLastPage(of table: SalvageTable, _ path: String) throws {
        var scan = SalvageScan(try DatabasePages(path, .system), .heads)
        var last: (id: Int64, page: UInt32) = (0, 0)
        while !scan.isAtEnd {
            for row in scan.next() where row.table == table && row.rowID ?? 0 > last.id {
                last = (row.rowID ?? 0, scan.page - 1)
            }
        }
        let file = open(path, O_WRONLY)
        defer { close(file) }
        let nonsense = [UInt8](repeating: 0x55, count: 4096)
        #expect(last.page > 1 && pwrite(file, nonsense, 4096, off_t(last.page - 1) * 4096) == 4096)
    }

    @Test func `a request does not get the id of a receipt that cannot be read`() async throws {
        let fixture = try SpoolFixture()
        let former = try await fixture.open()
        for index in 0..<100 { try await append("former \(index)", index, to: former) }
        await former.close()
        try destroyLastPage(of: .receipts, fixture.path)

        let spool = try await Spool.open(
            path: fixture.path, fixture.configuration(), fixture.environment, minimumSequence: 1000,
            salvage: try job(fixture))
        for index in 0..<60 { try await append("new \(index)", 100 + index, to: spool) }
        try await spool.carryOver()

        let joined = "FROM refusals AS f LEFT JOIN receipts AS r ON r.id = f.receipt_id"
        #expect(try await spool.integer("SELECT count(*) \(joined)") == 160)
        let right = try await spool.integer("SELECT count(*) \(joined) WHERE r.request_id = f.detail") ?? 0
        let unread = try await spool.integer("SELECT count(*) \(joined) WHERE r.source = 'not readable'") ?? 0
        #expect(unread > 0 && right + unread == 160, "a refusal is of its request, or of one that cannot be read")
        #expect(
            try await spool.integer("SELECT count(*) \(joined) WHERE f.detail LIKE 'new %' AND r.request_id = f.detail")
                == 60)
        await spool.close()
    }

    @Test func `what is written hides no row of a former spool whose newest rows break the rules`() async throws {
        let fixture = try SpoolFixture()
        let former = try await fixture.open()
        for _ in 0..<3 { try await former.recordAnotherLoss() }
        await former.close()
        try Self.change(
            fixture.path, "PRAGMA ignore_check_constraints = ON; UPDATE losses SET reason = 'qvota' WHERE id = 3")

        let spool = try await Spool.open(
            path: fixture.path, fixture.configuration(), fixture.environment, minimumSequence: 1000,
            salvage: try job(fixture))
        for _ in 0..<5 { try await spool.recordAnotherLoss() }
        try await spool.carryOver()
        #expect(try await spool.integer("SELECT count(*) FROM losses WHERE detail = 'another loss'") == 7)
        await spool.close()
    }

    @Test func `rules that deliveries went by are carried over, and what only looks like rules is not`() async throws {
        let fixture = try SpoolFixture()
        let former = try await fixture.open()
        // One text is longer than a page.
        let routes = try [1, 400].map { count in
            StoredRoute(RouteRules(match: try (0..<count).map { try SeriesSelector.parse("kept_\($0)") }))
        }
        for (index, route) in routes.enumerated() {
            try await append("request \(index)", index, to: former)
            let lease = try #require(try await former.lease(backend: "a", limit: LeaseLimit(points: 1)))
            var settlement = Make.all(lease, .delivered)
            settlement.route = route
            try await former.settle(lease, settlement)
        }
        await former.close()
        try Self.change(fixture.path, "INSERT INTO routes VALUES ('AAAAAAAAAAAAAAAA', '{\"match\":[\"up\"]}', 1)")
        let spool = try await salvaged(fixture)
        let found = try AuditDatabase(live: fixture.path).rows("SELECT id, rules FROM routes")
        #expect(Set(found) == Set(routes.map { [.text($0.id), .text($0.rules)] }))
        await spool.close()
    }

    // MARK: Dead letters

    private static func change(_ path: String, _ sql: String) throws {
        let connection = try Connection(path: path, access: .readWrite)
        try connection.execute(sql)
        connection.close()
    }

    /// What a damaged page may make of a backend's row: its counts do not add up, and are not believed.
    private static let spoilBooks = "UPDATE backends SET delivered_points = delivered_points + 7"

    private static let refused = Fate.dead(DeadLetterReason(code: "refused", excerpt: "no", status: 400))

    /// Ten requests of ten points, of which the first of each of the first `dead` is a dead letter, and the others of
    /// these requests are delivered.
    private func spoolWithLetters(_ fixture: SpoolFixture, dead: Int) async throws {
        let spool = try await fixture.open()
        for index in 0..<10 { _ = try await spool.append(Make.request(Make.batch(index * 10..<index * 10 + 10))) }
        let lease = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: dead * 10)))
        let parts = lease.pieces.indices.flatMap { piece in
            [
                Settlement.Part(LeasedRun(piece: piece, ordinals: 0..<1), Self.refused),
                Settlement.Part(LeasedRun(piece: piece, ordinals: 1..<10), .delivered),
            ]
        }
        try await spool.settle(lease, Make.settlement(parts))
        #expect(try await spool.books("a").deadPoints == Int64(dead))
        await spool.close()
    }

    private func salvaged(_ fixture: SpoolFixture) async throws -> Spool {
        let spool = try await Spool.open(
            path: fixture.path, fixture.configuration(), fixture.environment, minimumSequence: 1000,
            salvage: try job(fixture))
        try await spool.carryOver()
        let books = try await spool.books("a")
        let letters = try await spool.letters
        #expect(books.balances && books.deadPoints == letters, "\(books), \(letters) letters")
        return spool
    }

    @Test func `points that are owed again, as the books were lost, can be refused again`() async throws {
        let fixture = try SpoolFixture()
        try await spoolWithLetters(fixture, dead: 4)
        try Self.change(fixture.path, Self.spoilBooks)
        let spool = try await salvaged(fixture)
        #expect(try await spool.books("a").pendingPoints == 100)

        let lease = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 100)))
        try await spool.settle(lease, Make.all(lease, Self.refused))
        let books = try await spool.books("a")
        #expect(books.balances && books.deadPoints == 100, "\(books)")
        #expect(try await spool.letters == 100)
        fixture.advance(seconds: 40 * 86_400)
        try await spool.maintain()
        #expect(try await spool.books("a").lostPoints == 100)
        await spool.close()
    }

    @Test(arguments: [
        ("DELETE FROM batches WHERE sequence <= 4", 4), ("DELETE FROM batches WHERE sequence BETWEEN 2 AND 3", 2),
        ("DELETE FROM batches WHERE sequence <= 2; UPDATE backends SET dead_points = 0", 2),
        ("DELETE FROM batches", 4),
    ])
    func `letters are counted, and not lost, when the books and the rows they came with are gone`(
        damage: String, letters: Int64
    ) async throws {
        let fixture = try SpoolFixture()
        try await spoolWithLetters(fixture, dead: 4)
        try Self.change(fixture.path, Self.spoilBooks + "; " + damage)
        let spool = try await salvaged(fixture)
        #expect(try await spool.letters == letters)
        let losses = try await spool.losses()
        let lost = try await spool.books("a").lostPoints
        #expect(losses.reduce(0) { $0 + ($1.points ?? 0) } == lost, "\(losses)")
        await spool.close()
    }

    @Test(arguments: [
        "origin_sequence = 7", "origin_sequence = 5000", "backend_id = 9", "origin_sequence = 2, origin_ordinal = 5",
    ])
    func `a letter whose numbers are damaged ends no point and stands in no way`(damage: String) async throws {
        let fixture = try SpoolFixture()
        try await spoolWithLetters(fixture, dead: 4)
        try Self.change(fixture.path, "UPDATE dead_letters SET \(damage) WHERE id = 4")
        let spool = try await salvaged(fixture)
        let lease = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 100)))
        #expect(lease.values == Array(40..<100))
        try await spool.settle(lease, Make.all(lease, Self.refused))
        let books = try await spool.books("a")
        let letters = try await spool.letters
        #expect(books.balances && books.deadPoints == letters, "\(books), \(letters) letters")
        let strangers = "SELECT count(*) FROM dead_letters WHERE backend_id <> 1 OR origin_sequence > 1000"
        #expect(try await spool.integer(strangers) == 0)
        await spool.close()
    }

    /// Locks that this process has on the file, asked of one of its own descriptors of it: `/proc/locks` lists the whole
    /// machine's a part at a time, and locks that come and go meanwhile move others out of sight.
    private func locks(on path: String) throws -> Int {
        let descriptor = try #require(
            FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").first {
                (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")) == path
            })
        let lines = try Files.system.disk.read("/proc/self/fdinfo/\(descriptor)", limit: 1 << 16)
        return String(decoding: lines, as: UTF8.self).split(separator: "\n").count {
            $0.hasPrefix("lock:") && $0.contains("POSIX")
        }
    }

    @Test func `a second name of another tenant's spool is set aside without a look into it`() async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        try await store.configure([StoreFixture.tenant("acme"), StoreFixture.tenant("other")])
        _ = try await store.append(Make.batch(0..<100), tenant: "other")
        let before = try locks(on: fixture.spool("other"))
        #expect(before > 0, "SQLite's shared lock")
        try Files.system.makeFolder(store.folder.folder(of: "acme"))
        #expect(link(fixture.spool("other"), fixture.spool("acme")) == 0)

        _ = try await store.append(Make.batch(100..<110), tenant: "acme")
        await store.maintain()
        #expect(try await store.drain("acme") == Array(100..<110), "nothing is taken from it")
        #expect(fixture.raised("a spool was set aside and a fresh one opened") == 1)
        #expect(try locks(on: fixture.spool("other")) == before)
        #expect(try await store.drain("other") == Array(0..<100))
        await store.close()
    }
}

extension Spool {
    fileprivate var letters: Int64 { get throws { try integer("SELECT count(*) FROM dead_letters") ?? 0 } }

    func note(event kind: String) throws(SpoolError) {
        try transact { (database) throws(SpoolError) in try record(event: kind, "", database) }
    }
}
