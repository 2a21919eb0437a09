import Metrics
import TestSupport
import Testing
import WALStore

@testable import Daemon

/// What is listed of a node's spools, whether it runs or not.
@Suite struct LetterSourceTests {
    private let folder: TemporaryFolder
    private let store: WALStore

    init() async throws {
        folder = try TemporaryFolder()
        store = try WALStore(directory: folder.path + "/data", node: NodeConfiguration(), upkeepInterval: nil) { _ in }
        try await store.configure(
            ["acme", "beta", "zeta"].map {
                SpoolConfiguration(tenant: $0, backends: [BackendRegistration(name: "a", type: "archive")])
            })
    }

    /// One request of so many points, which end as told.
    private func append(_ points: Int, _ tenant: String, _ fate: Fate) async throws {
        var batch = Batch()
        var builder = LabelBuilder()
        builder.add("__name__", "up")
        try builder.finish()
        let id = builder.canonical.withUnsafeBytes { batch.series.intern($0) }
        for point in 0..<points { batch.points.appendFloat64(series: id, time: Int64(point), bits: UInt64(point)) }
        var decoded = DecodedRequest()
        decoded.batch = batch
        let request = AppendRequest(decoded: decoded, source: "json", peer: "here", requestID: "r", bodyBytes: 1)
        try await store.withSpool(tenant) { (spool) async throws(SpoolError) in
            _ = try await spool.append(request)
            guard let lease = try await spool.lease(backend: "a", limit: LeaseLimit(points: points)) else { return }
            let parts = lease.pieces.indices.map {
                Settlement.Part(LeasedRun(piece: $0, ordinals: lease.pieces[$0].ordinals), fate)
            }
            try await spool.settle(
                lease, Settlement(parts: parts, attempts: 2, status: 409, firstAttemptAt: 1_800_000_000_000_000_000))
        }
    }

    private func assumed(_ source: some LetterSource, limit: Int) async throws -> [JSONValue] {
        var request = LetterRequest()
        request.limit = limit
        var found: [JSONValue] = []
        while true {
            let page = try await source.page(request, .assumed)
            let rows = try #require(page["deliveries"]?.array)
            #expect(rows.count <= limit)
            found += rows
            guard let next = page["next"]?.string.flatMap({ LetterID($0) }) else { return found }
            request.after = next
        }
    }

    @Test func `what is assumed is listed by its places, of all tenants, of a running node and a stopped one`()
        async throws
    {
        try await append(3, "acme", .assumed)
        try await append(2, "acme", .delivered)
        try await append(4, "acme", .assumed)
        try await append(1, "beta", .dead(DeadLetterReason(code: "refused", excerpt: "no", status: 400)))
        try await append(5, "zeta", .assumed)
        func check(_ source: some LetterSource) async throws {
            for limit in [1, 2, 10] {
                let found = try await assumed(source, limit: limit)
                #expect(found.map { $0["tenant"]?.string } == ["acme", "acme", "zeta"])
                #expect(found.map { $0["points"]?.int } == [3, 4, 5])
                #expect(found.map { $0["first_sequence"]?.int } == [1, 3, 1])
                #expect(found.allSatisfy { $0["attempts"]?.int == 2 && $0["status"]?.int == 409 })
                #expect(found[0]["first_attempt_at"]?.string == "2027-01-15T08:00:00Z")
            }
            var none = LetterRequest()
            none.filter.backend = "b"
            #expect(try await source.page(none, .assumed)["deliveries"]?.array == [])
        }
        try await check(store)
        await store.close()
        try await check(try await StoppedSpools(folder.path + "/data"))
    }
}
