import Metrics
import TestSupport
import Testing

@testable import WALStore

/// Rows without points: what a request of metadata alone becomes.
struct MetadataRowTests {
    private func metadata(_ family: String) -> AppendRequest {
        var batch = Batch()
        batch.metadata = [MetricMetadata(family: family, kind: .counter, help: "help")]
        return Make.request(batch)
    }

    private func families(_ lease: Lease) -> [String] {
        lease.pieces.filter(\.ordinals.isEmpty).flatMap { $0.batch.metadata.map(\.family) }
    }

    @Test func `metadata without points waits for the next ones, through prune, release and restart`() async throws {
        let fixture = try StoreFixture()
        let tenant = StoreFixture.tenant("acme", retainSeconds: 0)
        let first = try fixture.open()
        try await first.configure([tenant])
        _ = try await first.append(Make.batch(0..<10), tenant: "acme")
        #expect(try await first.drain("acme").count == 10)
        try await first.withSpool("acme") { (spool) async throws(SpoolError) in
            for family in ["early", "late"] { _ = try await spool.append(metadata(family)) }
            let lease = try await spool.lease(backend: "a", limit: LeaseLimit(points: 10))
            #expect(lease == nil, "nothing is owed")
        }
        fixture.advance(seconds: 10)
        await first.maintain()
        _ = try await first.append(Make.batch(10..<20), tenant: "acme")
        try await first.withSpool("acme") { (spool) async throws(SpoolError) in
            for _ in 0..<2 {
                guard let lease = try await spool.lease(backend: "a", limit: LeaseLimit(points: 5)) else {
                    throw SpoolError(.misuse, "points are owed")
                }
                #expect(families(lease) == ["early", "late"] && lease.values == Array(10..<15))
                await spool.release(lease, maybeHaveArrived: true)
            }
        }
        await first.maintain()
        await first.abandon()

        try await fixture.withSecondLife { second in
            try await second.configure([tenant])
            try await second.withSpool("acme") { (spool) async throws(SpoolError) in
                for expected in [["early", "late"], []] {
                    guard let lease = try await spool.lease(backend: "a", limit: LeaseLimit(points: 5)) else {
                        throw SpoolError(.misuse, "points are owed")
                    }
                    #expect(families(lease) == expected)
                    try await spool.settle(lease, Make.all(lease, .delivered))
                }
            }
            await second.maintain()
            let rows = try await second.withSpool("acme") { (spool) async throws(SpoolError) in
                try await spool.status().batches
            }
            #expect(rows == 1, "delivered metadata is pruned")
        }
    }

    @Test func `more rows of metadata than a lease holds do not hide the points behind them`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        _ = try await spool.append(Make.request(Make.batch(0..<1)))
        for index in 0..<400 { _ = try await spool.append(metadata("family\(index)")) }
        _ = try await spool.append(Make.request(Make.batch(1..<3)))
        let lease = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 100)))
        #expect(lease.values == [0, 1, 2])
        #expect(families(lease) == (336..<400).map { "family\($0)" }, "the newest")
        try await spool.settle(lease, Make.all(lease, .delivered))
        #expect(try await spool.lease(backend: "a", limit: LeaseLimit(points: 100)) == nil)
        await spool.close()
    }

    @Test func `metadata that nothing follows goes when room is needed`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        for index in 0..<10 { _ = try await spool.append(metadata("family\(index)")) }
        #expect(try await spool.prune(receivedBy: .max - 1) == 0)
        #expect(try await spool.prune(receivedBy: .max) == 9, "all but the newest")
        await spool.close()
    }
}
