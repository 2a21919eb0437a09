import TestSupport
import Testing
import WALStore

@testable import Forwarder

@Suite(.timeLimit(.minutes(10)))
struct DeliveryTests {
    @Test func `every point is delivered once and in order when nothing goes wrong`() async throws {
        let server = try HTTPTestServer()
        let fixture = LaneFixture()
        fixture.start(LineBackend(url: server.url))
        fixture.source.append(2500)
        fixture.source.append(10)
        await fixture.source.drained()
        #expect(server.requests.flatMap(\.ordinals) == Array(0..<2510))
        #expect(fixture.source.fates().allSatisfy { $0 == .delivered })
        await fixture.finish(server)
        #expect(fixture.status?.counters.deliveredPoints == 2510)
        #expect(fixture.status?.state == .ok)
    }

    @Test func `a failing request goes out again with the same bytes until it is taken`() async throws {
        let server = try HTTPTestServer { request, number in
            switch number {
            case 0: .reset
            case 1: .text(503, "busy")
            case 2: .raw(Array("nonsense".utf8))
            default: .reply(204)
            }
        }
        let fixture = LaneFixture()
        fixture.start(LineBackend(url: server.url))
        fixture.source.append(100)
        await fixture.source.drained()
        #expect(server.requests.count == 4)
        #expect(Set(server.requests.map(\.body)).count == 1)
        #expect(fixture.source.fates().allSatisfy { $0 == .delivered })
        await fixture.finish(server)
    }

    @Test func `nothing is dropped while the port refuses`() async throws {
        let port = try LoopbackPort.free()
        let fixture = LaneFixture()
        fixture.start(LineBackend(url: "http://127.0.0.1:\(port)"))
        fixture.source.append(100)
        while fixture.waits.elements.count < 20 { await Task.yield() }
        guard case .backingOff = fixture.status?.state else {
            Issue.record("the lane is \(String(describing: fixture.status?.state))")
            return
        }
        let again = try HTTPTestServer(port: port)
        await fixture.source.drained()
        #expect(fixture.source.fates().allSatisfy { $0 == .delivered })
        await fixture.finish(again)
        #expect(fixture.status?.state == .ok)
    }

    @Test func `a timeout leads to the same request again`() async throws {
        let gate = HTTPTestGate()
        let server = try HTTPTestServer { _, number in number == 0 ? .wait(gate, then: .reply(204)) : .reply(204) }
        let fixture = LaneFixture()
        var backend = LineBackend(url: server.url)
        backend.timeout = .milliseconds(150)
        fixture.start(backend)
        fixture.source.append(3)
        await fixture.source.drained()
        #expect(server.requests.map(\.ordinals) == [[0, 1, 2], [0, 1, 2]])
        await fixture.finish(server)
    }

    @Test func `a 429 waits as long as it asks for`() async throws {
        let server = try HTTPTestServer { _, number in
            number == 0 ? .reply(429, headers: [("Retry-After", "300")]) : .reply(204)
        }
        let fixture = LaneFixture()
        fixture.start(LineBackend(url: server.url))
        fixture.source.append(5)
        await fixture.source.drained()
        #expect(fixture.waits.elements.reduce(.zero, +) >= .seconds(300))
        #expect(fixture.waits.elements.reduce(.zero, +) <= .seconds(331))
        await fixture.finish(server)
    }

    @Test func `a 413 splits the request and later ones are smaller from the start`() async throws {
        let server = try HTTPTestServer { request, _ in request.ordinals.count > 300 ? .reply(413) : .reply(204) }
        let fixture = LaneFixture()
        fixture.start(LineBackend(url: server.url))
        fixture.source.append(1000)
        await fixture.source.drained()
        fixture.source.append(1000)
        await fixture.source.drained()
        let refused = server.requests.filter { $0.ordinals.count > 300 }.count
        // 1000, 500 and 500; never again after that.
        #expect(refused == 3)
        #expect(server.requests.filter { $0.ordinals.count <= 300 }.flatMap(\.ordinals) == Array(0..<2000))
        await fixture.finish(server)
    }

    @Test func `a body above the backend's limit is split before it is sent`() async throws {
        let server = try HTTPTestServer()
        let fixture = LaneFixture()
        var backend = LineBackend(url: server.url)
        backend.traits.maximumBodyBytes = 1000
        fixture.start(backend)
        fixture.source.append(900)
        await fixture.source.drained()
        #expect(server.requests.allSatisfy { $0.body.count <= 1000 })
        #expect(server.requests.flatMap(\.ordinals) == Array(0..<900))
        await fixture.finish(server)
    }

