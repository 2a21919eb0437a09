import Synchronization
import TestSupport
import Testing
import WALStore

@testable import Forwarder

/// A backlog for a backend that keeps the order of each series, and takes different series at once.
///
/// `MemorySource` gives point n to series n modulo `series`.
@Suite(.timeLimit(.minutes(10)))
struct ShardedDeliveryTests {
    static let series = 12

    @Test func `a backlog goes out in several requests at once, none with a series of another`() async throws {
        let gate = HTTPTestGate()
        let server = try HTTPTestServer { _, number in number == 0 ? .reply(204) : .wait(gate, then: .reply(204)) }
        let fixture = LaneFixture(series: Self.series)
        fixture.source.append(1000)
        fixture.start(backend(server))
        // The first shows that there is a backlog.
        await server.received(1 + 4)
        #expect(fixture.status?.requestsInFlight == 4)
        let inFlight = server.requests[1...4].map { Set($0.ordinals.map { $0 % Self.series }) }
        #expect(inFlight.reduce(0) { $0 + $1.count } == Set(inFlight.joined()).count)
        gate.open()
        await fixture.source.drained()
        expectEachSeriesInOrder(server, points: 1000)
        await fixture.finish(server)
    }

    @Test func `nothing of the next lease goes out while a request of this one is unanswered`() async throws {
        let gate = HTTPTestGate()
        let server = try HTTPTestServer { _, number in number == 2 ? .wait(gate, then: .reply(204)) : .reply(204) }
        let fixture = LaneFixture(series: Self.series)
        fixture.source.append(2000)
        fixture.start(backend(server))
        await server.received(1 + 4)
        // The next lease is taken meanwhile.
        while fixture.source.openLeases < 2 { await Task.yield() }
        #expect(server.requests.count == 5)
        let first = Set(server.requests[1...4].flatMap(\.ordinals))
        gate.open()
        await fixture.source.drained()
        // Whatever came later is behind all of those.
        let later = server.requests[5...].flatMap(\.ordinals)
        #expect(later.min() ?? 0 > first.max() ?? .max)
        expectEachSeriesInOrder(server, points: 2000)
        await fixture.finish(server)
    }

    @Test func `what was answered is settled although another request of its lease hangs`() async throws {
        let gate = HTTPTestGate()
        let server = try HTTPTestServer { _, number in number == 2 ? .wait(gate, then: .reply(204)) : .reply(204) }
        let fixture = LaneFixture(series: Self.series)
        fixture.source.append(1000)
        fixture.start(backend(server))
        await server.received(1 + 4)
        // Three of four: too few to be settled for their number.
        let hanging = server.requests[2].ordinals
        let others = [0, 1, 3, 4].flatMap { server.requests[$0].ordinals }
        await fixture.source.drained(downTo: 1000 - others.count)
        let fates = fixture.source.fates()
        #expect(others.allSatisfy { fates[$0] == .delivered } && hanging.allSatisfy { fates[$0] == nil })
        gate.open()
        await fixture.source.drained()
        #expect(fixture.source.mistakes.elements == [])
        expectEachSeriesInOrder(server, points: 1000)
        await fixture.finish(server)
    }

    @Test func `a request that fails is sent again before anything that follows it in its series`() async throws {
        let failed = Mutex<[Int]>([])
        let server = try HTTPTestServer { request, _ in
            // Each request with point 130 or so fails twice.
            failed.withLock { failed in
                guard request.ordinals.contains(130), failed.count < 2 else { return .reply(204) }
                failed.append(request.ordinals.count)
                return .reply(503)
            }
        }
        let fixture = LaneFixture(series: Self.series)
        fixture.source.append(3000)
        fixture.start(backend(server))
        await fixture.source.drained()
        #expect(failed.withLock { $0.count } == 2)
        expectEachSeriesInOrder(server, points: 3000)
        #expect(fixture.source.mistakes.elements == [])
        #expect(fixture.source.fates().allSatisfy { $0 == .delivered })
        await fixture.finish(server)
    }

