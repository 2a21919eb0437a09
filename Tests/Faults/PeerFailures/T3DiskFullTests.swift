import Metrics
import TestSupport
import Testing

@testable import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// Theme T3 of the peers' failures: disk full, byte caps, files that never shrink.
@Suite(.enabled(if: SmallFileSystem.canBeMade, "mounting needs root"))
struct T3DiskFullTests {
    @Test func `a volume smaller than the cap refuses, and neither crashes nor loses`() async throws {
        let disk = try SmallFileSystem(bytes: 12 << 20)
        let node = FaultStore(disk.path + "/data")
        let store = try node.open(NodeConfiguration(maximumBytes: 1 << 40, freeSpaceReservePercent: 0))
        try await store.configure([FaultStore.tenant("acme", maximumBytes: 1 << 40)])
        var sent = SentBatches()
        await sent.send(700, to: store)
        #expect(sent.refusals > 10 && sent.stored.count > 50)
        #expect(try await store.drain("acme") == sent.storedValues)
        await store.maintain()
        let before = sent.stored.count
        await sent.send(20, to: store)
        #expect(sent.stored.count > before, "what was drained makes room")
        #expect(try await store.allLosses("acme").isEmpty)
        #expect(node.raised("a spool was set aside and a fresh one opened") == 0)
        await store.close()
    }

    @Test func `when full the sender is told, and what is old is not dropped unasked`() async throws {
        let folder = try TemporaryFolder()
        let store = try FaultStore(folder.path + "/data").openUnlimited()
        try await store.configure([FaultStore.tenant("acme", maximumBytes: 3 << 20)])
        var sent = SentBatches()
        await sent.send(100, to: store)
        #expect(sent.refusals > 20)
        #expect(try await store.drain("acme") == sent.storedValues)
        await store.close()
    }

    @Test func `nothing is evicted without an event and a row that says so`() async throws {
        let folder = try TemporaryFolder()
        let node = FaultStore(folder.path + "/data")
        let store = try node.openUnlimited()
        try await store.configure([FaultStore.tenant("acme", maximumBytes: 3 << 20, whenFull: .dropOldest)])
        var sent = SentBatches()
        await sent.send(150, to: store)
        let losses = try await store.allLosses("acme")
        let lost = sent.check(losses, backend: "a")
        #expect(!lost.isEmpty)
        #expect(try await store.drain("acme") + lost == sent.storedValues.suffix(sent.storedPoints - lost.count) + lost)
        #expect(Set(lost) == Set(sent.storedValues.prefix(lost.count)), "the oldest, and nothing else")
        await store.close()
    }

    @Test func `after a long outage the file shrinks again`() async throws {
        let folder = try TemporaryFolder()
        let node = FaultStore(folder.path + "/data")
        let store = try node.openUnlimited()
        try await store.configure([FaultStore.tenant("acme", retainSeconds: 0)])
        var sent = SentBatches()
        await sent.send(150, to: store)
        _ = try await store.drain("acme")
        let full = Files.system.taken(ofTenant: node.path + "/tenants/acme").spool
        for _ in 0..<10 {
            node.advance(seconds: 1)
            await store.maintain()
        }
        let left = Files.system.taken(ofTenant: node.path + "/tenants/acme").spool
        #expect(left < full / 4, "\(left) of \(full) bytes are still taken")
        await store.close()
    }
}
