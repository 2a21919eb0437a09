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
        let allowed = policy == .reject ? ReserveTests.reserve : ReserveTests.reserve - (3 << 20)
        #expect(free >= allowed, "\(free) bytes were free")
        let books = try await store.spoolStatus("acme")
        #expect(books.backends.allSatisfy { $0.balances })
        switch policy {
        case .reject:
            #expect(sent.refusals > 0 && sent.reasons == ["the disk's free-space reserve is reached"])
        case .dropNewest: #expect(sent.refusals == 0 && sent.droppedPoints > 0)
        case .dropOldest: #expect(books.backends[0].lostPoints > 0)
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
}
