import Metrics
import Synchronization
import TestSupport
import Testing
import WALStore

@testable import Forwarder

#if canImport(Glibc)
    import Glibc
#endif

/// A spool without room to write down what a part of a lease was answered: nothing that a backend took is sent again.
@Suite(.timeLimit(.minutes(10)))
struct ShortOfSpaceTests {
    @Test func `what was answered of a lease that is halved is kept until it can be settled`() async throws {
        let server = try HTTPTestServer { request, _ in
            request.ordinals.contains(17) ? .text(400, "a bad point") : .reply(204)
        }
        let fixture = LaneFixture()
        let sent = Recorder<Int>()
        fixture.source.failNextSettles(5, .full) { sent.record(server.requests.count) }
        fixture.start(LineBackend(url: server.url))
        fixture.source.append(100)
        await fixture.source.drained()
        #expect(sent.elements.count == 5 && Set(sent.elements).count == 1, "nothing goes out meanwhile")
        #expect(sent.elements[0] < server.requests.count, "it was in the middle of the lease")
        let taken = server.requests.map(\.ordinals).filter { !$0.contains(17) }.flatMap(\.self)
        #expect(taken == (0..<100).filter { $0 != 17 }, "once each, in order")
        #expect(fixture.waits.elements.count { $0 >= .seconds(1) && $0 <= .seconds(10) } == 5)
        await fixture.finish(server)
    }

    @Test func `what was answered of a lease in shards is kept until it can be settled`() async throws {
        let fixture = LaneFixture(series: 120)
        let failures = Recorder<LaneStatus?>()
        let firstFailure = HTTPTestGate()
        let server = try HTTPTestServer { _, number in
            if number == 6 {
                fixture.source.failNextSettles(.max, .full) { [weak fixture] in
                    failures.record(fixture?.status)
                    firstFailure.open()
                }
            }
            // The whole lease could be answered before anything of it is settled.
            return number > 20 ? .wait(firstFailure, then: .reply(204)) : .reply(204)
        }
        fixture.source.append(2400)
        var backend = LineBackend(url: server.url)
        backend.keepsApart = true
        backend.traits = BackendTraits(
            keepsOrder: true, maximumPoints: 60, maximumBodyBytes: 1 << 20, concurrency: 4)
        fixture.start(backend)
        while failures.elements.count < 1000 { await Task.yield() }
        fixture.source.failNextSettles(0)
        await fixture.source.drained()
        let isOnceEach = server.requests.flatMap(\.ordinals).sorted() == Array(0..<2400)
        #expect(isOnceEach)
        let sent = failures.elements.map { $0?.counters.requests ?? 0 }
        #expect(sent[0] < server.requests.count, "it was in the middle of the lease")
        // At the second failure the lane knows of the first; four were on their way.
        #expect(sent[999] <= sent[1] + 4, "nothing more goes out while nothing can be settled")
        await fixture.finish(server)
    }

    @Test func `what proved that the backend is up is kept until it can be settled`() async throws {
        let fixture = LaneFixture()
        let wasProven = Atomic(false)
        let server = try HTTPTestServer { request, _ in
            if request.ordinals.contains(where: { $0 < 20 }) { return .text(500, "too old sample") }
            if !wasProven.exchange(true, ordering: .relaxed) { fixture.source.failNextSettles(4, .full) }
            return .reply(204)
        }
        var backend = LineBackend(url: server.url)
        backend.traits.maximumPoints = 20
        fixture.start(backend)
        fixture.source.append(60)
        await fixture.source.drained()
        let taken = server.requests.map(\.ordinals).filter { $0.allSatisfy { $0 >= 20 } }.flatMap(\.self)
        #expect(taken == Array(20..<60), "once each, in order")
        let fates = fixture.source.fates()
        #expect(fates[20...].allSatisfy { $0 == .delivered } && fates[..<20].allSatisfy { $0 != .delivered })
        await fixture.finish(server)
    }

