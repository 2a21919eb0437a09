import Metrics
import TestSupport
import Testing

@testable import WALStore

/// A changed config that orphans or deletes what had been queued under the old one.
@Suite struct T11ConfigChangeTests {
    private func drain(_ backend: String, _ store: WALStore) async throws -> Int {
        try await store.withSpool("acme") { (spool) async throws(SpoolError) in
            var points = 0
            while let lease = try await spool.lease(backend: backend, limit: LeaseLimit(points: 1000)) {
                points += lease.points
                let parts = lease.pieces.indices.map {
                    Settlement.Part(LeasedRun(piece: $0, ordinals: lease.pieces[$0].ordinals), .delivered)
                }
                try await spool.settle(
                    lease, Settlement(parts: parts, attempts: 1, status: 200, firstAttemptAt: RotNode.start))
            }
            return points
        }
    }

    private func pending(_ backend: String, _ store: WALStore) async -> Int64? {
        await store.status("acme")?.backends.first { $0.name == backend }?.pendingPoints
    }

    @Test(arguments: [false, true])
    func `a backend that is renamed keeps its backlog, over a reload and over a restart`(restarts: Bool) async throws {
        let node = try RotNode()
        var store = try node.open()
        try await store.configure([RotNode.tenant()])
        try await node.append(100, to: store)
        if restarts {
            await store.close()
            store = try node.open()
        }
        var renamed = RotNode.tenant()
        renamed.backends[0] = BackendRegistration(name: "better", type: "archive", renamedFrom: "a")
        try await store.configure([renamed])
        #expect(try await drain("better", store) == 100)
        #expect(try await drain("b", store) == 100)
        let books = try #require(await store.status("acme")?.backends)
        #expect(books.map(\.name).sorted() == ["b", "better"] && books.allSatisfy(\.balances))
        await store.close()
    }

    /// Its key is its identity: what else changes of it (URL, credentials, limits) never reaches the spool.
    @Test func `a backend that leaves the config and comes back finds its backlog`() async throws {
        let node = try RotNode()
        var store = try node.open()
        try await store.configure([RotNode.tenant()])
        try await node.append(100, to: store)
        try await store.configure([RotNode.tenant(backends: ["b"])])
        #expect(await pending("a", store) == 100, "the backlog of a removed backend is kept")
        try await node.append(30, to: store)
        await store.close()
        store = try node.open()
        try await store.configure([RotNode.tenant()])
        try await node.append(7, to: store)
        #expect(try await drain("a", store) == 107)
        let books = try #require(await store.status("acme")?.backends.first { $0.name == "a" })
        #expect(books.excludedPoints == 30 && books.lostPoints == 0 && books.balances)
        await store.close()
    }

    @Test func `a tenant that leaves the config and comes back finds its spool`() async throws {
        let node = try RotNode()
        let store = try node.open()
        try await store.configure([RotNode.tenant(), RotNode.tenant("other")])
        try await node.append(100, to: store)
        try await store.configure([RotNode.tenant("other")])
        try await store.configure([RotNode.tenant(), RotNode.tenant("other")])
        #expect(try await drain("a", store) == 100)
        await store.close()
    }

    /// A newcomer's attack: the backlog stayed with the former name, whatever he did, and nobody said so.
    @Test(arguments: [false, true])
    func `a rename while a tenant was away is mended by telling it again`(restarts: Bool) async throws {
        let node = try RotNode()
        var store = try node.open()
        try await store.configure([RotNode.tenant()])
        try await node.append(100, to: store)
        try await store.configure([])
        // Meanwhile `a` has become `better`, and the key `renamed_from` is gone again.
        var returned = RotNode.tenant()
        returned.backends[0] = BackendRegistration(name: "better", type: "archive")
        try await store.configure([returned])
        await store.maintain()
        #expect(store.backlogsOfNobody() == [BacklogOfNobody(tenant: "acme", backend: "a", points: 100)])
        #expect(await pending("better", store) == 0)
        if restarts {
            await store.close()
            store = try node.open()
        }
        returned.backends[0].renamedFrom = "a"
        try await store.configure([returned])
        #expect(store.backlogsOfNobody().isEmpty)
        #expect(try await drain("better", store) == 100)
        #expect(try await drain("b", store) == 100)
        let books = try #require(await store.status("acme")?.backends)
        #expect(books.map(\.name).sorted() == ["a", "b", "better"] && books.allSatisfy(\.balances))
        await store.close()
    }

    @Test func `another type under a known name is refused, and changes nothing`() async throws {
        let node = try RotNode()
        let store = try node.open()
        try await store.configure([RotNode.tenant()])
        try await node.append(100, to: store)
        var changed = RotNode.tenant()
        changed.backends[0].type = "influxdb"
        let configuration = changed
        await #expect(throws: SpoolError.self) { try await store.configure([configuration]) }
        try await store.configure([RotNode.tenant()])
        #expect(try await drain("a", store) == 100)
        await store.close()
    }
}
