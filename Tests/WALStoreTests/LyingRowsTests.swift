import CSQLite
import TestSupport
import Testing

@testable import WALStore

/// P5: pages that are sound and rows that cannot be true, as a flipped bit in a number makes them. A process that ends on
/// them would end again at each start.
@Suite struct LyingRowsTests {
    private static func change(_ fixture: SpoolFixture, _ statements: [String]) throws {
        let connection = try Connection(path: fixture.path, access: .readWrite)
        try connection.execute("PRAGMA ignore_check_constraints = ON")
        for statement in statements { try connection.execute(statement) }
        connection.setCheckpointOnClose(true)
        connection.close()
    }

    private static func filled() async throws -> SpoolFixture {
        let fixture = try SpoolFixture(cacheBytes: 0)
        let spool = try await fixture.open()
        for index in 0..<6 { _ = try await spool.append(Make.request(Make.batch(index * 10..<index * 10 + 10))) }
        // A hole: an explicit range besides the tail.
        let first = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 10)))
        let second = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 10)))
        await spool.release(first)
        async let settled: Void = spool.settle(second, Make.all(second, .delivered))
        _ = try await spool.append(Make.request(Make.batch(60..<70)))
        try await settled
        await spool.close()
        return fixture
    }

    @Test(arguments: [
        "UPDATE backends SET tail_sequence = 9223372036854775807", "UPDATE backends SET tail_position = 71",
        "UPDATE backends SET delivered_points = 9223372036854775807",
        "UPDATE backends SET excluded_points = -9223372036854775808", "UPDATE backends SET sent_before = -1",
        "UPDATE backends SET sent_before = 9223372036854775807", "UPDATE ranges SET end_position = 9223372036854775807",
        "UPDATE ranges SET first_ordinal = 9223372036854775807", "UPDATE ranges SET end_sequence = 0",
        "UPDATE spool SET next_position = 9223372036854775807", "UPDATE spool SET next_position = -1",
        "UPDATE spool SET next_sequence = 9223372036854775807", "UPDATE spool SET accepted_requests = -5",
        "UPDATE receipts SET sequence = 9223372036854775807", "UPDATE spool SET ledger_version = 9223372036854775807",
    ])
    func `a ledger that cannot be true is refused when it is opened`(_ lie: String) async throws {
        let fixture = try await Self.filled()
        try Self.change(fixture, [lie])
        let failure = await #expect(throws: SpoolError.self) { try await fixture.open() }
        #expect(failure?.code == .unreadable, "\(String(describing: failure))")
    }

    @Test(arguments: [
        "UPDATE batches SET points = -1 WHERE sequence = 1",
        "UPDATE batches SET position = 9223372036854775807 WHERE sequence = 3",
        "UPDATE batches SET last_sequence = 9223372036854775807 WHERE sequence = 1",
        "UPDATE batches SET points = 9223372036854775807 WHERE sequence = 1",
        "UPDATE batches SET position = -10 WHERE sequence = 1", "UPDATE batches SET sequence = -5 WHERE sequence = 1",
        "UPDATE batches SET received_at = -9223372036854775808", "UPDATE batches SET received_at = 9223372036854775807",
        "DELETE FROM ranges",
    ])
    func `a stored row that cannot be true is an error of whoever reads it, and no more`(_ lie: String) async throws {
        let fixture = try await Self.filled()
        try Self.change(fixture, [lie])
        guard let spool = try? await fixture.open() else { return }
        _ = try? await spool.status()
        for _ in 0..<4 {
            guard let lease = try? await spool.lease(backend: "a", limit: LeaseLimit(points: 15)) else { break }
            async let settled: Void? = try? spool.settle(lease, Make.all(lease, .delivered))
            _ = try? await spool.append(Make.request(Make.batch(100..<101)))
            await settled
        }
        try? await spool.maintain()
        if let status = try? await spool.status() {
            #expect(status.backends.allSatisfy { $0.balances && $0.pendingPoints >= 0 })
        }
        await spool.close()
    }

    /// As damaged pages can make it: rows are found, and what is to delete them finds none.
    @Test(.timeLimit(.minutes(10)), arguments: ["deliveries", "batches", "dead_letters"])
    func `rows that cannot be deleted end upkeep with an error, and do not keep it going for ever`(
        _ table: String
    ) async throws {
        let fixture = try SpoolFixture(cacheBytes: 0)
        let spool = try await fixture.open()
        for index in 0..<4 { _ = try await spool.append(Make.request(Make.batch(index * 10..<index * 10 + 10))) }
        let letters = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 10)))
        let reason = DeadLetterReason(code: "refused", excerpt: "no", status: 400)
        try await spool.settle(letters, Make.all(letters, .dead(reason)))
        for _ in 0..<2 {
            // Far enough from each other for rows of their own.
            fixture.advance(seconds: 7200)
            let lease = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 10)))
            try await spool.settle(lease, Make.all(lease, .delivered))
        }
        fixture.advance(seconds: 90 * 86_400)
        try await spool.keepRows(of: table)
        let failure = await #expect(throws: SpoolError.self) { try await spool.maintain() }
        #expect(failure?.code == .unreadable || failure?.code == .unavailable, "\(String(describing: failure))")
        #expect(fixture.raised("a spool turned out to be damaged; it is set aside and carried over") == 1)
        await spool.close()
    }
}

extension Spool {
    /// Nothing that deletes rows of the table takes effect any more, and nothing says so.
    fileprivate func keepRows(of table: String) throws {
        let connection = try openDatabase().connection
        // Ours have none.
        sqlite3_limit(connection.raw, SQLITE_LIMIT_TRIGGER_DEPTH, 1)
        try connection.execute(
            "CREATE TEMP TRIGGER kept BEFORE DELETE ON main.\(table) BEGIN SELECT RAISE(IGNORE); END")
    }
}