    @Test func `a lane that gets no lease, as what it sends cannot be noted, says so until it gets one`() async throws {
        let server = try HTTPTestServer()
        let fixture = LaneFixture()
        fixture.source.failLeases(SpoolError(.full, "the disk is full"))
        fixture.start(LineBackend(url: server.url))
        fixture.source.append(10)
        while fixture.waits.elements.isEmpty { await Task.yield() }
        let status = try #require(fixture.status)
        guard case .backingOff = status.state else { return #expect(Bool(false), "\(status.state)") }
        #expect(status.lastError.contains("the disk is full"), "\(status.lastError)")
        fixture.source.failLeases(nil)
        await fixture.source.drained()
        #expect(fixture.status?.state == .ok && server.requests.count == 1)
        await fixture.finish(server)
    }

    @Test(.enabled(if: SmallFileSystem.canBeMade, "mounting needs root"))
    func `on a disk that is really full nothing is sent twice, and other tenants have the backend to themselves`()
        async throws
    {
        let node = try ShortNode()
        let server = try HTTPTestServer { request, _ in
            let isBad = request.target == "/short" && request.ordinals.contains { $0 >= ShortNode.good }
            return isBad ? .text(400, String(repeating: "a bad point ", count: 40)) : .reply(204)
        }
        func sent() -> [[Int]] { server.requests.filter { $0.target == "/short" }.map(\.ordinals) }
        try await node.append("short")
        try await node.append("roomy")
        // Enough for the note of what is leased, and for some dead letters.
        let filler = node.disk.fill(spare: 128 << 10)
        node.forwarder.configure([node.route("short", server)])
        node.forwarder.start()
        await node.cannotSettle.wait()
        let before = sent()
        #expect(before.contains { $0.count == 1 }, "it is in the middle of the lease")
        // The backend takes one request at a time.
        node.forwarder.configure([node.route("short", server), node.route("roomy", server)])
        try await node.drained("roomy")
        for _ in 0..<5 { await node.cannotSettle.wait() }
        #expect(sent().count == before.count, "nothing goes out while nothing can be settled")
        unlink(filler)
        try await node.drained("short")
        await node.forwarder.stop(grace: .seconds(5))
        let ledger = try await node.ledger("short")
        #expect(ledger.balances && ledger.deliveredPoints == Int64(ShortNode.good))
        #expect(ledger.deadPoints == Int64(ShortNode.points - ShortNode.good))
        // A request that was taken, or the one that made a dead letter.
        let ended = sent().filter { $0.count == 1 || $0.allSatisfy { $0 < ShortNode.good } }
        #expect(ended.flatMap(\.self).sorted() == Array(0..<ShortNode.points), "once each")
        await node.close()
        server.stop()
    }
}

/// Real spools, of which one tenant's lies on a small disk of its own.
private final class ShortNode: Sendable {
    static let points = 800
    /// The others are refused.
    static let good = 200

    let disk: SmallFileSystem
    let store: WALStore
    private let source: WatchedStore
    let forwarder: Forwarder
    /// Set each time that a settle finds no room.
    let cannotSettle = Signal()
    private let folder: TemporaryFolder
    private let transport = HTTPTransport()

    init() throws {
        disk = try SmallFileSystem(bytes: 4 << 20)
        folder = try TemporaryFolder()
        for path in ["/data", "/data/tenants"] { mkdir(folder.path + path, 0o700) }
        symlink(disk.path, folder.path + "/data/tenants/short")
        store = try WALStore(
            directory: folder.path + "/data", node: NodeConfiguration(), upkeepInterval: nil,
            openWait: .seconds(3600), scheduling: .patient, events: { _ in })
        source = WatchedStore(store: store)
        var tuning = DeliveryTuning()
        tuning.spoolPause = .milliseconds(20)
        (tuning.backoff.base, tuning.backoff.cap) = (.milliseconds(1), .milliseconds(20))
        let cannotSettle = cannotSettle
        forwarder = Forwarder(
            context: DeliveryContext(
                source: source, transport: transport, time: .system, sleep: { try await Task.sleep(for: $0) },
                random: SeededGenerator.fresh(), tuning: tuning
            ) { if $0.message.hasPrefix("a delivery cannot be settled yet") { cannotSettle.set() } })
    }

    func route(_ tenant: String, _ server: HTTPTestServer) -> DeliveryRoute {
        let backend = LineBackend(url: "\(server.url)/\(tenant)")
        return DeliveryRoute(tenant: tenant, name: "central", backend: backend, maximumInFlight: 1)
    }

    func append(_ tenant: String) async throws {
        try await store.configure(
            ["short", "roomy"].map {
                SpoolConfiguration(tenant: $0, backends: [BackendRegistration(name: "central", type: "line")])
            })
        var random = SeededGenerator.fresh()
        var decoded = DecodedRequest()
        decoded.batch = RandomBatch.make(points: ShortNode.points, series: 10, plainOnly: true, using: &random)
        let request = AppendRequest(
            decoded: decoded, source: "test", peer: "127.0.0.1", requestID: "a request", bodyBytes: 1)
        let result = await withCheckedContinuation { continuation in
            store.append(request, tenant: tenant) { continuation.resume(returning: $0) }
        }
        _ = try result.get()
    }

    /// Returns when the backend is owed nothing more.
    func drained(_ tenant: String) async throws {
        while try await ledger(tenant).pendingPoints > 0 { await source.settled.wait() }
    }

    func ledger(_ tenant: String) async throws -> BackendLedger {
        let status = try await store.withSpool(tenant) { (spool) async throws(SpoolError) in try await spool.status() }
        return try #require(status.backends.first)
    }

    func close() async {
        await store.close()
        transport.close()
    }
}
