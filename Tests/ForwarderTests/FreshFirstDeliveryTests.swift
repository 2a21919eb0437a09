import Metrics
import TestSupport
import Testing
import WALStore

@testable import Forwarder

/// Catching up after an outage over a real spool, on a clock that only waits and the test move.
@Suite(.timeLimit(.minutes(10)))
struct FreshFirstDeliveryTests {
    private let folder: TemporaryFolder
    private let clock = JumpingClock()
    private let settled = Signal()

    init() throws { folder = try TemporaryFolder() }

    @Test func `one of the first two requests that are taken after an outage has the newest points`() async throws {
        let refusals = 30
        let gate = HTTPTestGate()
        let server = try HTTPTestServer { _, number in
            if number == refusals - 1 { return .wait(gate, then: .reply(503)) }
            return number < refusals ? .reply(503) : .reply(204)
        }
        try await run(server, points: 50, CatchUp()) { store, forwarder in
            try await append(rows: 100, points: 10, every: 50, to: store)
            forwarder.start()
            await server.received(refusals)
            try await append(rows: 1, points: 10, every: 0, to: store)
            gate.open()
            try await drain(store)
        }
        let taken = server.requests.dropFirst(refusals)
        // The one that waited for its next try may go out once more as it was.
        #expect(taken.prefix(2).contains { $0.rows.contains(101) }, "\(taken.prefix(3).map(\.rows))")
        let places = taken.flatMap(\.places)
        #expect(places.count == 1010 && Set(places).count == 1010, "each is taken once")
        server.stop()
    }

    @Test(arguments: [0.25, 0.5, 0.75])
    func `while fresh points wait the backlog has exactly its share of the requests, and then all`(_ share: Double)
        async throws
    {
        let server = try HTTPTestServer()
        try await run(server, points: 10, CatchUp(share: share)) { store, forwarder in
            // 60 requests' worth of backlog, 40 of what came within the last minute.
            try await append(rows: 60, points: 10, every: 5, to: store)
            clock.advance(.seconds(100))
            try await append(rows: 40, points: 10, every: 1, to: store)
            forwarder.start()
            try await drain(store)
        }
        let isOfBacklog = server.requests.map { $0.rows.allSatisfy { $0 <= 60 } }
        #expect(isOfBacklog.count == 100)
        // Before the fresh ones or the backlog are used up.
        let shared = min(Int(Double(40) / (1 - share)), Int(Double(60) / share))
        for count in stride(from: 1, through: shared, by: 1) {
            let had = Double(isOfBacklog.prefix(count).count { $0 })
            #expect(abs(had - share * Double(count)) <= 1, "\(had) of the first \(count)")
        }
        let rest = isOfBacklog.dropFirst(shared + 2)
        #expect(Set(rest).count == 1, "one of both has all of the link then")
        server.stop()
    }

    @Test func `what comes while a backlog is refilled does not wait for it`() async throws {
        let gate = HTTPTestGate()
        let server = try HTTPTestServer { request, number in number == 20 ? .wait(gate, then: .reply(204)) : .reply(204)
        }
        try await run(server, points: 10, CatchUp()) { store, forwarder in
            try await append(rows: 100, points: 10, every: 50, to: store)
            forwarder.start()
            await server.received(21)
            // Twenty requests are settled, the next one is on its way, and eighty are left.
            try await append(rows: 1, points: 10, every: 0, to: store)
            gate.open()
            try await drain(store)
        }
        let at = try #require(server.requests.firstIndex { $0.rows.contains(101) })
        #expect(at <= 22, "behind what was on its way and one more that was asked for")
        server.stop()
    }

    @Test(arguments: [false, true])
    func `points of a backlog that are answered 500 for ever are found out, and nothing else is buried`(_ isNew: Bool)
        async throws
    {
        let poison = isNew ? "100.5" : "40.5"
        let server = try HTTPTestServer { request, _ in
            request.places.contains(poison) ? .text(500, "too old sample") : .reply(204)
        }
        try await run(server, points: 50, CatchUp()) { store, forwarder in
            try await append(rows: 100, points: 10, every: 50, to: store)
            forwarder.start()
            // Something else that is taken, once the lane has waited long enough to ask for proof.
            try await append(rows: 1, points: 10, every: 0, to: store)
            try await drain(store)
            let ledger = try await store.ledger()
            #expect(ledger.deadPoints == 1 && ledger.deliveredPoints == 1009 && ledger.balances)
        }
        server.stop()
    }

