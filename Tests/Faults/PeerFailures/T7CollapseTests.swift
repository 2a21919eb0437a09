import CSQLite
import Metrics
import TestSupport
import Testing

@testable import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// Theme T7: memory, start, commit, lease and settle must not grow with the backlog. Counted in pages that SQLite reads
/// and writes, which no busy machine changes.
struct T7CollapseTests {
    private static let smallBacklog = 200
    /// Rows; as many points each as keep the test short.
    private static let largeBacklog = Effort.count("HOLDFAST_BACKLOG_ROWS", default: 8000)
    private static let pointsARow = Effort.count("HOLDFAST_BACKLOG_POINTS", default: 20)

    private struct Cost: CustomStringConvertible {
        var open: Int64 = 0
        var status: Int64 = 0
        var lease: Int64 = 0
        var settle: Int64 = 0
        var commit: Int64 = 0
        var description: String { "open \(open), status \(status), lease \(lease), settle \(settle), commit \(commit)" }
    }

    private func fill(_ node: FaultStore, rows: Int) async throws {
        let store = try node.openUnlimited()
        try await store.configure([FaultStore.tenant("acme", backends: ["a", "b"])])
        for row in 0..<rows {
            let first = row * T7CollapseTests.pointsARow
            _ = try await store.append(FaultStore.batch(first..<first + T7CollapseTests.pointsARow), "acme")
        }
        await store.close()
    }

    /// Pages read and written by each step on a spool with that much waiting.
    private func measure(rows: Int) async throws -> Cost {
        let folder = try TemporaryFolder()
        let node = FaultStore(folder.path + "/data")
        try await fill(node, rows: rows)
        let store = try node.openUnlimited()
        try await store.configure([FaultStore.tenant("acme", backends: ["a", "b"])])
        let cost = try await store.withSpool("acme") { (spool) async throws(SpoolError) in
            var cost = Cost()
            cost.open = await spool.pagesTouched()
            _ = try await spool.status()
            cost.status = await spool.pagesTouched()
            guard let lease = try await spool.lease(backend: "a", limit: LeaseLimit(points: 20)) else {
                throw SpoolError(.misuse, "nothing to lease")
            }
            cost.lease = await spool.pagesTouched()
            let parts = lease.pieces.indices.map {
                Settlement.Part(LeasedRun(piece: $0, ordinals: lease.pieces[$0].ordinals), .delivered)
            }
            try await spool.settle(
                lease, Settlement(parts: parts, attempts: 1, status: 200, firstAttemptAt: FaultStore.start))
            cost.settle = await spool.pagesTouched()
            return cost
        }
        var whole = cost
        _ = try await store.append(FaultStore.batch(9_000_000..<9_000_020), "acme")
        whole.commit = try await store.withSpool("acme") { (spool) async throws(SpoolError) in
            await spool.pagesTouched()
        }
        await store.close()
        return whole
    }

    @Test func `opening, leasing, settling and committing touch as many pages with a backlog forty times as long`()
        async throws
    {
        let small = try await measure(rows: T7CollapseTests.smallBacklog)
        let large = try await measure(rows: T7CollapseTests.largeBacklog)
        print("pages touched with \(T7CollapseTests.smallBacklog) rows: \(small)")
        print("pages touched with \(T7CollapseTests.largeBacklog) rows: \(large)")
        // A tree that is higher by a level or two, for each of the few look-ups.
        let names: [(String, KeyPath<Cost, Int64>)] = [
            ("open", \.open), ("status", \.status), ("lease", \.lease), ("settle", \.settle), ("commit", \.commit),
        ]
        for (name, part) in names {
            #expect(large[keyPath: part] <= 2 * small[keyPath: part] + 40, "\(name): \(small) against \(large)")
        }
    }

    @Test func `the ledger in memory is as large with a long backlog as with a short one`() async throws {
        var sizes: [Int] = []
        for rows in [T7CollapseTests.smallBacklog, T7CollapseTests.largeBacklog / 4] {
            let folder = try TemporaryFolder()
            let node = FaultStore(folder.path + "/data")
            try await fill(node, rows: rows)
            let store = try node.openUnlimited()
            try await store.configure([FaultStore.tenant("acme", backends: ["a", "b"])])
            sizes.append(
                try await store.withSpool("acme") { (spool) async throws(SpoolError) in
                    await spool.ledger.backends.reduce(0) { $0 + $1.ranges.count }
                })
            #expect(try await store.spoolStatus("acme").backends.allSatisfy { $0.pendingPoints > 0 })
            await store.close()
        }
        #expect(sizes[0] == sizes[1])
    }
}

extension Spool {
    /// Pages its connection took from its cache, read and wrote since the last call.
    func pagesTouched() -> Int64 {
        guard let raw = database?.connection.raw else { return 0 }
        return [SQLITE_DBSTATUS_CACHE_HIT, SQLITE_DBSTATUS_CACHE_MISS].reduce(0) { sum, what in
            var (now, highest): (Int32, Int32) = (0, 0)
            sqlite3_db_status(raw, what, &now, &highest, 1)
            return sum + Int64(now)
        }
    }
}
