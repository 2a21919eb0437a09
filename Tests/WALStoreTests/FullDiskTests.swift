import Metrics
import TestSupport
import Testing

@testable import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// On a real file system that is really full.
struct FullDiskTests {
    private func status(_ store: WALStore) async throws -> SpoolStatus {
        try await store.withSpool("acme") { (spool) async throws(SpoolError) in try await spool.status() }
    }

    private func refusal(_ store: WALStore, _ batch: Batch) async -> SpoolError? {
        do {
            _ = try await store.append(batch, tenant: "acme")
            return nil
        } catch {
            return error
        }
    }

    @Test(arguments: [WhenFull.reject, .dropOldest])
    func `on a full disk draining goes on, and taking in resumes when there is space`(whenFull: WhenFull) async throws {
        let disk = try SmallFileSystem(bytes: 64 << 20)
        let fixture = try StoreFixture(path: disk.path + "/data")
        let store = try fixture.open()
        try await store.configure([StoreFixture.tenant("acme", whenFull: whenFull)])
        for index in 0..<50 { _ = try await store.append(Make.batch(index * 100..<index * 100 + 100), tenant: "acme") }
        await store.maintain()
        let ballast = Ballast.bytes(within: Int64(64 << 20) / 5 * 4)
        #expect(Files.system.size(disk.path + "/data/ballast") == ballast)

        let filler = disk.fill()
        var random = SeededGenerator.fresh()
        let refused = await refusal(store, .noise(400_000, &random))
        #expect(refused?.code == .full)
        #expect(fixture.raised("the disk is full: the ballast was released") == 0, "not for new points")
        // What was accepted drains: the first settle that finds no page has the ballast.
        #expect(try await store.drain("acme") == Array(0..<5000))
        let books = try await status(store)
        #expect(books.isBalanced && books.backends.first?.deliveredPoints == 5000)
        #expect(books.acceptedPoints == 5000)

        // Points must not eat up what the ballast gave.
        if whenFull == .reject, fixture.raised("the disk is full: the ballast was released") == 1 {
            #expect(await refusal(store, Make.batch(0..<1))?.code == .full)
        }
        unlink(filler)
        await store.maintain()
        #expect(try await store.append(Make.batch(5000..<5100), tenant: "acme").storedPoints == 100)
        #expect(try await store.drain("acme") == Array(5000..<5100))
        #expect(try await status(store).isBalanced)
        #expect(fixture.raised("a spool is reopened after an input/output error") == 0)
        await store.maintain()
        #expect(Files.system.size(disk.path + "/data/ballast") == ballast, "taken again")
        await store.close()
    }

    @Test func `a settle that finds the disk full has the ballast at once`() async throws {
        let disk = try SmallFileSystem(bytes: 64 << 20)
        let fixture = try StoreFixture(path: disk.path + "/data")
        let store = try fixture.open()
        try await store.configure([StoreFixture.tenant("acme")])
        let points = 2000
        _ = try await store.append(Make.batch(0..<points), tenant: "acme")
        let lease = try #require(
            try await store.withSpool("acme") { (spool) async throws(SpoolError) in
                try await spool.lease(backend: "a", limit: LeaseLimit(points: points))
            })
        _ = disk.fill()
        // A dead letter a point: more than the WAL has room for.
        try await store.withSpool("acme") { (spool) async throws(SpoolError) in
            try await spool.settle(
                lease, Make.all(lease, .dead(DeadLetterReason(code: "refused", excerpt: "no", status: 400))))
        }
        #expect(fixture.raised("the disk is full: the ballast was released") == 1)
        let books = try await status(store)
        #expect(books.isBalanced && books.backends.first?.deadPoints == Int64(points))
        #expect(await refusal(store, Make.batch(0..<1))?.code == .full, "the ballast is not for new points")
        await store.close()
    }

    @Test func `a settle that finds the node's budget used up has the ballast, and the disk is not called full`()
        async throws
    {
        let fixture = try StoreFixture()
        let store = try fixture.open(NodeConfiguration(maximumBytes: 64 << 20))
        try await store.configure([StoreFixture.tenant("acme")])
        let points = 2000
        _ = try await store.append(Make.batch(0..<points), tenant: "acme")
        await store.maintain()
        let lease = try #require(
            try await store.withSpool("acme") { (spool) async throws(SpoolError) in
                try await spool.lease(backend: "a", limit: LeaseLimit(points: points))
            })
        // An archive took all there was.
        #expect(store.space.takeForFile(store.space.room))
        try await store.withSpool("acme") { (spool) async throws(SpoolError) in
            try await spool.settle(
                lease, Make.all(lease, .dead(DeadLetterReason(code: "refused", excerpt: "no", status: 400))))
        }
        #expect(fixture.raised("the node's budget is used up: the ballast was released") == 1)
        #expect(fixture.raised("the disk is full: the ballast was released") == 0)
        #expect(!store.space.pressure.isReserveReached)
        let refused = await refusal(store, Make.batch(0..<1))
        #expect(refused?.code == .full && refused?.message.contains("budget") == true, "\(String(describing: refused))")
        #expect(try await status(store).isBalanced)
        await store.close()
    }

    @Test func `a spool opens on a full disk, and is not set aside for it`() async throws {
        let disk = try SmallFileSystem(bytes: 64 << 20)
        let fixture = try StoreFixture(path: disk.path + "/data")
        let first = try fixture.open(NodeConfiguration(maximumBytes: 1 << 30))
        try await first.configure([StoreFixture.tenant("acme")])
        _ = try await first.append(Make.batch(0..<100), tenant: "acme")
        await first.maintain()
        await first.close()
        _ = disk.fill()
        let second = try fixture.open(NodeConfiguration(maximumBytes: 1 << 30, freeSpaceReservePercent: 0)) {
            _ throws(SpoolError) in DiskSpace(totalBytes: 1 << 30, freeBytes: 1 << 29)
        }
        try await second.configure([StoreFixture.tenant("acme")])
        #expect(try await second.drain("acme") == Array(0..<100))
        #expect(fixture.raised("the disk is full: the ballast was released") == 1)
        #expect(fixture.raised("a spool was set aside and a fresh one opened") == 0)
        await second.close()
    }
}
