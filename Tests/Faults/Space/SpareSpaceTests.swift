import Metrics
import TestSupport
import Testing

@testable import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// A disk with 0, 1, 2, ... pages left at the moment of a commit: whatever part of it finds no room, nothing
/// acknowledged is lost and no spool is set aside.
@Suite(.enabled(if: SmallFileSystem.canBeMade, "mounting needs root"))
struct SpareSpaceTests {
    private static let pages = Effort.count("HOLDFAST_SPARE_PAGES", default: 120)

    @Test func `with any number of pages left nothing acknowledged is lost and no spool is set aside`() async throws {
        let disk = try SmallFileSystem(bytes: 24 << 20)
        var refusals = 0
        var stored = 0
        for spare in 0...SpareSpaceTests.pages {
            let node = FaultStore("\(disk.path)/data-\(spare)")
            let outcome = try await run(node, disk, spare: spare)
            refusals += outcome.refusals
            stored += outcome.stored
            TemporaryFolder.remove(node.path)
        }
        #expect(refusals > SpareSpaceTests.pages / 4, "the disk was full")
        #expect(stored > SpareSpaceTests.pages / 4, "and sometimes it was not")
    }

    private func run(
        _ node: FaultStore, _ disk: SmallFileSystem, spare: Int
    ) async throws -> (refusals: Int, stored: Int) {
        let store = try node.openUnlimited()
        try await store.configure([FaultStore.tenant("acme")])
        var acknowledged = Array(0..<600)
        for index in 0..<3 { _ = try await store.append(FaultStore.batch(index * 200..<index * 200 + 200), "acme") }
        let filler = disk.fill(spare: spare * 4096)
        var (refusals, stored) = (0, 0)
        for index in 3..<12 {
            let values = index * 3000..<index * 3000 + 3000
            switch await Attempted.append(store, FaultStore.batch(values), "acme") {
            case .stored:
                acknowledged += values
                stored += 1
            case .refused(let error):
                #expect(error.code == .full, "\(spare) pages: \(error)")
                refusals += 1
            }
            // Half of the runs settle in between, some of them as dead letters.
            if spare % 2 == 1, index % 3 == 0 {
                let settled = try? await store.drain("acme", limit: 100)
                acknowledged.removeAll { settled?.contains($0) ?? false }
            }
        }
        unlink(filler)
        // As after a power cut, and then as an orderly life.
        if spare % 3 == 0 { await store.dieAtOnce() } else { await store.close() }
        let next = try node.openUnlimited()
        try await next.configure([FaultStore.tenant("acme")])
        let found = try await next.drain("acme")
        let missing = Set(acknowledged).subtracting(found)
        #expect(missing.isEmpty, "\(spare) pages: \(missing.count) acknowledged points are gone")
        #expect(try await next.spoolStatus("acme").backends.allSatisfy { $0.balances })
        #expect(node.raised("a spool was set aside and a fresh one opened") == 0, "\(spare) pages")
        #expect(try await next.append(FaultStore.batch(90_000..<90_001), "acme").storedPoints == 1)
        await next.close()
        return (refusals, stored)
    }

    @Test func `a spool that cannot reserve sequences, without an inode left, says so once and until it can`()
        async throws
    {
        let disk = try SmallFileSystem(bytes: 24 << 20, inodes: 64)
        let node = FaultStore(disk.path + "/data")
        let first = try node.openUnlimited()
        try await first.configure([FaultStore.tenant("acme")])
        _ = try await first.append(FaultStore.batch(0..<100), "acme")
        await first.dieAtOnce()
        let files = disk.useUpInodes()
        let second = try node.openUnlimited()
        try await second.configure([FaultStore.tenant("acme")])
        let event = "a spool cannot store new points and refuses them"
        for _ in 0..<3 {
            guard case .refused = await Attempted.append(second, FaultStore.batch(100..<200), "acme") else {
                return #expect(Bool(false), "there is no inode for another mark")
            }
            await second.maintain()
        }
        #expect(node.raised(event) == 1)
        let refusal = try await second.spoolStatus("acme").refusal
        #expect(refusal?.contains("sequences/acme") == true, "\(refusal ?? "nothing")")
        #expect(second.refusals()["acme"] == refusal)
        #expect(try await second.drain("acme") == Array(0..<100), "draining goes on")
        for file in files { unlink(file) }
        // Nobody need send anything.
        await second.maintain()
        #expect(try await second.spoolStatus("acme").refusal == nil && second.refusals().isEmpty)
        #expect(node.raised("a spool takes new points again") == 1)
        #expect(try await second.append(FaultStore.batch(100..<200), "acme").storedPoints == 100)
        await second.close()
    }

    @Test func `a node starts on a disk that is full to the last byte, drains, and takes in when there is space`()
        async throws
    {
        let disk = try SmallFileSystem(bytes: 48 << 20)
        let node = FaultStore(disk.path + "/data")
        let first = try node.openUnlimited()
        try await first.configure([FaultStore.tenant("acme")])
        for index in 0..<20 { _ = try await first.append(FaultStore.batch(index * 500..<index * 500 + 500), "acme") }
        await first.maintain()
        await first.close()
        let filler = disk.fill()
        let second = try node.openUnlimited()
        try await second.configure([FaultStore.tenant("acme"), FaultStore.tenant("newcomer")])
        #expect(try await second.drain("acme") == Array(0..<10_000))
        guard case .refused(let error) = await Attempted.append(second, FaultStore.batch(0..<200_000), "newcomer")
        else { return #expect(Bool(false), "there is no room for two megabytes") }
        #expect(error.code == .full)
        unlink(filler)
        await second.maintain()
        #expect(try await second.append(FaultStore.batch(0..<100), "newcomer").storedPoints == 100)
        #expect(try await second.append(FaultStore.batch(20_000..<20_100), "acme").storedPoints == 100)
        #expect(try await second.drain("acme") == Array(20_000..<20_100))
        #expect(node.raised("a spool was set aside and a fresh one opened") == 0)
        await second.close()
    }
}