    @Test func `a backend that goes away in mid-lease gets what is left once it is back, one request at a time first`()
        async throws
    {
        let isUp = Atomic(true)
        let server = try HTTPTestServer { _, number in
            if number == 9 { isUp.store(false, ordering: .sequentiallyConsistent) }
            if number == 40 { isUp.store(true, ordering: .sequentiallyConsistent) }
            return isUp.load(ordering: .sequentiallyConsistent) ? .reply(204) : .reset
        }
        let fixture = LaneFixture(series: Self.series)
        fixture.source.append(3000)
        fixture.start(backend(server))
        await fixture.source.drained()
        #expect(Set(server.requests.flatMap(\.ordinals)) == Set(0..<3000))
        #expect(fixture.source.mistakes.elements == [])
        #expect(fixture.source.fates().allSatisfy { $0 == .delivered })
        await fixture.finish(server)
    }

    @Test func `a refused point in one of many shards is the only dead one`() async throws {
        let server = try HTTPTestServer { request, _ in
            request.ordinals.contains(777) ? .text(400, "a bad point") : .reply(204)
        }
        let fixture = LaneFixture(series: Self.series)
        fixture.source.append(2000)
        fixture.start(backend(server))
        await fixture.source.drained()
        let dead = fixture.source.fates().enumerated().filter { $0.element != .delivered }.map(\.offset)
        #expect(dead == [777])
        #expect(fixture.source.mistakes.elements == [])
        await fixture.finish(server)
    }

    @Test func `a point that is answered 500 for ever is found, and everything else arrives`() async throws {
        let server = try HTTPTestServer { request, _ in
            request.ordinals.contains(777) ? .text(500, "too old sample") : .reply(204)
        }
        let fixture = LaneFixture(series: Self.series)
        fixture.source.append(2000)
        fixture.start(backend(server))
        await fixture.source.drained()
        let dead = fixture.source.fates().enumerated().filter { $0.element != .delivered }.map(\.offset)
        #expect(dead == [777])
        await fixture.finish(server)
    }

    @Test func `a stop in mid-lease gives back what was not answered`() async throws {
        let gate = HTTPTestGate()
        let server = try HTTPTestServer { _, number in number < 3 ? .reply(204) : .wait(gate, then: .reply(204)) }
        let fixture = LaneFixture(series: Self.series)
        fixture.source.append(2000)
        fixture.start(backend(server))
        await server.received(1 + 4)
        while fixture.status?.requestsInFlight != 2 { await Task.yield() }
        await fixture.forwarder.stop(grace: .zero)
        #expect(fixture.source.openLeases == 0)
        #expect(fixture.source.mistakes.elements == [])
        // Two of the four were answered, and are settled; the others may have arrived.
        let delivered = Set(fixture.source.fates().enumerated().filter { $0.element == .delivered }.map(\.offset))
        #expect(delivered == Set(server.requests[..<3].flatMap(\.ordinals)))
        #expect(Set(server.requests[3..<5].flatMap(\.ordinals)).isSubset(of: fixture.source.ledger().maybeSent))
        gate.open()
        await fixture.finish(server)
    }

    /// Points of all series take turns, so that what a shard has is as many runs as points.
    @Test func `a series with more points than a request is sent part by part and settled with all others`()
        async throws
    {
        let server = try HTTPTestServer()
        // On a clock that jumps any other time would have passed at once.
        var tuning = DeliveryTuning()
        tuning.settlesWithin = .seconds(50_000)
        let fixture = LaneFixture(tuning: tuning, series: 2)
        fixture.source.append(5000)
        var backend = backend(server)
        backend.traits.concurrency = 64
        fixture.start(backend)
        await fixture.source.drained()
        expectEachSeriesInOrder(server, points: 5000, series: 2)
        #expect(fixture.source.largestSettlement <= 2)
        await fixture.finish(server)
    }

