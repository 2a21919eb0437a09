import Metrics
import TestSupport
import Testing

@testable import WALStore

/// What is asked of the disk, and what happens when it does not answer.
struct SyncTests {
    private func watched() throws -> SpoolFixture {
        let fixture = try SpoolFixture()
        SyncProbe.watch(fixture.folder.path)
        return fixture
    }

    @Test func `a commit syncs the log once, whatever is in it, and the database never`() async throws {
        let fixture = try watched()
        let spool = try await fixture.open(["a", "b"])
        _ = try await spool.append(Make.request(Make.batch(0..<10)))
        _ = try await spool.lease(backend: "b", limit: LeaseLimit(points: 1))
        let databaseSyncs = SyncProbe.syncs(fixture.folder.path, "spool.db")
        for round in 1...5 {
            let before = SyncProbe.syncs(fixture.folder.path, "-wal")
            let gate = Semaphore()
            fixture.writer.submit { gate.wait() }
            async let answers = withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<round {
                    group.addTask { try await spool.append(Make.request(Make.batch(0..<100))).storedPoints }
                }
                return try await group.reduce(0, +)
            }
            while spool.queued < round { await Task.yield() }
            gate.post()
            #expect(try await answers == round * 100)
            #expect(SyncProbe.syncs(fixture.folder.path, "-wal") == before + 1, "\(round) requests")
        }
        let lease = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 10)))
        let before = SyncProbe.syncs(fixture.folder.path, "-wal")
        try await spool.settle(lease, Make.all(lease, .delivered))
        #expect(SyncProbe.syncs(fixture.folder.path, "-wal") == before + 1, "a settle alone")
        #expect(SyncProbe.syncs(fixture.folder.path, "spool.db") == databaseSyncs)
        await spool.close()
    }

    @Test func `a commit whose fsync failed once is written anew, and then is a success`() async throws {
        let fixture = try watched()
        var spool = try await fixture.open()
        _ = try await spool.append(Make.request(Make.batch(0..<10)))
        // The reader has a connection: with it left open, nothing would be recovered.
        _ = try await spool.lease(backend: "a", limit: LeaseLimit(points: 5))
        SyncProbe.failSyncs(fixture.folder.path, "-wal", 1)
        let databaseSyncs = SyncProbe.syncs(fixture.folder.path, "spool.db")
        let receipt = try await spool.append(Make.request(Make.batch(10..<20)))
        #expect(receipt.storedPoints == 10 && receipt.places.first?.start.sequence == 2)
        #expect(SyncProbe.syncs(fixture.folder.path, "spool.db") > databaseSyncs, "not the page cache's word")
        #expect(await spool.walBytes() == 0, "no later commit stands behind what may not be there")
        #expect(fixture.raised("a spool is reopened after an input/output error") == 1)
        let rest = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 100)))
        #expect(rest.values == Array(5..<20))
        // A settle too, and its lease is over. The first commit of an emptied log also syncs its header, before there is
        // anything to recover: one more, so that it is the commit's sync that fails.
        _ = try await spool.append(Make.request(Make.batch(20..<21)))
        SyncProbe.failSyncs(fixture.folder.path, "-wal", 1)
        try await spool.settle(rest, Make.all(rest, .delivered))
        #expect(try await spool.books("a").deliveredPoints == 15)
        #expect(try await spool.books("a").balances)
        await spool.abandon()
        spool = try await fixture.open()
        let left = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 100)))
        #expect(left.values == Array(0..<5) + [20])
        await spool.close()
    }

    @Test func `a spool whose disk fails twice is set aside while it runs, and a fresh one goes on`() async throws {
        let fixture = try StoreFixture()
        SyncProbe.watch(fixture.path)
        let store = try fixture.open()
        try await store.configure([StoreFixture.tenant("acme"), StoreFixture.tenant("other")])
        let first = try await store.append(Make.batch(0..<10), tenant: "acme")
        _ = try await store.append(Make.batch(0..<10), tenant: "other")
        SyncProbe.failSyncs(fixture.path, "acme/spool.db-wal", 2)
        let error = await #expect(throws: SpoolError.self) {
            try await store.append(Make.batch(10..<20), tenant: "acme")
        }
        #expect(error?.code == .commitFailed)
        let second = try await store.append(Make.batch(20..<30), tenant: "acme")
        let (last, next) = (try #require(first.places.last), try #require(second.places.first))
        #expect(next.start > last.end, "sequences do not come back")
        await store.maintain()
        // All that was acknowledged is carried over; the request that failed is there whole or not at all.
        let values = try await store.drain("acme")
        #expect(values == Array(0..<10) + Array(20..<30) || values == Array(0..<30), "\(values)")
        #expect(try await store.drain("other") == Array(0..<10))
        let losses = try await store.withSpool("acme") { (spool) async throws(SpoolError) in try await spool.losses() }
        #expect(losses.isEmpty, "\(losses)")
        let names = Files.system.names(in: store.folder.folder(of: "acme"))
        #expect(names.contains { $0.hasPrefix("spool.db.set-aside-") }, "\(names)")
        await store.close()
    }
}
