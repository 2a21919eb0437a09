import Metrics
import TestSupport
import Testing
import WALStore

@testable import Forwarder

/// The forwarder over real spools on disk.
@Suite(.timeLimit(.minutes(10)))
struct RealSpoolTests {
    let folder: TemporaryFolder
    private let settled = Signal()

    init() throws { folder = try TemporaryFolder() }

    @Test func `every point survives faults, a stop and a restart, and the ledger balances`() async throws {
        // Every third request is reset after it was read: those points go out twice, none goes missing.
        let server = try HTTPTestServer { _, number in number % 3 == 2 ? .reset : .reply(204) }
        try await run { store, forwarder in
            forwarder.configure([route(server)])
            forwarder.start()
            for _ in 0..<5 { try await store.appendRandom(200) }
            await server.received(4)
            await forwarder.stop(grace: .seconds(5))
        }
        try await run { store, forwarder in
            forwarder.configure([route(server)])
            forwarder.start()
            for _ in 0..<5 { try await store.appendRandom(200) }
            // Settled at the latest when the forwarder has stopped; pending shows when all have been sent.
            while try await store.ledger().pendingPoints > 0 { await settled.wait() }
            await forwarder.stop(grace: .seconds(5))
            let ledger = try await store.ledger()
            #expect(ledger.owedPoints == 2000)
            #expect(ledger.deliveredPoints == 2000)
            #expect(ledger.balances)
        }
        let seen = server.requests.enumerated().filter { $0.offset % 3 != 2 }.flatMap { $0.element.places }
        #expect(Set(seen).count == 2000)
        server.stop()
    }

    @Test func `a refused point becomes a dead letter of the spool`() async throws {
        let server = try HTTPTestServer { request, _ in
            request.places.contains("1.7") ? .text(400, "bad point") : .reply(204)
        }
        try await run { store, forwarder in
            forwarder.configure([route(server)])
            forwarder.start()
            try await store.appendRandom(50)
            while try await store.ledger().pendingPoints > 0 { await settled.wait() }
            await forwarder.stop(grace: .seconds(5))
            let ledger = try await store.ledger()
            #expect(ledger.deadPoints == 1)
            #expect(ledger.deliveredPoints == 49)
            #expect(ledger.balances)
        }
        server.stop()
    }

    // MARK: Fixture

    private func route(_ server: HTTPTestServer) -> DeliveryRoute {
        var backend = LineBackend(url: server.url)
        // However the commits fall, a thousand points are ten requests at least.
        backend.traits.maximumPoints = 100
        return DeliveryRoute(tenant: "acme", name: "central", backend: backend)
    }

    private func run(_ body: (WALStore, Forwarder) async throws -> Void) async throws {
        let store = try WALStore(
            directory: folder.path, node: NodeConfiguration(), openWait: .seconds(3600), scheduling: .patient,
            events: { _ in })
        let source = WatchedStore(store: store, settled: settled)
        let forwarder = Forwarder(source: source, transport: HTTPTransport(), events: { _ in })
        try await store.configure([
            SpoolConfiguration(tenant: "acme", backends: [BackendRegistration(name: "central", type: "line")])
        ])
        try await body(store, forwarder)
        await store.close()
    }
}

extension HTTPTestServer.Request {
    /// What a `LineBackend` sent.
    var places: [String] { text.split(separator: "\n").map(String.init) }
}
