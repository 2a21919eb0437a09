import Metrics
import TestSupport
import Testing

@testable import WALStore

/// The spool's own tables, as a question sees them.
struct AuditBooksTests {
    @Test func `each table shows what happened to the points`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open(["a", "b"])
        for row in 0..<4 {
            _ = try await spool.append(Make.request(Make.batch(row * 10..<row * 10 + 10), id: "request \(row)"))
        }
        let lease = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 10)))
        let refused = DeadLetterReason(code: "refused", excerpt: "out of bounds", status: 400)
        try await spool.settle(
            lease,
            Make.settlement([
                .init(LeasedRun(piece: 0, ordinals: 0..<7), .delivered),
                .init(LeasedRun(piece: 0, ordinals: 7..<8), .dead(refused)),
                .init(LeasedRun(piece: 0, ordinals: 8..<10), .assumed),
            ]))
        try await spool.recordAnotherLoss()
        try await spool.recordStep()
        let audit = try AuditDatabase(live: fixture.path)
        let at = Cell.text(RFC3339.format(SpoolFixture.start))
        #expect(
            try audit.rows("SELECT sequence, last_sequence, points, at, received_time FROM batches WHERE sequence = 2")
                == [[2, 2, 10, at, .integer(SpoolFixture.start)]])
        #expect(
            try audit.rows("SELECT request_id, sequence, points, source, peer, body_bytes FROM receipts WHERE id = 3")
                == [["request 2", 3, 10, "json", "127.0.0.1", 100]])
        #expect(
            try audit.rows(
                "SELECT backend, outcome, points, first_ordinal, end_ordinal, status FROM deliveries ORDER BY id")
                == [["a", "confirmed", 7, 0, 7, 200], ["a", "assumed", 2, 8, 10, 200]])
        #expect(
            try audit.rows(
                "SELECT backend, sequence, ordinal, time, name, labels, reason, status, excerpt, request_id FROM dead_letters"
            )
                == [
                    [
                        "a", 1, 7, .integer(SpoolFixture.start + 7_000_000), "m", "{}", "refused", 400, "out of bounds",
                        "request 0",
                    ]
                ])
        #expect(
            try audit.rows("SELECT backend, lane, first_sequence, points FROM pending ORDER BY backend")
                == [["a", "live", 1, 30], ["b", "live", 1, 40]])
        #expect(
            try audit.rows("SELECT backend, reason, points, detail FROM losses")
                == [[.null, "spool_set_aside", .null, "another loss"]])
        #expect(try audit.rows("SELECT kind, detail, at FROM events") == [["clock_step", "a step", at]])
        #expect(
            try audit.rows(
                "SELECT name, owed, delivered, assumed, pending, dead, lost, excluded FROM backends ORDER BY 1")
                == [["a", 40, 7, 2, 30, 1, 0, 0], ["b", 40, 0, 0, 40, 0, 0, 0]])
        await spool.close()
    }

    @Test func `the books of a backend add up, also of one that is gone`() async throws {
        let fixture = try SpoolFixture()
        let first = try await fixture.open(["a", "b"])
        for row in 0..<4 { _ = try await first.append(Make.request(Make.batch(row * 10..<row * 10 + 10))) }
        await first.close()
        let spool = try await fixture.open(["a"])
        _ = try await spool.append(Make.request(Make.batch(40..<50)))
        let audit = try AuditDatabase(live: fixture.path)
        #expect(
            try audit.rows("SELECT name, attached, owed, pending, excluded FROM backends ORDER BY 1")
                == [["a", 1, 50, 50, 0], ["b", 0, 50, 40, 10]])
        #expect(
            try audit.rows(
                "SELECT name FROM backends WHERE owed <> delivered + assumed + pending + dead + lost + excluded"
            )
            .isEmpty)
        #expect(try audit.rows("SELECT backend, sum(points) FROM pending GROUP BY 1") == [["a", 50], ["b", 40]])
        await spool.close()
    }
}

extension Spool {
    fileprivate func recordStep() throws(SpoolError) {
        try transact { (database) throws(SpoolError) in try record(event: "clock_step", "a step", database) }
    }
}
