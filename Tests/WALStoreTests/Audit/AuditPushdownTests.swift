import Metrics
import TestSupport
import Testing

@testable import WALStore

/// What a question says decides what is decoded for it.
struct AuditPushdownTests {
    /// Forty rows of ten points, a minute apart; row n has the series `m<n % 4>`.
    private func filled(_ fixture: SpoolFixture) async throws -> Spool {
        let spool = try await fixture.open()
        for row in 0..<40 {
            let values = row * 60_000..<row * 60_000 + 10
            _ = try await spool.append(Make.request(Make.batch(values, labels: "m\(row % 4)")))
        }
        return spool
    }

    private func time(_ minute: Int64) -> Int64 { SpoolFixture.start + minute * 60_000_000_000 }

    @Test func `a question about some minutes decodes the rows of these minutes`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await filled(fixture)
        let audit = try AuditDatabase(live: fixture.path)
        let wanted = "time >= \(time(10)) AND time < \(time(13))"
        #expect(try audit.cost("SELECT value FROM points WHERE \(wanted)") == AuditCost(blocks: 3, pointBlocks: 3))
        #expect(try audit.rows("SELECT count(*) FROM points WHERE \(wanted)") == [[30]])
        #expect(try audit.cost("SELECT name FROM series WHERE last_time >= \(time(38))").blocks == 2)
        #expect(try audit.cost("SELECT value FROM points WHERE time > \(time(99))").blocks == 0)
        await spool.close()
    }

    @Test func `a question about one sequence decodes one row, from either end`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await filled(fixture)
        let audit = try AuditDatabase(live: fixture.path)
        #expect(try audit.cost("SELECT value FROM points WHERE sequence = 17").blocks == 1)
        #expect(try audit.cost("SELECT value FROM points WHERE sequence > 38").blocks == 2)
        #expect(try audit.cost("SELECT value FROM points ORDER BY sequence DESC LIMIT 5").blocks == 1)
        #expect(try audit.cost("SELECT value FROM points WHERE position = 205").blocks == 1)
        await spool.close()
    }

    @Test(arguments: [
        "points WHERE name = 'm1'", "points WHERE name IN ('m1', 'nobody')", "points('m1')",
        #"points WHERE match = '{__name__=~"m[1]"}'"#,
    ])
    func `a question about one metric decodes points of the rows that have it`(_ from: String) async throws {
        let fixture = try SpoolFixture()
        let spool = try await filled(fixture)
        let audit = try AuditDatabase(live: fixture.path)
        #expect(try audit.cost("SELECT value FROM \(from)").pointBlocks == 10)
        #expect(try audit.rows("SELECT count(*) FROM \(from)") == [[100]])
        #expect(try audit.rows("SELECT DISTINCT name FROM \(from)") == [["m1"]])
        await spool.close()
    }

    @Test func `series of a base are held against a selector once, however many rows stand on it`() async throws {
        let fixture = try SpoolFixture(bases: .eager)
        let spool = try await fixture.open()
        for row in 0..<6 {
            var batch = Batch()
            for series in 0..<50 {
                batch = Make.batch(row * 50 + series..<row * 50 + series + 1, labels: "m\(series)", into: batch)
            }
            _ = try await spool.append(Make.request(batch))
        }
        let audit = try AuditDatabase(live: fixture.path)
        #expect(try audit.rows("SELECT count(*) FROM main.bases") == [[1]])
        let cost = try audit.cost("SELECT value FROM points('m7')")
        // The first row came before the base.
        #expect(cost == AuditCost(blocks: 6, pointBlocks: 6, matchedSeries: 100))
        #expect(try audit.cost("SELECT value FROM points('nobody')") == AuditCost(blocks: 6, matchedSeries: 100))
        #expect(try audit.rows("SELECT value FROM points('m7')").count == 6)
        await spool.close()
    }

    @Test func `counting all points decodes none, and counting by name no values`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await filled(fixture)
        let audit = try AuditDatabase(live: fixture.path)
        #expect(try audit.cost("SELECT count(*) FROM points").blocks == 0)
        #expect(try audit.rows("SELECT count(*) FROM points") == [[400]])
        let byName = "SELECT name, count(*) FROM points GROUP BY name"
        #expect(try audit.rows(byName) == [["m0", 100], ["m1", 100], ["m2", 100], ["m3", 100]])
        #expect(try !audit.plan(byName).contains("TEMP B-TREE"))
        for order in ["name DESC", "2 DESC, 1", "2 DESC"] {
            let ordered = try audit.plan("\(byName) ORDER BY \(order)")
            #expect(!ordered.contains("GROUP BY"), "\(order): \(ordered)")
        }
        #expect(
            try audit.rows("\(byName) ORDER BY name DESC").map { $0[0] } == ["m3", "m2", "m1", "m0"]
                && audit.rows("SELECT DISTINCT name FROM points ORDER BY name DESC LIMIT 1") == [["m3"]])
        #expect(try audit.plan("SELECT time, count(*) FROM points GROUP BY time").contains("TEMP B-TREE"))
        await spool.close()
    }

    @Test(arguments: ["sequence", "sequence, ordinal", "position", "rowid", "sequence DESC", "position DESC"])
    func `points come in the order of acceptance, and need no sorting for it`(_ order: String) async throws {
        let fixture = try SpoolFixture()
        let spool = try await filled(fixture)
        let audit = try AuditDatabase(live: fixture.path)
        #expect(try !audit.plan("SELECT value FROM points ORDER BY \(order)").contains("TEMP B-TREE"))
        let found = try audit.rows("SELECT position FROM points ORDER BY \(order)").map { $0[0] }
        let ordinals = order == "sequence DESC" ? (0..<400).map { 399 - $0 } : Array(0..<400)
        #expect(found == (order.hasSuffix("DESC") ? ordinals.sorted(by: >) : ordinals).map { .integer(Int64($0)) })
        await spool.close()
    }

    @Test func `a question joins points with who sent them, and with what is pending`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await filled(fixture)
        let lease = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 25)))
        try await spool.settle(lease, Make.all(lease, .delivered))
        let audit = try AuditDatabase(live: fixture.path)
        let senders = try audit.rows(
            """
            SELECT r.source, count(*) FROM receipts r JOIN points p ON p.sequence = r.sequence
                AND p.ordinal BETWEEN r.first_ordinal AND r.first_ordinal + r.points - 1 GROUP BY r.source
            """)
        #expect(senders == [["json", 400]])
        let pending = try audit.rows(
            """
            SELECT q.backend, count(*), min(p.position) FROM pending q
                JOIN points p ON p.position >= q.first_position AND p.position < q.end_position GROUP BY 1
            """)
        #expect(pending == [["a", 375, 25]])
        await spool.close()
    }

    @Test(arguments: [
        ("SELECT * FROM points WHERE time > '2026-01-31'", "ts("),
        ("SELECT * FROM points('up{')", "match:"), ("SELECT * FROM points WHERE sequence = 'no'", "is a number"),
        ("SELECT ts('yesterday')", "yesterday"),
        ("SELECT ago('1 fortnight')", "fortnight"),
    ])
    func `what cannot be meant is said, and not answered with nothing`(_ sql: String, _ word: String) async throws {
        let fixture = try SpoolFixture()
        let spool = try await filled(fixture)
        let audit = try AuditDatabase(live: fixture.path)
        let error = #expect(throws: AuditError.self) { try audit.rows(sql) }
        #expect(error?.code == .mistake && error?.message.contains(word) == true)
        await spool.close()
    }

    @Test func `names are compared as the question says`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await filled(fixture)
        let audit = try AuditDatabase(live: fixture.path)
        #expect(try audit.rows("SELECT count(*) FROM points WHERE name = 'M1' COLLATE NOCASE") == [[100]])
        #expect(try audit.rows("SELECT count(*) FROM points WHERE name = 'M1'") == [[0]])
        #expect(try audit.rows("SELECT count(*) FROM points WHERE name = NULL") == [[0]])
        #expect(try audit.rows("SELECT count(*) FROM points WHERE name LIKE 'm1%' OR name = 'm2'") == [[200]])
        await spool.close()
    }

    @Test func `times are read as they are written`() throws {
        let noon: Int64 = 1_769_860_800_000_000_000
        for text in ["2026-01-31T12:00:00Z", "2026-01-31 12:00:00", "2026-01-31 12:00", "2026-01-31T13:00:00+01:00"] {
            #expect(AuditTime.parse(text) == noon, "\(text)")
        }
        #expect(AuditTime.parse("2026-01-31") == noon - 43_200_000_000_000)
        #expect(AuditTime.ago("90s", now: noon) == noon - 90_000_000_000)
        #expect(AuditTime.ago("9223372036854775807d", now: noon) == .min)
        for text in ["", "s", "1", "-1s", "1w", "1 h"] { #expect(AuditTime.ago(text, now: noon) == nil, "\(text)") }
    }
}