    @Test func `a 400 buries exactly the points at fault, in few requests, and keeps the order of the rest`()
        async throws
    {
        let bad: Set<Int> = [17, 640, 641]
        let server = try HTTPTestServer { request, _ in
            request.ordinals.contains(where: bad.contains) ? .text(400, "out of range") : .reply(204)
        }
        let fixture = LaneFixture()
        fixture.start(LineBackend(url: server.url))
        fixture.source.append(1000)
        await fixture.source.drained()
        let fates = fixture.source.fates()
        let dead = DeadLetterReason(code: "refused", excerpt: "out of range", status: 400)
        for (point, fate) in fates.enumerated() { #expect(fate == (bad.contains(point) ? .dead(dead) : .delivered)) }
        let taken = server.requests.map(\.ordinals).filter { $0.allSatisfy { !bad.contains($0) } }.flatMap(\.self)
        #expect(taken == (0..<1000).filter { !bad.contains($0) })
        #expect(server.requests.count <= 1 + 2 * 10 * bad.count)
        await fixture.finish(server)
    }

    @Test func `already there is assumed after a reset, and a dead letter without one`() async throws {
        let server = try HTTPTestServer { request, number in
            if number == 0 { return .reset }
            return request.ordinals.contains(3) || request.ordinals.contains(12)
                ? .text(400, "it is there") : .reply(204)
        }
        let fixture = LaneFixture()
        var backend = LineBackend(url: server.url)
        backend.traits.maximumPoints = 10
        fixture.start(backend)
        fixture.source.append(20)
        await fixture.source.drained()
        let fates = fixture.source.fates()
        #expect(fates[3] == .assumed)
        #expect(fates[12] == .dead(DeadLetterReason(code: "refused", excerpt: "it is there", status: 400)))
        #expect(fates.filter { $0 == .delivered }.count == 18)
        await fixture.finish(server)
    }

    @Test func `a 401 holds the lane, keeps everything, and goes on once it is mended`() async throws {
        let server = try HTTPTestServer { _, _ in .reply(401) }
        let fixture = LaneFixture()
        fixture.start(LineBackend(url: server.url))
        fixture.source.append(50)
        await server.received(5)
        #expect(fixture.source.fates().allSatisfy { $0 == nil })
        guard case .held(let because, _) = fixture.status?.state else {
            Issue.record("the lane is not held")
            return
        }
        #expect(because == "the backend refuses our credentials")
        // Probes are far apart, and it is said once, not at each of them.
        #expect(fixture.waits.elements.allSatisfy { $0 >= .seconds(29) && $0 <= .seconds(90) })
        #expect(fixture.events.elements.filter { $0.level == .error }.count == 1)
        server.answer { _, _ in .reply(204) }
        await fixture.source.drained()
        await fixture.finish(server)
        #expect(fixture.status?.state == .ok)
    }

    @Test func `a huge answer is a success like any other`() async throws {
        let server = try HTTPTestServer { _, _ in .huge(200, bytes: 4 << 20) }
        let fixture = LaneFixture()
        fixture.start(LineBackend(url: server.url))
        fixture.source.append(50)
        await fixture.source.drained()
        #expect(server.requests.count == 1)
        await fixture.finish(server)
    }

    @Test func `points a backend cannot carry are excluded, and a request of only such is not sent`() async throws {
        let server = try HTTPTestServer()
        let fixture = LaneFixture()
        var backend = LineBackend(url: server.url)
        backend.excludes = Set(0..<10).union([15])
        backend.traits.maximumPoints = 10
        fixture.start(backend)
        fixture.source.append(20)
        await fixture.source.drained()
        #expect(server.requests.count == 1)
        #expect(fixture.source.fates().filter { $0 == .excluded(reason: "odd") }.count == 11)
        #expect(fixture.source.fates().filter { $0 == .delivered }.count == 9)
        await fixture.finish(server)
    }

    @Test func `a settlement that fails means the points are sent again, never dropped`() async throws {
        let server = try HTTPTestServer()
        let fixture = LaneFixture()
        fixture.source.failNextSettles(2)
        fixture.start(LineBackend(url: server.url))
        fixture.source.append(5)
        await fixture.source.drained()
        #expect(server.requests.map(\.ordinals) == Array(repeating: Array(0..<5), count: 3))
        #expect(fixture.source.fates().allSatisfy { $0 == .delivered })
        await fixture.finish(server)
    }

    @Test func `what a full disk does not let settle is not sent again, and the lane says why it waits`() async throws {
        let server = try HTTPTestServer()
        let fixture = LaneFixture()
        let seen = Recorder<LaneStatus?>()
        fixture.source.failNextSettles(4, .full) { [weak fixture] in seen.record(fixture?.status) }
        fixture.start(LineBackend(url: server.url))
        fixture.source.append(5)
        await fixture.source.drained()
        #expect(server.requests.map(\.ordinals) == [Array(0..<5)])
        #expect(fixture.source.fates().allSatisfy { $0 == .delivered })
        // At the first failure nothing was wrong yet.
        for status in seen.elements.dropFirst() {
            guard let status, case .backingOff = status.state else {
                Issue.record("the lane says that all is well: \(String(describing: status))")
                continue
            }
            #expect(status.lastError == "what was delivered cannot be settled: scripted")
        }
        #expect(seen.elements.count == 4)
        #expect(fixture.waits.elements.count { $0 >= .seconds(1) && $0 <= .seconds(10) } == 4)
        #expect(fixture.status?.state == .ok)
        await fixture.finish(server)
    }

    @Test func `a stop does not wait for a settle that finds no room`() async throws {
        let server = try HTTPTestServer()
        let fixture = LaneFixture()
        let failed = Signal()
        fixture.source.failNextSettles(.max, .full) { failed.set() }
        fixture.start(LineBackend(url: server.url))
        fixture.source.append(5)
        await failed.wait()
        await fixture.finish(server)
        #expect(fixture.source.fates().allSatisfy { $0 == nil }, "owed, and not lost")
    }
}

extension LaneFixture {
    /// Ends everything and checks that the ledger was used as it may be.
    func finish(_ server: HTTPTestServer) async {
        await forwarder.stop(grace: .seconds(1))
        server.stop()
        #expect(source.mistakes.elements == [])
        #expect(source.openLeases == 0)
    }
}