    @Test(arguments: [1, 8]) func `with many requests at once each point is taken once, and the newest soon`(
        _ width: Int
    )
        async throws
    {
        let server = try HTTPTestServer()
        try await run(server, points: 20, CatchUp(), concurrency: width, keepsOrder: width == 1) { store, forwarder in
            try await append(rows: 200, points: 20, every: 50, to: store)
            forwarder.start()
            try await drain(store)
        }
        // It is leased first; of those that go out at once it need not be the first to arrive.
        #expect(server.requests.prefix(2 * width - 1).contains { $0.rows.contains(200) })
        let places = server.requests.flatMap(\.places)
        #expect(places.count == 4000 && Set(places).count == 4000)
        server.stop()
    }

    @Test func `a lane that goes back to the old order sends what is left as it came`() async throws {
        let gate = HTTPTestGate()
        let server = try HTTPTestServer { _, number in number == 1 ? .wait(gate, then: .reply(204)) : .reply(204) }
        try await run(server, points: 10, CatchUp()) { store, forwarder in
            try await append(rows: 50, points: 10, every: 50, to: store)
            forwarder.start()
            await server.received(2)
            forwarder.configure([route(server, points: 10, .oldestFirst)])
            try await append(rows: 1, points: 10, every: 0, to: store)
            gate.open()
            try await drain(store)
        }
        let rows = server.requests.flatMap(\.rows)
        #expect(rows.first == 50)
        #expect(Array(rows.dropFirst()) == rows.dropFirst().sorted())
        server.stop()
    }

    // MARK: Fixture

    private func route(
        _ server: HTTPTestServer, points: Int, _ order: DeliveryOrder, concurrency: Int = 1, keepsOrder: Bool = true
    ) -> DeliveryRoute {
        var backend = LineBackend(url: server.url)
        backend.traits.maximumPoints = points
        backend.traits.concurrency = concurrency
        backend.traits.keepsOrder = keepsOrder
        return DeliveryRoute(tenant: "acme", name: "central", backend: backend, order: order)
    }

    private func run(
        _ server: HTTPTestServer, points: Int, _ catchUp: CatchUp, concurrency: Int = 1, keepsOrder: Bool = true,
        _ body: (WALStore, Forwarder) async throws -> Void
    ) async throws {
        // Without upkeep: a point that is merged into another row has another name in a `LineBackend`'s body.
        let store = try WALStore(
            directory: folder.path, node: NodeConfiguration(), time: clock.time, upkeepInterval: nil,
            openWait: .seconds(3600), scheduling: .patient, events: { _ in })
        // Time passes at each wait here: what takes any would be passed at once.
        var tuning = DeliveryTuning()
        tuning.passesAfter = .seconds(50_000)
        let clock = clock
        let context = DeliveryContext(
            source: WatchedStore(store: store, settled: settled), transport: HTTPTransport(), time: clock.time,
            sleep: { duration in
                try Task.checkCancellation()
                // Only a cancellation ends it.
                if duration >= .seconds(40_000) { return try await Task.sleep(for: duration) }
                clock.advance(duration)
                await Task.yield()
            }, random: SeededGenerator.fresh(), tuning: tuning, events: { _ in })
        let forwarder = Forwarder(context: context)
        try await store.configure([
            SpoolConfiguration(tenant: "acme", backends: [BackendRegistration(name: "central", type: "line")])
        ])
        forwarder.configure([
            route(server, points: points, .freshFirst(catchUp), concurrency: concurrency, keepsOrder: keepsOrder)
        ])
        try await body(store, forwarder)
        await forwarder.stop(grace: .seconds(5))
        await store.close()
    }

    /// A row each, one every `seconds`.
    private func append(rows: Int, points: Int, every seconds: Int, to store: WALStore) async throws {
        for _ in 0..<rows {
            try await store.appendRandom(points)
            clock.advance(.seconds(seconds))
        }
    }

    private func drain(_ store: WALStore) async throws {
        while try await store.ledger().pendingPoints > 0 { await settled.wait() }
    }
}

extension HTTPTestServer.Request {
    /// The rows of the points that a `LineBackend` sent, each once.
    fileprivate var rows: [Int] {
        places.compactMap { $0.split(separator: ".").first.flatMap { Int($0) } }
            .reduce(into: []) { rows, row in if rows.last != row { rows.append(row) } }
    }
}
