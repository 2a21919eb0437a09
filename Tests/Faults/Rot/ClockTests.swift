import Metrics
import Synchronization
import TestSupport
import Testing

@testable import WALStore

/// Clocks that leap and sequences that would come back (rules 8, 9).
@Suite struct ClockTests {
    private static let year: Int64 = 365 * 86_400

    private func tenant() -> SpoolConfiguration {
        var tenant = RotNode.tenant()
        tenant.maximumAgeSeconds = 3600
        return tenant
    }

    private func lost(_ store: WALStore) async -> Int64? { await store.status("acme")?.backends.first?.lostPoints }

    @Test(arguments: [ClockTests.year * 10, -ClockTests.year * 10])
    func `a wall clock that steps by years deletes nothing, and is said`(seconds: Int64) async throws {
        let node = try RotNode()
        let store = try node.open()
        try await store.configure([tenant()])
        try await node.append(100, to: store)
        await store.maintain()
        node.wall.withLock { $0 += seconds * 1_000_000_000 }
        await store.maintain()
        #expect(await lost(store) == 0)
        #expect(node.raised("the wall clock stepped: nothing is deleted for its age for an hour") == 1)
        // Time that passes counts, whatever the wall clock shows: an hour and a second, then the hour of the pause.
        node.advance(seconds: 3601)
        await store.maintain()
        try await node.append(1, to: store)
        node.advance(seconds: 3601)
        await store.maintain()
        #expect(await lost(store) == 100)
        await store.close()
    }

    @Test func `a machine that comes back years later ages its backlog by an hour at most`() async throws {
        let node = try RotNode()
        var store = try node.open()
        var patient = tenant()
        patient.maximumAgeSeconds = 3 * 3600
        try await store.configure([patient])
        try await node.append(100, to: store)
        for life in 0..<2 {
            await node.abandon(store)
            node.bootID.withLock { $0 = "boot \(life)" }
            node.boot.withLock { $0 = 1_000_000_000 }
            node.wall.withLock { $0 += ClockTests.year * 1_000_000_000 }
            store = try node.open()
            try await store.configure([patient])
            try await node.append(1, to: store)
            await store.maintain()
            #expect(await lost(store) == 0)
        }
        let age = await store.status("acme")?.backends.first?.oldestPendingAgeSeconds ?? -1
        #expect(age >= 3600 && age <= 2 * 3600 + 1, "\(age)")
        await store.close()
    }

    @Test func `sequences do not come back after everything was delivered, pruned, and the clock set back`()
        async throws
    {
        let node = try RotNode()
        var highest: Int64 = 0
        for life in 0..<4 {
            let store = try node.open()
            try await store.configure([RotNode.tenant()])
            for _ in 0..<3 {
                let values = try await node.append(10, to: store)
                let sequences = node.known.withLock { known in values.compactMap { known.places[$0]?.sequence } }
                #expect(sequences.allSatisfy { $0 > highest }, "life \(life): \(sequences) after \(highest)")
                highest = max(highest, sequences.max() ?? 0)
            }
            for backend in ["a", "b"] { try await node.settle(backend, points: 1000, in: store) { _ in .delivered } }
            node.advance(seconds: 200)
            await store.maintain()
            if life % 2 == 0 { await store.close() } else { await node.abandon(store) }
            node.wall.withLock { $0 -= ClockTests.year * 1_000_000_000 }
        }
    }

    @Test func `sequences do not come back when the spool and every mark but one are lost`() async throws {
        let node = try RotNode()
        let store = try node.open()
        try await store.configure([RotNode.tenant()])
        let values = try await node.append(10, to: store)
        await store.close()
        var generator = SeededGenerator(seed: 1)
        Damage.removeAll.apply(to: node.tenantFolder(), spare: node.folder.path, &generator)
        let second = try node.open()
        try await second.configure([RotNode.tenant()])
        let later = try await node.append(10, to: second)
        let (first, next) = node.known.withLock { known in
            (
                values.compactMap { known.places[$0]?.sequence }.max() ?? 0,
                later.compactMap { known.places[$0]?.sequence }.min() ?? 0
            )
        }
        #expect(next > first)
        await second.close()
    }
}
