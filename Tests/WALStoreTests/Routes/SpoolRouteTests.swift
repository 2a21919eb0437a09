import Metrics
import TestSupport
import Testing

@testable import WALStore

/// Settlements that rules were asked for.
struct SpoolRouteTests {
    private let fixture: SpoolFixture

    init() throws { fixture = try SpoolFixture() }

    private static func rules(_ match: String) throws -> RouteRules {
        RouteRules(match: [try SeriesSelector.parse(match)])
    }

    /// Points of two series in turn: every second one is of `kept`.
    private static func mixed(_ values: Range<Int>) -> Batch {
        values.reduce(Batch()) { Make.batch($1..<$1 + 1, labels: $1 % 2 == 0 ? "kept" : "other", into: $0) }
    }

    private func settle(
        _ spool: Spool, _ points: Int, _ rules: RouteRules, _ fate: Fate = .delivered, excluded: Int
    ) async throws {
        let lease = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: points)))
        #expect(lease.points == points)
        var left = excluded
        var settlement = Make.settlement(
            lease.pieces.indices.map { piece in
                let ordinals = lease.pieces[piece].ordinals
                defer { left = 0 }
                return Settlement.Part(LeasedRun(piece: piece, ordinals: ordinals), fate, excluded: left)
            })
        settlement.route = StoredRoute(rules)
        try await spool.settle(lease, settlement)
    }

    private func texts(_ sql: String) throws -> [[String]] {
        try AuditDatabase(live: fixture.path).rows(sql).map { $0.map { $0 == .null ? "" : "\($0)" } }
    }

    private func deliveries() throws -> [[String]] {
        try texts(
            "SELECT outcome, reason, points, first_sequence, first_ordinal, end_sequence, end_ordinal FROM deliveries ORDER BY id"
        )
    }

    @Test func `what rules keep back is a term of its own, however it lies among the rest`() async throws {
        let spool = try await fixture.open()
        let rules = try SpoolRouteTests.rules("kept")
        let reason = "route \(StoredRoute(rules).id)"
        for row in 0..<4 { _ = try await spool.append(Make.request(SpoolRouteTests.mixed(row * 10..<row * 10 + 10))) }
        for _ in 0..<3 { try await settle(spool, 10, rules, excluded: 5) }
        let books = try await spool.books("a")
        #expect(books.deliveredPoints == 15)
        #expect(books.excludedPoints == 15)
        #expect(books.pendingPoints == 10)
        #expect(books.balances)
        // Two rows, not thirty: they grow, as rows do that no rules were asked for.
        let rows = try deliveries()
        #expect(
            rows == [
                ["confirmed", reason, "15", "1", "0", "3", "10"], ["excluded", reason, "15", "1", "0", "3", "10"],
            ])
        #expect(
            try texts("SELECT id, rules FROM routes") == [
                [StoredRoute(rules).id, rules.text]
            ])
        await spool.close()
    }

    @Test func `rows of other rules, and of no rules, are rows of their own`() async throws {
        let spool = try await fixture.open()
        let (first, second) = (try SpoolRouteTests.rules("kept"), try SpoolRouteTests.rules("other"))
        for row in 0..<5 { _ = try await spool.append(Make.request(SpoolRouteTests.mixed(row * 10..<row * 10 + 10))) }
        try await settle(spool, 10, first, excluded: 0)
        try await settle(spool, 10, first, excluded: 10)
        try await settle(spool, 10, second, excluded: 10)
        let lease = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 10)))
        try await spool.settle(lease, Make.all(lease, .delivered))
        try await settle(spool, 10, second, .assumed, excluded: 4)
        let (one, two) = ("route \(StoredRoute(first).id)", "route \(StoredRoute(second).id)")
        let rows = try deliveries()
        #expect(
            rows == [
                ["confirmed", one, "10", "1", "0", "2", "10"],
                // From where its neighbour begins: which points these are, the rules say.
                ["excluded", one, "10", "1", "0", "2", "10"],
                ["excluded", two, "10", "3", "0", "3", "10"],
                ["confirmed", "", "10", "4", "0", "4", "10"],
                ["assumed", two, "6", "5", "0", "5", "10"], ["excluded", two, "4", "5", "0", "5", "10"],
            ])
        await spool.close()
    }

    @Test func `a question tells for each point whether rules kept it back, also after they changed`() async throws {
        var spool = try await fixture.open()
        for row in 0..<4 { _ = try await spool.append(Make.request(SpoolRouteTests.mixed(row * 10..<row * 10 + 10))) }
        try await settle(spool, 10, try SpoolRouteTests.rules("kept"), excluded: 5)
        try await settle(spool, 10, try SpoolRouteTests.rules("other"), excluded: 5)
        await spool.close()
        spool = try await fixture.open()
        let lease = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 10)))
        let dead = DeadLetterReason(code: "refused", excerpt: "", status: 400)
        var settlement = Make.settlement([
            .init(LeasedRun(piece: 0, ordinals: 0..<4), .delivered, excluded: 2),
            .init(LeasedRun(piece: 0, ordinals: 4..<5), .dead(dead)),
            .init(LeasedRun(piece: 0, ordinals: 5..<10), .delivered, excluded: 3),
        ])
        settlement.route = StoredRoute(try SpoolRouteTests.rules("kept"))
        try await spool.settle(lease, settlement)
        let audit = try AuditDatabase(live: fixture.path)
        func counts(_ selector: String?) throws -> [String: Int64] {
            try audit.fates(FateRequest(selector: selector), AuditLimits()).counts
                .reduce(into: [:]) { $0["\($1.fate)", default: 0] += $1.points }
        }
        #expect(try counts("kept") == ["delivered": 9, "excluded": 5, "dead": 1, "pending": 5])
        #expect(try counts("other") == ["delivered": 5, "excluded": 10, "pending": 5])
        let all = try counts(#"{__name__=~".+"}"#)
        #expect(all == ["delivered": 14, "excluded": 15, "dead": 1, "pending": 10])
        // The same from the books alone, as all of each row was asked for.
        #expect(try counts(nil) == all)
        #expect(try await spool.books("a").balances)
        await spool.close()
    }

    @Test func `an account of a part of a row does not say what it cannot know`() async throws {
        let spool = try await fixture.open()
        for row in 0..<2 {
            _ = try await spool.append(Make.request(SpoolRouteTests.mixed(row * 10..<row * 10 + 10)))
            fixture.advance(seconds: 10)
        }
        for _ in 0..<2 { try await settle(spool, 10, try SpoolRouteTests.rules("kept"), excluded: 5) }
        let audit = try AuditDatabase(live: fixture.path)
        let first = SpoolFixture.start..<SpoolFixture.start + 1
        let part = try audit.fates(FateRequest(received: first), AuditLimits()).counts
        #expect(part.map(\.fate) == [.routed])
        #expect(part.map(\.points) == [10])
        let asked = try audit.fates(FateRequest(selector: #"{__name__=~".+"}"#, received: first), AuditLimits()).counts
        #expect(asked.map(\.fate) == [.delivered, .excluded])
        #expect(asked.map(\.points) == [5, 5])
        await spool.close()
    }

    @Test(arguments: [
        "DELETE FROM routes", "UPDATE routes SET rules = replace(rules, 'kept', 'gone')",
        "UPDATE routes SET rules = '{'",
    ])
    func `rules that are gone or changed say nothing of their points`(damage: String) async throws {
        let spool = try await fixture.open()
        _ = try await spool.append(Make.request(SpoolRouteTests.mixed(0..<10)))
        try await settle(spool, 10, try SpoolRouteTests.rules("kept"), excluded: 5)
        await spool.close()
        let connection = try Connection(path: fixture.path, access: .readWrite)
        try connection.execute(damage)
        connection.close()
        let audit = try AuditDatabase(live: fixture.path)
        let answer = try audit.fates(FateRequest(selector: #"{__name__=~".+"}"#), AuditLimits()).counts
        // Nothing is called delivered that may have been kept back; all of the row was asked for, so how many were is known.
        #expect(answer.map(\.fate) == [.delivered, .excluded])
        #expect(answer.map(\.points) == [5, 5])
        let part = try audit.fates(FateRequest(selector: "kept"), AuditLimits()).counts
        #expect(part.map(\.fate) == [.routed])
        #expect(part.map(\.points) == [5])
    }

    @Test func `points say by which rules they would be kept back`() async throws {
        let spool = try await fixture.open()
        _ = try await spool.append(Make.request(SpoolRouteTests.mixed(0..<4)))
        #expect(try texts("SELECT DISTINCT kept_back_by FROM points") == [[""]])
        let rules = try SpoolRouteTests.rules("kept")
        try await settle(spool, 4, rules, excluded: 2)
        #expect(
            try texts("SELECT name, kept_back_by FROM points ORDER BY ordinal") == [
                ["kept", ""], ["other", StoredRoute(rules).id], ["kept", ""], ["other", StoredRoute(rules).id],
            ])
        await spool.close()
    }

    @Test func `more points cannot be kept back than there are, nor by no rules`() async throws {
        let spool = try await fixture.open()
        _ = try await spool.append(Make.request(SpoolRouteTests.mixed(0..<4)))
        let lease = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 4)))
        let run = LeasedRun(piece: 0, ordinals: 0..<4)
        let route = StoredRoute(try SpoolRouteTests.rules("kept"))
        for (part, route) in [
            (Settlement.Part(run, .delivered, excluded: 5), route), (.init(run, .delivered, excluded: -1), route),
            (.init(run, .delivered, excluded: 1), nil), (.init(run, .excluded(reason: "kind"), excluded: 1), route),
        ] as [(Settlement.Part, StoredRoute?)] {
            var settlement = Make.settlement([part])
            settlement.route = route
            await #expect(throws: SpoolError.self) { try await spool.settle(lease, settlement) }
        }
        #expect(try await spool.books("a").pendingPoints == 4)
        try await spool.settle(lease, Make.all(lease, .delivered))
        await spool.close()
    }

    @Test func `rules that no row speaks of any more go`() async throws {
        let spool = try await fixture.open()
        for row in 0..<130 {
            _ = try await spool.append(Make.request(SpoolRouteTests.mixed(row * 2..<row * 2 + 2)))
            try await settle(spool, 2, try SpoolRouteTests.rules("kept_\(row)"), excluded: 2)
            if row == 60 {
                fixture.advance(seconds: 2 * 86_400)
                try await spool.maintain()
            }
        }
        let kept = try texts("SELECT count(*) FROM routes")
        let count = try #require(Int(kept[0][0]))
        #expect(count < 110)
        #expect(count >= 69, "those that rows speak of stay")
        await spool.close()
    }

    @Test func `a replay counts what rules keep back as excluded`() async throws {
        let spool = try await fixture.open()
        _ = try await spool.append(Make.request(SpoolRouteTests.mixed(0..<10)))
        try await settle(spool, 10, try SpoolRouteTests.rules("kept"), excluded: 5)
        let job = try await spool.startReplay(ReplayOrder(backend: "a", asked: "by a test"))
        let lease = try #require(try await spool.leaseReplay(job.id, limit: 100))
        var settlement = Make.settlement(
            lease.pieces.indices.map {
                Settlement.Part(LeasedRun(piece: $0, ordinals: lease.pieces[$0].ordinals), .delivered, excluded: 5)
            })
        settlement.route = StoredRoute(try SpoolRouteTests.rules("kept"))
        try await spool.settleReplay(lease, settlement)
        let counts = try #require(try await spool.replayJobs().first).counts
        #expect(counts.sent == 5)
        #expect(counts.excluded == 5)
        await spool.close()
    }
}
