import Metrics
import TestSupport
import Testing

@testable import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// The free-space reserve on a real small disk: new points never eat into it, draining may.
@Suite(.enabled(if: SmallFileSystem.canBeMade, "mounting needs root"))
struct ReserveTests {
    private static let diskBytes = 48 << 20
    /// A quarter of the disk.
    private static let reserve = Int64(12 << 20)

    @Test(arguments: WhenFull.allCases)
    func `new points leave the reserve free, whatever the policy`(policy: WhenFull) async throws {
        let fixture = try SpaceFixture(bytes: ReserveTests.diskBytes)
        let store = try fixture.node.open(NodeConfiguration(maximumBytes: 1 << 40, freeSpaceReservePercent: 25))
        try await store.configure([FaultStore.tenant("acme", whenFull: policy)])
        let watch = fixture.watch()
        var sent = SentBatches()
        await sent.send(800, to: store)
        let free = watch.leastFree
        // Rows about what is dropped go through a log that is folded in a mebibyte at a time.
        let allowed = policy == .dropNewest ? ReserveTests.reserve - (3 << 20) : ReserveTests.reserve
        #expect(free >= allowed, "\(free) bytes were free")
        let books = try await store.spoolStatus("acme")
        #expect(books.backends.allSatisfy { $0.balances })
        switch policy {
        case .reject, .dropOldest:
            #expect(sent.refusals > 0 && sent.reasons == ["the disk's free-space reserve is reached"])
            #expect(books.backends[0].lostPoints == 0)
        case .dropNewest: #expect(sent.refusals == 0 && sent.droppedPoints > 0)
        }
        _ = watch.stop()
        await store.close()
    }

    @Test func `what another program takes of the disk ends the taking in, and draining goes on`() async throws {
        let fixture = try SpaceFixture(bytes: ReserveTests.diskBytes)
        let store = try fixture.node.open(NodeConfiguration(maximumBytes: 1 << 40, freeSpaceReservePercent: 25))
        try await store.configure([FaultStore.tenant("acme")])
        var sent = SentBatches()
        await sent.send(50, to: store)
        #expect(sent.refusals == 0)
        let filler = fixture.disk.fill(spare: 8 << 20)
        await store.maintain()
        await sent.send(5, to: store)
        #expect(sent.refusals == 5)
        #expect(try await store.drain("acme") == sent.storedValues)
        unlink(filler)
        await store.maintain()
        await sent.send(5, to: store)
        #expect(sent.refusals == 5, "taken again when there is space")
        await store.close()
    }

    /// How much another program leaves: some of the reserve, or hardly anything.
    @Test(arguments: [9 << 20, 2 << 20])
    func `what another program takes of the disk drops nothing of a backlog, whatever the policy`(spare: Int)
        async throws
    {
        let fixture = try SpaceFixture(bytes: ReserveTests.diskBytes)
        let store = try fixture.node.open(NodeConfiguration(maximumBytes: 1 << 40, freeSpaceReservePercent: 25))
        try await store.configure([FaultStore.tenant("acme", maximumBytes: 32 << 20, whenFull: .dropOldest)])
        var sent = SentBatches()
        await sent.send(80, to: store)
        #expect(sent.refusals == 0)
        let filler = fixture.disk.fill(spare: spare)
        for _ in 0..<10 {
            await store.maintain()
            await sent.send(2, points: 1, to: store)
        }
        #expect(sent.refusals == 20 && sent.reasons == ["the disk's free-space reserve is reached"])
        #expect(try await store.allLosses("acme").isEmpty)
        #expect(try await store.spoolStatus("acme").backends[0].pendingPoints == 400_000)
        unlink(filler)
        await store.maintain()
        await sent.send(5, to: store)
        #expect(sent.refusals == 20, "taken again when there is space")
        #expect(try await store.drain("acme") == sent.storedValues)
        await store.close()
    }

