import Synchronization
import TestSupport
import Testing
import WALStore

@testable import Forwarder

/// Bodies that are sent on as they came. `MemorySource` has points in bodies of 10, whose lines begin with `body`.
@Suite(.timeLimit(.minutes(10)))
struct BodyDeliveryTests {
    private func backend(_ server: HTTPTestServer, points: Int = 40, concurrency: Int = 4) -> LineBackend {
        var backend = LineBackend(url: server.url)
        backend.takesBodies = true
        backend.keepsApart = true
        backend.traits = BackendTraits(
            keepsOrder: true, maximumPoints: points, maximumBodyBytes: 1 << 20, concurrency: concurrency)
        return backend
    }

    private func isOfBodies(_ request: HTTPTestServer.Request) -> Bool { request.text.hasPrefix("body.") }

    @Test func `live points go out in the bodies they came in, whole ones, in order`() async throws {
        let server = try HTTPTestServer { _, _ in .reply(204) }
        let fixture = LaneFixture(bodyPoints: 10)
        fixture.source.append(200)
        fixture.start(backend(server, concurrency: 1))
        await fixture.source.drained()
        #expect(server.requests.allSatisfy(isOfBodies))
        #expect(server.requests.flatMap(\.ordinals) == Array(0..<200))
        #expect(server.requests.allSatisfy { $0.ordinals.count % 10 == 0 && $0.ordinals.count <= 40 })
        #expect(fixture.source.fates().allSatisfy { $0 == .delivered })
        await fixture.finish(server)
    }

    @Test func `a row in which each series comes once goes out in several requests at once`() async throws {
        let gate = HTTPTestGate()
        let server = try HTTPTestServer { _, number in number == 0 ? .reply(204) : .wait(gate, then: .reply(204)) }
        let fixture = LaneFixture(bodyPoints: 10)
        fixture.source.append(40 + 80 + 80)
        fixture.start(backend(server))
        // The first shows that there is a backlog; the next row is two requests, and the one behind it waits.
        await server.received(1 + 2)
        while fixture.source.openLeases < 2 { await Task.yield() }
        #expect(server.requests.count == 3)
        #expect(Set(server.requests[1...].flatMap(\.ordinals)) == Set(40..<120))
        gate.open()
        await fixture.source.drained()
        #expect(Set(server.requests[3...].flatMap(\.ordinals)) == Set(120..<200))
        #expect(server.requests.allSatisfy(isOfBodies))
        #expect(fixture.source.mistakes.elements == [])
        await fixture.finish(server)
    }

    @Test(arguments: [1, 4])
    func `one refused point is found among points, is the only dead one, and bodies go on later`(
        concurrency: Int
    ) async throws {
        let server = try HTTPTestServer { request, _ in
            request.ordinals.contains(133) ? .text(400, "bad point") : .reply(204)
        }
        let fixture = LaneFixture(bodyPoints: 10)
        fixture.source.append(4000)
        fixture.start(backend(server, concurrency: concurrency))
        await fixture.source.drained()
        let fates = fixture.source.fates()
        #expect(fates.indices.filter { fates[$0] != .delivered } == [133])
        #expect(fixture.source.mistakes.elements == [])
        let of = fixture.source.leasesOfBodies.elements
        #expect(of.first == true && of.contains(false) && of.last == true)
        await fixture.finish(server)
    }

    @Test func `a body that is too large for the backend is divided as points`() async throws {
        let server = try HTTPTestServer { request, _ in request.ordinals.count > 7 ? .reply(413) : .reply(204) }
        let fixture = LaneFixture(bodyPoints: 10)
        fixture.source.append(100)
        fixture.start(backend(server, concurrency: 1))
        await fixture.source.drained()
        #expect(fixture.source.fates().allSatisfy { $0 == .delivered })
        let taken = server.requests.filter { $0.ordinals.count <= 7 }.flatMap(\.ordinals)
        #expect(taken == Array(0..<100))
        await fixture.finish(server)
    }

    @Test func `a body beyond our own limit of a request is divided as points`() async throws {
        let server = try HTTPTestServer { _, _ in .reply(204) }
        let fixture = LaneFixture(bodyPoints: 10)
        fixture.source.append(100)
        var backend = backend(server, concurrency: 1)
        backend.traits.maximumBodyBytes = 60
        fixture.start(backend)
        await fixture.source.drained()
        #expect(server.requests.allSatisfy { !isOfBodies($0) && $0.text.utf8.count <= 60 })
        #expect(server.requests.flatMap(\.ordinals) == Array(0..<100))
        await fixture.finish(server)
    }

    @Test func `what had no answer and is refused as there afterwards is assumed, point by point`() async throws {
        let seen = Mutex<Set<Int>>([])
        let server = try HTTPTestServer { request, number in
            // The first arrives, and its answer does not; it is held by then.
            if number == 0 {
                seen.withLock { $0.formUnion(request.ordinals) }
                return .reset
            }
            let isThere = seen.withLock { !$0.isDisjoint(with: request.ordinals) }
            return isThere ? .text(400, "it is there") : .reply(204)
        }
        let fixture = LaneFixture(bodyPoints: 10)
        fixture.source.append(40)
        fixture.start(backend(server, concurrency: 1))
        await fixture.source.drained()
        #expect(fixture.source.fates().allSatisfy { $0 == .assumed })
        #expect(fixture.source.mistakes.elements == [])
        await fixture.finish(server)
    }

    @Test func `bytes that fail for ever are looked into as points`() async throws {
        let server = try HTTPTestServer { request, _ in
            request.ordinals.contains(23) ? .text(500, "out of bounds") : .reply(204)
        }
        let fixture = LaneFixture(bodyPoints: 10)
        fixture.source.append(400)
        fixture.start(backend(server, concurrency: 1))
        await fixture.source.drained()
        let fates = fixture.source.fates()
        #expect(fates.indices.filter { fates[$0] != .delivered } == [23])
        await fixture.finish(server)
    }

    @Test func `a backend that takes no bodies gets points`() async throws {
        let server = try HTTPTestServer { _, _ in .reply(204) }
        let fixture = LaneFixture(bodyPoints: 10)
        fixture.source.append(100)
        var backend = backend(server)
        backend.takesBodies = false
        fixture.start(backend)
        await fixture.source.drained()
        #expect(!server.requests.contains(where: isOfBodies))
        await fixture.finish(server)
    }
}