    @Test func `what would be settled in too many runs is sent again`() async throws {
        let isUp = Atomic(false)
        // Half of a lease is answered; the other half not, until everything else is done.
        let server = try HTTPTestServer { request, _ in
            request.ordinals.contains { $0 % 2 == 1 && $0 > 60 } && !isUp.load(ordering: .acquiring)
                ? .text(401, "no") : .reply(204)
        }
        let fixture = LaneFixture(tuning: .patient, series: 2)
        fixture.source.append(4000)
        var backend = backend(server)
        backend.traits.concurrency = 64
        fixture.start(backend)
        while fixture.source.openLeases > 0 || fixture.source.largestSettlement < ShardedDelivery.maximumRuns {
            await Task.yield()
        }
        #expect(fixture.source.largestSettlement == ShardedDelivery.maximumRuns)
        isUp.store(true, ordering: .releasing)
        fixture.forwarder.configure([DeliveryRoute(tenant: "acme", name: "central", backend: backend)])
        await fixture.source.drained()
        #expect(fixture.source.fates().allSatisfy { $0 == .delivered })
        expectEachSeriesInOrder(server, points: 4000, series: 2)
        await fixture.finish(server)
    }

    @Test func `a node that holds as much as it may goes on request by request`() async throws {
        let server = try HTTPTestServer()
        var tuning = DeliveryTuning()
        tuning.shardedPoints = 10
        let fixture = LaneFixture(tuning: tuning, series: Self.series)
        fixture.source.append(1000)
        fixture.start(backend(server))
        await fixture.source.drained()
        #expect(server.requests.flatMap(\.ordinals) == Array(0..<1000))
        await fixture.finish(server)
    }

    @Test func `neighbours of one fate are settled as one`() {
        func part(_ piece: Int, _ ordinals: Range<Int>, _ fate: Fate = .delivered) -> Settlement.Part {
            Settlement.Part(LeasedRun(piece: piece, ordinals: ordinals), fate)
        }
        let joined = Settlement.joined([
            part(1, 4..<6), part(0, 2..<4), part(0, 0..<2), part(1, 6..<7, .assumed), part(1, 8..<9),
        ])
        let expected = [part(0, 0..<4), part(1, 4..<6), part(1, 6..<7, .assumed), part(1, 8..<9)]
        #expect(joined.map(\.run) == expected.map(\.run))
        #expect(joined.map(\.fate) == expected.map(\.fate))
    }

    // MARK: Fixture

    @Test(arguments: [(0.0005, 4), (0.02, 10), (0.1, 32)])
    func `the farther the backend the more requests are on their way, up to a whole lease`(
        _ answerSeconds: Double, _ requests: Int
    ) {
        var far = LineBackend(url: "http://127.0.0.1:1")
        far.traits = BackendTraits(keepsOrder: true, maximumPoints: 10_000, maximumBodyBytes: 1 << 20, concurrency: 32)
        var lane = LaneState(DeliveryRoute(tenant: "acme", name: "far", backend: far))
        // An outage says nothing about how far away it is.
        func answer(after seconds: Double, isTaken: Bool) {
            lane.sends(points: 1, now: 0)
            lane.answered(points: 1, startedAt: 0, now: Int64(seconds * 1e9), isTaken: isTaken)
        }
        for _ in 0..<20 { answer(after: 0.0001, isTaken: false) }
        answer(after: answerSeconds, isTaken: true)
        #expect(lane.width == requests)
    }

    private func backend(_ server: HTTPTestServer) -> LineBackend {
        var backend = LineBackend(url: server.url)
        backend.keepsApart = true
        backend.traits = BackendTraits(
            keepsOrder: true, maximumPoints: 60, maximumBodyBytes: 1 << 20, concurrency: 4)
        return backend
    }

    /// By the first time that each point came.
    private func expectEachSeriesInOrder(_ server: HTTPTestServer, points: Int, series: Int = series) {
        var last = [Int](repeating: -1, count: series)
        var seen: Set<Int> = []
        for ordinal in server.requests.flatMap(\.ordinals) where seen.insert(ordinal).inserted {
            #expect(ordinal > last[ordinal % series])
            last[ordinal % series] = ordinal
        }
        #expect(seen == Set(0..<points))
    }
}
