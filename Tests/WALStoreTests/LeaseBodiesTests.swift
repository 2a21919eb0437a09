import Metrics
import TestSupport
import Testing

@testable import WALStore

/// Leases of the bodies that requests came in. The body of `Make.request(hasBody: true)` holds the values of its points.
struct LeaseBodiesTests {
    private let fixture: SpoolFixture

    init() throws { fixture = try SpoolFixture(cacheBytes: 4 << 20) }

    /// The values of a batch whose series all come once.
    private func distinct(_ values: Range<Int>) -> Batch {
        var batch = Batch()
        for value in values { batch.merge(Make.batch(value..<value + 1, labels: "m\(value)")) }
        return batch
    }

    /// In one row.
    private func append(_ batches: [Batch], to spool: Spool, withoutBody: Set<Int> = []) async throws {
        let gate = Semaphore()
        fixture.writer.submit { gate.wait() }
        var waiting: [Task<AppendReceipt, any Error>] = []
        for (index, batch) in batches.enumerated() {
            let queued = spool.queued
            let request = Make.request(batch, hasBody: !withoutBody.contains(index))
            waiting.append(Task { try await spool.append(request) })
            while spool.queued == queued { await Task.yield() }
        }
        gate.post()
        for task in waiting { _ = try await task.value }
    }

    private func lease(_ spool: Spool, _ points: Int = 100, merged: Bool = false, bodies: Int? = 100) async throws
        -> Lease?
    {
        try await spool.lease(backend: "a", limit: LeaseLimit(points: points, isMerged: merged, bodyPoints: bodies))
    }

    /// A spool of which "a" has asked for bodies and is owed nothing.
    private func open(_ backends: [String] = ["a"]) async throws -> Spool {
        let spool = try await fixture.open(backends)
        #expect(try await lease(spool) == nil)
        _ = try await spool.append(Make.request(Make.batch(900..<901)))
        let first = try #require(try await lease(spool))
        #expect(!first.isOfBodies)
        try await spool.settle(first, Make.all(first, .delivered))
        return spool
    }

    @Test func `who asks for bodies gets those of rows that came since, with their places`() async throws {
        let spool = try await open()
        try await append([Make.batch(0..<10), Make.batch(10..<30)], to: spool)
        try await append([Make.batch(30..<35)], to: spool)
        let lease = try #require(try await lease(spool))
        #expect(lease.isOfBodies)
        #expect(lease.values == Array(0..<35))
        #expect(lease.pieces.map(\.bodies.count) == [2, 1])
        #expect(lease.pieces.map(\.places.description) == ["2.0..<2.30", "3.0..<3.5"])
        #expect(lease.pieces.allSatisfy { $0.batch.isEmpty })
        try await spool.settle(lease, Make.all(lease, .delivered))
        let books = try await spool.books("a")
        #expect(books.balances && books.deliveredPoints == 36)
        await spool.close()
    }

    @Test func `a lease ends where a body ends, and the next begins there`() async throws {
        let spool = try await open()
        try await append([Make.batch(0..<10), Make.batch(10..<30), Make.batch(30..<35)], to: spool)
        let first = try #require(try await lease(spool, 25, bodies: 25))
        #expect(first.values == Array(0..<10))
        let second = try #require(try await lease(spool, 25, bodies: 25))
        #expect(second.values == Array(10..<35))
        // Nothing is left.
        #expect(try await lease(spool) == nil)
        await spool.release(first)
        try await spool.settle(second, Make.all(second, .delivered))
        let again = try #require(try await lease(spool, 25))
        #expect(again.isOfBodies && again.values == Array(0..<10))
        await spool.close()
    }

    @Test func `points that begin or end inside a body are leased as points`() async throws {
        let spool = try await open()
        try await append([Make.batch(0..<10), Make.batch(10..<30)], to: spool)
        let cut = try #require(try await lease(spool, 4, bodies: 4))
        #expect(!cut.isOfBodies && cut.values == [0, 1, 2, 3])
        let rest = try #require(try await lease(spool))
        #expect(!rest.isOfBodies && rest.values == Array(4..<30))
        await spool.close()
    }

