import Metrics
import TestSupport
import Testing

@testable import WALStore

/// The node's `max_bytes` as the file system sees it: all tenants, their logs, the ballast and all else in the folder.
@Suite(.enabled(if: SmallFileSystem.canBeMade, "mounting needs root"))
struct NodeBudgetTests {
    private static let budget: Int64 = 12 << 20

    private func node() -> NodeConfiguration {
        NodeConfiguration(maximumBytes: NodeBudgetTests.budget, freeSpaceReservePercent: 0)
    }

    @Test func `what one tenant only keeps makes room for what another has to store`() async throws {
        let fixture = try SpaceFixture()
        let watch = fixture.watch()
        let store = try fixture.node.open(node())
        try await store.configure([FaultStore.tenant("keeper"), FaultStore.tenant("writer")])
        var kept = SentBatches()
        await kept.send(120, to: store, "keeper", stopsAtRefusal: true)
        #expect(try await store.drain("keeper") == kept.storedValues)
        var sent = SentBatches()
        // Each round: as much as there is room for, then the upkeep of both.
        for _ in 0..<40 where sent.stored.count < 120 {
            await sent.send(120 - sent.stored.count, to: store, "writer", stopsAtRefusal: true)
            await store.maintain()
        }
        #expect(sent.stored.count == 120)
        #expect(try await store.drain("writer") == sent.storedValues)
        await store.close()
        let highest = watch.stop()
        #expect(highest <= NodeBudgetTests.budget, "\(highest) bytes, seen in \(watch.samples) looks")
    }

    @Test(arguments: WhenFull.allCases)
    func `tenants that store, drain, prune and vacuum at the same time stay within it`(policy: WhenFull) async throws {
        let fixture = try SpaceFixture()
        let watch = fixture.watch()
        let store = try fixture.node.open(node())
        let tenants = (0..<6).map { "tenant-\($0)" }
        try await store.configure(tenants.map { FaultStore.tenant($0, retainSeconds: 1, whenFull: policy) })
        await withTaskGroup(of: Void.self) { group in
            for tenant in tenants {
                group.addTask {
                    var sent = SentBatches()
                    await sent.send(60, to: store, tenant)
                    for _ in 0..<4 {
                        _ = try? await store.drain(tenant)
                        await sent.send(15, to: store, tenant)
                    }
                }
            }
            group.addTask {
                for _ in 0..<60 {
                    fixture.node.advance(seconds: 1)
                    await store.maintain()
                }
            }
        }
        for tenant in tenants {
            let books = try await store.spoolStatus(tenant)
            #expect(books.backends.allSatisfy { $0.balances })
        }
        await store.close()
        let highest = watch.stop()
        #expect(highest <= NodeBudgetTests.budget, "\(highest) bytes, seen in \(watch.samples) looks")
        #expect(highest > NodeBudgetTests.budget / 2)
    }

    @Test func `what the node counts is never less than what the file system counts`() async throws {
        let fixture = try SpaceFixture()
        let store = try fixture.node.open(node())
        try await store.configure([FaultStore.tenant("one"), FaultStore.tenant("two")])
        var sent = SentBatches()
        for round in 0..<20 {
            await sent.send(3, points: 1000 * (round % 4 + 1), to: store, round % 2 == 0 ? "one" : "two")
            if round % 5 == 4 { await store.maintain() }
            #expect(Files.system.taken(byTree: fixture.node.path) <= store.nodeUsedBytes)
        }
        await store.close()
        let again = try fixture.node.open(node())
        #expect(Files.system.taken(byTree: fixture.node.path) <= again.nodeUsedBytes)
        #expect(again.nodeUsedBytes <= Files.system.taken(byTree: fixture.node.path) + (256 << 10), "and not much more")
        await again.close()
    }

    @Test func `files beside the spools count, and take only what is left`() async throws {
        let fixture = try SpaceFixture()
        let store = try fixture.node.open(node())
        let files = FileSpace()
        store.attach(files)
        try await store.configure([FaultStore.tenant("acme")])
        let name = fixture.node.path + "/archive/acme/file"
        #expect(files.take(name, from: 0, to: 8 << 20))
        #expect(!files.take(name, from: 8 << 20, to: 13 << 20))
        #expect(files.take("/somewhere/else", from: 0, to: 1 << 40), "not in the data folder")
        var sent = SentBatches()
        await sent.send(100, to: store, stopsAtRefusal: true)
        #expect(sent.reasons == ["the node's spools have used up their budget"])
        #expect(sent.storedPoints * 9 < 4 << 20)
        files.giveBack(name, from: 8 << 20, to: 0)
        await store.maintain()
        let before = sent.stored.count
        await sent.send(20, to: store)
        #expect(sent.stored.count == before + 20)
        await store.close()
    }
}
