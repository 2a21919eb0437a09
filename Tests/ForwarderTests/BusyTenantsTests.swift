import Metrics
import TestSupport
import Testing
import WALStore

@testable import Forwarder

/// More tenants with something on its way than spools may be open (`SpoolPlaces`), over real spools.
@Suite(.timeLimit(.minutes(2)))
struct BusyTenantsTests {
    @Test func `however many tenants wait for backends that do not answer, requests of others are stored`() async throws
    {
        let gate = HTTPTestGate()
        let server = try HTTPTestServer { _, _ in .wait(gate, then: .reply(204)) }
        let node = try BusyNode(openSpools: 3)
        let (stuck, others) = ((0..<5).map { "stuck\($0)" }, (0..<5).map { "other\($0)" })
        try await node.configure(stuck + others)
        for tenant in stuck { try await node.append(10, tenant) }
        node.forwarder.configure(stuck.map { node.route($0, "central", LineBackend(url: server.url)) })
        node.forwarder.start()
        await server.received(2)
        for tenant in others { try await node.append(10, tenant) }
        #expect(server.requests.count == 2, "one place is left to those who store")
        gate.open()
        for tenant in stuck { try await node.drained(tenant, "central") }
        await node.close()
        server.stop()
    }

    @Test func `a tenant whose backend fails for ever keeps no place from another`() async throws {
        let server = try HTTPTestServer { request, _ in
            request.target == "/healthy" ? .reply(204) : .text(503, "later")
        }
        let node = try BusyNode(openSpools: 3)
        let failing = (0..<6).map { "failing\($0)" }
        try await node.configure(failing + ["healthy"])
        for tenant in failing + ["healthy"] { try await node.append(10, tenant) }
        node.forwarder.configure(failing.map { node.route($0, "central", LineBackend(url: server.url)) })
        node.forwarder.start()
        await server.received(10)
        node.forwarder.configure(
            failing.map { node.route($0, "central", LineBackend(url: server.url)) } + [
                node.route("healthy", "central", LineBackend(url: "\(server.url)/healthy"))
            ])
        try await node.drained("healthy", "central")
        // Nor do they keep it from each other.
        server.answer { _, _ in .reply(204) }
        for tenant in failing { try await node.drained(tenant, "central") }
        await node.close()
        server.stop()
    }

    @Test func `tenants with one dead backend share the places, and each one's other backend gets everything`()
        async throws
    {
        let (silent, healthy) = (HTTPTestGate(), try HTTPTestServer())
        let dead = try HTTPTestServer { _, _ in .wait(silent, then: .reply(204)) }
        let node = try BusyNode(openSpools: 3)
        let tenants = (0..<7).map { "tenant\($0)" }
        try await node.configure(tenants, backends: ["dead", "central"])
        var slow = LineBackend(url: dead.url)
        slow.timeout = .milliseconds(200)
        for tenant in tenants { try await node.append(30, tenant) }
        node.forwarder.configure(
            tenants.flatMap {
                [node.route($0, "dead", slow), node.route($0, "central", LineBackend(url: healthy.url))]
            })
        node.forwarder.start()
        for tenant in tenants { try await node.drained(tenant, "central") }
        for tenant in tenants { #expect(try await node.ledger(tenant, "dead").pendingPoints == 30) }
        await node.close()
        silent.open()
        for server in [dead, healthy] { server.stop() }
    }
}

/// Real spools, few of which may be open.
private final class BusyNode: Sendable {
    let forwarder: Forwarder
    private let store: WALStore
    private let source: WatchedStore
    private let transport = HTTPTransport()
    private let folder: TemporaryFolder

    init(openSpools: Int) throws {
        folder = try TemporaryFolder()
        store = try WALStore(
            directory: folder.path, node: NodeConfiguration(openSpools: openSpools), openWait: .seconds(3600),
            scheduling: .patient, events: { _ in })
        source = WatchedStore(store: store)
        var tuning = DeliveryTuning()
        tuning.placeTurn = .milliseconds(20)
        (tuning.backoff.base, tuning.backoff.cap) = (.milliseconds(1), .milliseconds(20))
        forwarder = Forwarder(
            context: DeliveryContext(
                source: source, transport: transport, time: .system, sleep: { try await Task.sleep(for: $0) },
                random: SeededGenerator.fresh(), tuning: tuning, events: { _ in }))
    }

    func configure(_ tenants: [String], backends: [String] = ["central"]) async throws {
        try await store.configure(
            tenants.map { tenant in
                SpoolConfiguration(
                    tenant: tenant, backends: backends.map { BackendRegistration(name: $0, type: "line") })
            })
    }

    func route(_ tenant: String, _ name: String, _ backend: LineBackend) -> DeliveryRoute {
        DeliveryRoute(tenant: tenant, name: name, backend: backend)
    }

    func append(_ points: Int, _ tenant: String) async throws {
        try await store.appendRandom(points, tenant: tenant)
    }

    func drained(_ tenant: String, _ backend: String) async throws {
        while try await ledger(tenant, backend).pendingPoints > 0 { await source.settled.wait() }
    }

    func ledger(_ tenant: String, _ backend: String) async throws -> BackendLedger {
        let status = try await store.withSpool(tenant) { (spool) async throws(SpoolError) in try await spool.status() }
        return try #require(status.backends.first { $0.name == backend })
    }

    func close() async {
        await forwarder.stop(grace: .milliseconds(100))
        await store.close()
        transport.close()
    }
}