    @Test func `a row with a request that is more than its points is leased as points`() async throws {
        let spool = try await open()
        try await append([Make.batch(0..<10), Make.batch(10..<30)], to: spool, withoutBody: [1])
        var metadata = Batch()
        metadata.metadata.append(MetricMetadata(family: "up", kind: .gauge))
        try await append([Make.batch(30..<40), metadata], to: spool, withoutBody: [1])
        let lease = try #require(try await lease(spool))
        #expect(!lease.isOfBodies && lease.values == Array(0..<40))
        await spool.close()
    }

    @Test func `of a row in which each series comes once more than a request's worth is leased, of another not`()
        async throws
    {
        let spool = try await open()
        try await append([distinct(0..<10), distinct(10..<20), distinct(20..<30)], to: spool)
        try await append([Make.batch(30..<40), Make.batch(40..<50)], to: spool)
        let row = try #require(try await lease(spool, 400, merged: true, bodies: 10))
        #expect(row.isOfBodies && row.values == Array(0..<30))
        let one = try #require(try await lease(spool, 400, merged: true, bodies: 10))
        #expect(one.isOfBodies && one.values == Array(30..<40))
        await spool.close()
    }

    @Test func `a body has no dead letters, and nothing is changed by who says so`() async throws {
        let spool = try await open()
        try await append([Make.batch(0..<10)], to: spool)
        let lease = try #require(try await lease(spool))
        let dead = Fate.dead(DeadLetterReason(code: "refused", excerpt: "no", status: 400))
        await #expect(throws: SpoolError.self) { try await spool.settle(lease, Make.all(lease, dead)) }
        #expect(try await spool.books("a").pendingPoints == 10)
        await spool.release(lease, maybeHaveArrived: true)
        let points = try #require(try await self.lease(spool, bodies: nil))
        #expect(!points.isOfBodies && points.values == Array(0..<10))
        #expect(points.pieces.allSatisfy { $0.maybeSent })
        try await spool.settle(points, Make.all(points, dead))
        #expect(try await spool.books("a").deadPoints == 10)
        await spool.close()
    }

    @Test func `another backend of the tenant gets the same rows as points`() async throws {
        let spool = try await open(["a", "b"])
        try await append([Make.batch(0..<10)], to: spool)
        #expect(try #require(try await lease(spool)).isOfBodies)
        let points = try #require(try await spool.lease(backend: "b", limit: LeaseLimit(points: 100)))
        #expect(!points.isOfBodies && points.values == [900] + Array(0..<10))
        await spool.close()
    }

    @Test func `bodies do not outlive the spool, and what is left of it is leased as points`() async throws {
        let spool = try await open()
        try await append([Make.batch(0..<10)], to: spool)
        await spool.close()
        let again = try await fixture.open()
        let lease = try #require(try await self.lease(again))
        #expect(!lease.isOfBodies && lease.values == Array(0..<10))
        await again.close()
    }

    @Test func `what nobody asks for is not kept, and what is kept is bounded`() async throws {
        let small = try SpoolFixture(cacheBytes: 20_000)
        let spool = try await small.open()
        _ = try await spool.append(Make.request(Make.batch(0..<10), hasBody: true))
        #expect(small.cache.bodies(spool.cacheID, 1) == nil)
        let first = try #require(try await lease(spool))
        try await spool.settle(first, Make.all(first, .delivered))
        for number in 1...20 {
            _ = try await spool.append(Make.request(Make.batch(number * 100..<number * 100 + 100), hasBody: true))
        }
        var kept = 0
        for sequence in Int64(2)...21 where small.cache.bodies(spool.cacheID, sequence) != nil { kept += 1 }
        #expect((8...20).contains(kept))
        var values: [Int] = []
        while let lease = try await lease(spool, 300) {
            values += lease.values
            try await spool.settle(lease, Make.all(lease, .delivered))
        }
        #expect(values == (100..<2100).map { $0 })
        await spool.close()
    }
}
