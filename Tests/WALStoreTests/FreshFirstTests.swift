import Metrics
import TestSupport
import Testing

@testable import WALStore

/// What has waited is set apart, what is fresh goes ahead of it, and the books are those of before.
struct FreshFirstTests {
    private static let fresh = FreshFirst(freshSeconds: 60)
    private static let backlog = FreshFirst(turn: .backlog, freshSeconds: 60)

    private func lease(
        _ spool: Spool, _ order: FreshFirst? = fresh, points: Int = 1000, of backend: String = "a"
    ) async throws -> Lease? {
        try await spool.lease(backend: backend, limit: LeaseLimit(points: points, freshFirst: order))
    }

    /// A row of ten points every `seconds`.
    private func fill(_ spool: Spool, _ fixture: SpoolFixture, _ rows: Range<Int>, every seconds: Int64) async throws {
        for row in rows {
            _ = try await spool.append(Make.request(Make.batch(row * 10..<(row + 1) * 10)))
            fixture.advance(seconds: seconds)
        }
    }

    private func deliver(_ spool: Spool, _ order: FreshFirst?, points: Int = 1000) async throws -> [Int] {
        var values: [Int] = []
        while let lease = try await lease(spool, order, points: points) {
            values += lease.values
            try await spool.settle(lease, Make.all(lease, .delivered))
        }
        return values
    }

    @Test func `what came within the last minute goes ahead of hours that waited, and each point goes once`()
        async throws
    {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        try await fill(spool, fixture, 0..<200, every: 50)
        let first = try #require(try await lease(spool))
        // The last row came 50 seconds ago, the one before 100.
        #expect(first.values == Array(1990..<2000) && !first.isOfBacklog)
        #expect(fixture.raised("what has waited becomes a backlog, and fresh points go ahead of it") == 1)
        var books = try await spool.books("a")
        #expect(books.balances && books.pendingPoints == 2000 && books.backlogPoints == 1990)
        #expect(books.oldestBacklogAgeSeconds == 10_000 && books.oldestFreshAgeSeconds == 50)
        #expect(books.oldestPendingAgeSeconds == 10_000)
        try await spool.settle(first, Make.all(first, .delivered))
        let old = try #require(try await lease(spool, points: 15))
        #expect(old.values == Array(0..<15) && old.isOfBacklog, "nothing fresh is left: the backlog has the turn")
        try await fill(spool, fixture, 200..<201, every: 1)
        #expect(try await lease(spool)?.values == Array(2000..<2010))
        try await spool.settle(old, Make.all(old, .delivered))
        books = try await spool.books("a")
        #expect(books.balances && books.backlogPoints == 1975 && books.pendingPoints == 1985)
        await spool.close()
    }

