import Metrics
import Synchronization
import TestSupport
import Testing

@testable import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// Theme T8: tenants have their own caps inside a cap for all, do not delete each other's queues, and cost nothing while
/// they are not there.
@Suite(.serialized) struct T8MultiTenancyTests {
    private static func names(_ count: Int) -> [String] { (0..<count).map { "tenant-\($0)" } }

    @Test func `ten thousand tenants start without an open spool or one more thread or file than ten`() async throws {
        let folder = try TemporaryFolder()
        let few = try FaultStore(folder.path + "/few").openUnlimited()
        try await few.configure(T8MultiTenancyTests.names(10).map { FaultStore.tenant($0) })
        let fewThreads = few.writers.threads + few.readers.threads
        await few.close()
        let store = try FaultStore(folder.path + "/many").openUnlimited()
        try await store.configure(T8MultiTenancyTests.names(10_000).map { FaultStore.tenant($0) })
        await store.maintain()
        #expect(store.state.withLock { $0.highestOpenCount } == 0)
        #expect(store.writers.threads + store.readers.threads == fewThreads)
        #expect(Files.system.names(in: folder.path + "/many/tenants").isEmpty)
        #expect(try await store.append(FaultStore.batch(0..<10), "tenant-9999").storedPoints == 10)
        #expect(store.state.withLock { $0.highestOpenCount } == 1)
        await store.close()
    }

    @Test func `a thousand tenants in turn use a few open places, within the node's budget, and lose nothing`()
        async throws
    {
        let count = Effort.count("HOLDFAST_TENANTS", default: 1000)
        let folder = try TemporaryFolder()
        let node = FaultStore(folder.path + "/data")
        let places = 32
        let store = try node.open(
            NodeConfiguration(maximumBytes: 4 << 30, freeSpaceReservePercent: 0, openSpools: places))
        let tenants = T8MultiTenancyTests.names(count)
        try await store.configure(tenants.map { FaultStore.tenant($0) })
        await withTaskGroup(of: Void.self) { group in
            for worker in 0..<8 {
                group.addTask {
                    for index in stride(from: worker, to: count, by: 8) {
                        let values = index * 10..<index * 10 + 10
                        // All places may be taken for a moment: the sender tries again.
                        while case .refused(let error) = await Attempted.append(
                            store, FaultStore.batch(values), tenants[index])
                        {
                            guard error.code == .full else {
                                Issue.record("\(error)")
                                return
                            }
                        }
                    }
                }
            }
        }
        #expect(store.state.withLock { $0.highestOpenCount } <= places)
        await store.close()
        let again = try node.open(
            NodeConfiguration(maximumBytes: 4 << 30, freeSpaceReservePercent: 0, openSpools: places))
        try await again.configure(tenants.map { FaultStore.tenant($0) })
        #expect(again.state.withLock { $0.highestOpenCount } == 0, "starting opens none")
        #expect(again.tenantsWithWork().count == count)
        #expect(again.nodeUsedBytes >= Files.system.taken(byTree: node.path))
        for index in stride(from: 0, to: count, by: max(1, count / 100)) {
            #expect(try await again.drain(tenants[index]) == Array(index * 10..<index * 10 + 10))
        }
        #expect(again.state.withLock { $0.highestOpenCount } <= places)
        await again.close()
    }

    @Test func `a tenant that uses up its cap takes nothing from another, nor does one that drops`() async throws {
        let folder = try TemporaryFolder()
        let store = try FaultStore(folder.path + "/data").openUnlimited()
        try await store.configure([
            FaultStore.tenant("greedy", maximumBytes: 3 << 20), FaultStore.tenant("modest", maximumBytes: 3 << 20),
            FaultStore.tenant("dropper", maximumBytes: 3 << 20, whenFull: .dropOldest),
        ])
        var (greedy, modest, dropper) = (SentBatches(), SentBatches(), SentBatches())
        for _ in 0..<20 {
            await greedy.send(4, to: store, "greedy")
            await dropper.send(4, to: store, "dropper")
            await modest.send(1, points: 500, to: store, "modest")
        }
        #expect(greedy.refusals > 10 && dropper.refusals == 0)
        #expect(modest.refusals == 0)
        #expect(try await store.drain("modest") == modest.storedValues)
        #expect(try await store.allLosses("modest").isEmpty)
        #expect(try await store.drain("greedy") == greedy.storedValues)
        await store.close()
    }

    @Test func `a cap for all holds beside the caps of each`() async throws {
        let folder = try TemporaryFolder()
        let node = FaultStore(folder.path + "/data")
        let cap: Int64 = 10 << 20
        let store = try node.open(NodeConfiguration(maximumBytes: cap, freeSpaceReservePercent: 0))
        let tenants = T8MultiTenancyTests.names(4)
        try await store.configure(tenants.map { FaultStore.tenant($0, maximumBytes: 8 << 20) })
        var sent: [String: SentBatches] = [:]
        for _ in 0..<60 {
            for tenant in tenants {
                await sent[tenant, default: SentBatches()].send(1, points: 10_000, to: store, tenant)
                #expect(Files.system.taken(byTree: node.path) <= cap)
            }
        }
        #expect(sent.values.allSatisfy { $0.refusals > 0 && !$0.stored.isEmpty })
        for tenant in tenants { #expect(try await store.drain(tenant) == sent[tenant]?.storedValues) }
        await store.close()
    }
}