    @Test func `the ballast stays where it is while nothing that makes room needs it`() async throws {
        let fixture = try SpaceFixture(bytes: ReserveTests.diskBytes)
        let ballast = fixture.node.path + "/ballast"
        let store = try fixture.node.open(NodeConfiguration(maximumBytes: 48 << 20, freeSpaceReservePercent: 0))
        try await store.configure([FaultStore.tenant("acme")])
        #expect(Files.system.size(ballast) == 6 << 20)
        let filler = fixture.disk.fill(spare: 2 << 20)
        var sent = SentBatches()
        for _ in 0..<6 {
            await sent.send(20, to: store)
            await store.maintain()
            #expect(Files.system.size(ballast) == 6 << 20)
        }
        #expect(sent.refusals > 20 && fixture.node.raised(ReserveTests.released) == 0)
        #expect(try await store.drain("acme") == sent.storedValues)
        unlink(filler)
        await store.close()
    }

    private static let released = "the disk is full: the ballast was released"

    @Test func `while the ballast is away new points wait, until the disk has twice the room for it`() async throws {
        let fixture = try SpaceFixture(bytes: ReserveTests.diskBytes)
        let ballast = fixture.node.path + "/ballast"
        let node = NodeConfiguration(maximumBytes: 48 << 20, freeSpaceReservePercent: 0)
        let store = try fixture.node.open(node)
        try await store.configure([FaultStore.tenant("acme")])
        var sent = SentBatches()
        await sent.send(1, points: 2000, to: store)
        let filler = fixture.disk.fill()
        // A dead letter a point: more than the log has room for.
        let refused = Fate.dead(DeadLetterReason(code: "refused", excerpt: "no", status: 400))
        #expect(try await store.drain("acme", fate: refused).count == 2000)
        #expect(fixture.node.raised(ReserveTests.released) == 1)
        for spare in [0, 1, 2] {
            if spare > 0 {
                unlink(filler)
                _ = fixture.disk.fill(spare: (4 + 3 * spare) << 20)
            }
            await store.maintain()
            let before = sent.stored.count
            await sent.send(3, to: store)
            #expect(sent.stored.count == before, "\(spare)")
            #expect(Files.system.size(ballast) == 0)
        }
        #expect(store.refusals()["acme"] == "the disk's free-space reserve is reached")
        // Not forgotten by the next process either.
        await store.close()
        unlink(filler)
        _ = fixture.disk.fill(spare: 5 << 20)
        let next = try fixture.node.open(node)
        try await next.configure([FaultStore.tenant("acme")])
        await next.maintain()
        await sent.send(3, to: next)
        #expect(sent.stored.count == 1)
        unlink(filler)
        await next.maintain()
        await sent.send(1, to: next)
        #expect(sent.stored.count == 2)
        #expect(Files.system.size(ballast) == 6 << 20)
        await next.close()
    }

    @Test func `with no byte free, no ballast, and another program that takes what is given back, draining goes on`()
        async throws
    {
        let fixture = try SpaceFixture(bytes: ReserveTests.diskBytes)
        let store = try fixture.node.open(NodeConfiguration(maximumBytes: 1 << 40, freeSpaceReservePercent: 25))
        try await store.configure([FaultStore.tenant("acme")])
        var sent = SentBatches()
        await sent.send(60, to: store)
        var fillers = [fixture.disk.fill(spare: 8 << 20)]
        await store.maintain()
        unlink(fixture.node.path + "/ballast")
        var drained: [Int] = []
        for round in 0..<60 where drained.count < sent.storedPoints {
            fillers.append(fixture.disk.fill("filler-\(round)"))
            drained += try await store.drain("acme", limit: 7000)
            fillers.append(fixture.disk.fill("filler-after-\(round)"))
            await store.maintain()
            await sent.send(1, to: store)
        }
        #expect(drained == sent.storedValues)
        #expect(sent.refusals > 30 && sent.stored.count == 60)
        let books = try await store.spoolStatus("acme")
        #expect(books.backends.allSatisfy { $0.balances && $0.pendingPoints == 0 })
        for filler in fillers { unlink(filler) }
        await store.maintain()
        await sent.send(1, to: store)
        #expect(sent.stored.count == 61)
        await store.close()
    }
}