    @Test func `what is not older than twice the fresh time is not set apart`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        try await fill(spool, fixture, 0..<12, every: 10)
        #expect(try await lease(spool, points: 5)?.values == Array(0..<5))
        #expect(try await spool.books("a").backlogPoints == 0)
        await spool.close()
    }

    @Test func `the turn of the backlog is its own, and falls to fresh points when it has none`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        try await fill(spool, fixture, 0..<20, every: 50)
        let old = try #require(try await lease(spool, FreshFirstTests.backlog, points: 30))
        #expect(old.isOfBacklog && old.values == Array(0..<30))
        let rest = try #require(try await lease(spool, FreshFirstTests.backlog))
        #expect(rest.isOfBacklog && rest.values == Array(30..<190), "a lease is of one lane")
        let fresh = try #require(try await lease(spool, FreshFirstTests.backlog))
        #expect(!fresh.isOfBacklog && fresh.values == Array(190..<200))
        #expect(try await lease(spool) == nil)
        await spool.close()
    }

    @Test func `a lease across the cut, and one from before it, settle in any order`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        try await fill(spool, fixture, 0..<20, every: 50)
        let early = try #require(try await lease(spool, nil, points: 25))
        let across = try #require(try await lease(spool, nil, points: 170))
        #expect(across.values == Array(25..<195))
        let fresh = try #require(try await lease(spool))
        #expect(fresh.values == Array(195..<200))
        #expect(try await spool.books("a").backlogPoints == 190)
        for lease in [fresh, across, early] {
            try await spool.settle(lease, Make.all(lease, .delivered))
            #expect(try await spool.books("a").balances)
        }
        let books = try await spool.books("a")
        #expect(books.deliveredPoints == 200 && books.pendingPoints == 0 && books.backlogPoints == 0)
        await spool.close()
    }

    @Test(arguments: [true, false]) func `what was set apart is apart after a restart, clean or not`(_ isClean: Bool)
        async throws
    {
        let fixture = try SpoolFixture()
        var spool = try await fixture.open()
        try await fill(spool, fixture, 0..<20, every: 50)
        let first = try #require(try await lease(spool))
        try await spool.settle(first, Make.all(first, .delivered))
        if isClean { await spool.close() } else { await spool.abandon() }
        spool = try await fixture.open()
        let books = try await spool.books("a")
        #expect(books.balances && books.backlogPoints == 190 && books.pendingPoints == 190)
        try await fill(spool, fixture, 20..<21, every: 1)
        #expect(try await deliver(spool, FreshFirstTests.fresh) == Array(200..<210) + Array(0..<190))
        await spool.close()
    }

    @Test func `an outage in which nothing is delivered is one range, however long it lasts`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        for round in 0..<30 {
            try await fill(spool, fixture, round * 5..<(round + 1) * 5, every: 50)
            let tried = try #require(try await lease(spool))
            #expect(!tried.isOfBacklog)
            await spool.release(tried, maybeHaveArrived: round % 2 == 0)
        }
        #expect(await spool.ledger.backends[0].ranges.count == 1)
        #expect(try await deliver(spool, FreshFirstTests.fresh).count == 1500)
        #expect(try await spool.books("a").balances)
        await spool.close()
    }

    @Test func `a link that comes and goes makes so many ranges and no more, and all is delivered`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        let outages = Spool.maximumBacklogRanges + 20
        for outage in 0..<outages {
            try await fill(spool, fixture, outage * 4..<(outage + 1) * 4, every: 50)
            // Up for one request.
            let lease = try #require(try await lease(spool, points: 10))
            try await spool.settle(lease, Make.all(lease, .delivered))
        }
        #expect(await spool.ledger.backends[0].backlog.count == Spool.maximumBacklogRanges)
        #expect(try await spool.books("a").balances)
        // Once one of them is drained, what has gathered in the tail becomes one.
        let oldest = try #require(try await lease(spool, FreshFirstTests.backlog, points: 30))
        try await spool.settle(oldest, Make.all(oldest, .delivered))
        try await fill(spool, fixture, outages * 4..<outages * 4 + 1, every: 1)
        // The row before it came 51 seconds ago.
        #expect(try await lease(spool)?.values == Array(outages * 40 - 10..<outages * 40 + 10))
        #expect(await spool.ledger.backends[0].backlog.count == Spool.maximumBacklogRanges)
        await spool.close()
    }

    @Test func `a backlog older than the backend would take keeps its place, and nothing goes ahead of it`()
        async throws
    {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        var order = FreshFirst(freshSeconds: 60, maximumBacklogSeconds: 500, keepsOrder: true)
        try await fill(spool, fixture, 0..<20, every: 50)
        let first = try #require(try await lease(spool, order, points: 10))
        #expect(first.values == Array(0..<10), "it is 1000 seconds old")
        #expect(try await spool.books("a").backlogPoints == 0)
        await spool.release(first)
        order.maximumBacklogSeconds = 1100
        let fresh = try #require(try await lease(spool, order, points: 10))
        #expect(fresh.values == Array(190..<200))
        await spool.release(fresh)
        // It has been overtaken: holding fresh points back would help nobody.
        fixture.advance(seconds: 50)
        try await fill(spool, fixture, 20..<21, every: 1)
        order.maximumBacklogSeconds = 500
        #expect(try await lease(spool, order, points: 10)?.values == Array(190..<200))
        await spool.close()
    }

    @Test(arguments: [true, false])
    func `what is overtaken is known to be before anything goes ahead of it, where order is kept`(_ keepsOrder: Bool)
        async throws
    {
        let fixture = try SpoolFixture()
        var spool = try await fixture.open()
        let order = FreshFirst(freshSeconds: 60, keepsOrder: keepsOrder)
        try await fill(spool, fixture, 0..<20, every: 50)
        let oldest = try #require(try await lease(spool, nil, points: 10))
        try await spool.overtake(oldest, [LeasedRun(piece: 0, ordinals: 0..<10)])
        let fresh = try #require(try await lease(spool, order))
        #expect(fresh.values == Array(190..<200) && fresh.pieces.allSatisfy { $0.overtaken.isEmpty })
        // Whoever noted something before must not take this note back with his own.
        await spool.forgetOvertaking(oldest)
        // As a process that is killed at this moment leaves it.
        await spool.abandon()
        spool = try await fixture.open()
        let old = try #require(try await lease(spool, FreshFirstTests.backlog, points: 190))
        #expect(old.values == Array(0..<190))
        // The first row was noted by whoever had it; that he took it back need not have reached the disk.
        #expect(old.pieces.dropFirst().allSatisfy { $0.overtaken == (keepsOrder ? $0.ordinals : 0..<0) })
        #expect(old.pieces[0].overtaken == old.pieces[0].ordinals)
        await spool.close()
    }

    @Test func `a backlog from before a backend was away waits behind what is fresh`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open(["a", "b"])
        try await fill(spool, fixture, 0..<2, every: 1)
        try await spool.configure(fixture.configuration(["b"]))
        try await fill(spool, fixture, 2..<4, every: 1)
        try await spool.configure(fixture.configuration(["a", "b"]))
        try await fill(spool, fixture, 4..<5, every: 1)
        let order = FreshFirst(freshSeconds: 60, keepsOrder: true)
        let fresh = try #require(try await lease(spool, order))
        #expect(fresh.values == Array(40..<50))
        let old = try #require(try await lease(spool, order))
        #expect(old.values == Array(0..<20) && old.isOfBacklog)
        #expect(old.pieces.allSatisfy { $0.overtaken == $0.ordinals })
        // Without the order it is as it ever was.
        #expect(try await lease(spool, nil) == nil)
        await spool.close()
    }

    @Test func `a merged row that began before the fresh time is backlog whole`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        try await fill(spool, fixture, 0..<30, every: 5)
        await spool.hurryRepack(targetPoints: 1000)
        #expect(await spool.repack(RepackRound()).0.tally.mergedRows == 1)
        // 28 or so of the rows are one now, the last ones were too young.
        let fresh = try #require(try await lease(spool))
        #expect(fresh.values.last == 299 && !fresh.isOfBacklog)
        let old = try #require(try await lease(spool))
        #expect(old.isOfBacklog && old.values + fresh.values == Array(0..<300))
        await spool.close()
    }

    @Test(arguments: [true, false])
    func `metadata that came before the cut goes with the points behind it`(_ hasFresh: Bool) async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        try await fill(spool, fixture, 0..<4, every: 50)
        for family in ["early", "late"] {
            var batch = Batch()
            batch.metadata = [MetricMetadata(family: family, kind: .counter, help: "help")]
            _ = try await spool.append(Make.request(batch))
        }
        fixture.advance(seconds: 70)
        if hasFresh { try await fill(spool, fixture, 4..<5, every: 1) }
        // Without fresh points all of it becomes a backlog, and the tail begins before the metadata.
        let first = try #require(try await lease(spool))
        #expect(first.isOfBacklog != hasFresh)
        await spool.release(first)
        if !hasFresh { try await fill(spool, fixture, 4..<5, every: 1) }
        let fresh = try #require(try await lease(spool))
        #expect(fresh.values == Array(40..<50))
        #expect(fresh.pieces.flatMap { $0.batch.metadata.map(\.family) } == ["early", "late"])
        let old = try #require(try await lease(spool))
        #expect(old.values == Array(0..<40) && old.pieces.allSatisfy(\.batch.metadata.isEmpty))
        await spool.close()
    }

    @Test func `what ages out of a backlog is lost of it alone`() async throws {
        let fixture = try SpoolFixture()
        var configuration = fixture.configuration()
        configuration.maximumAgeSeconds = 600
        let spool = try await Spool.open(path: fixture.path, configuration, fixture.environment)
        try await fill(spool, fixture, 0..<10, every: 50)
        let fresh = try #require(try await lease(spool))
        await spool.release(fresh)
        fixture.advance(seconds: 300)
        try await spool.maintain()
        let books = try await spool.books("a")
        #expect(books.lostPoints > 0 && books.balances)
        #expect(books.pendingPoints + books.lostPoints == 100 && books.backlogPoints == books.pendingPoints - 10)
        await spool.close()
    }
}
