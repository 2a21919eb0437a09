import Synchronization
import TestSupport
import Testing
import WALStore

@testable import Forwarder

@Suite(.timeLimit(.minutes(10)))
struct StuckTests {
    @Test func `a point that is answered 500 for ever ends as a dead letter and the rest is delivered`() async throws {
        let server = try HTTPTestServer { request, _ in
            request.ordinals.contains(30) ? .text(500, "too old sample") : .reply(204)
        }
        let fixture = LaneFixture()
        fixture.start(LineBackend(url: server.url))
        fixture.source.append(100)
        await fixture.source.drained()
        let fates = fixture.source.fates()
        #expect(fates[30] == .dead(DeadLetterReason(code: "stuck", excerpt: "too old sample", status: 500)))
        #expect(fates.filter { $0 == .delivered }.count == 99)
        // Not before the same bytes had failed for two minutes.
        #expect(fixture.waits.elements.reduce(.zero, +) >= .seconds(120))
        await fixture.finish(server)
    }

    @Test func `a whole request of such points is buried once a later one is taken`() async throws {
        let server = try HTTPTestServer { request, _ in
            request.ordinals.contains { $0 < 20 } ? .text(500, "too old sample") : .reply(204)
        }
        let fixture = LaneFixture()
        var backend = LineBackend(url: server.url)
        backend.traits.maximumPoints = 20
        fixture.start(backend)
        fixture.source.append(40)
        await fixture.source.drained()
        let fates = fixture.source.fates()
        #expect(fates[..<20].allSatisfy { $0 != .delivered })
        #expect(fates[20...].allSatisfy { $0 == .delivered })
        await fixture.finish(server)
    }

    @Test func `requests of such points one behind another do not keep each other from being found out`() async throws {
        let server = try HTTPTestServer { request, _ in
            request.ordinals.contains { $0 < 100 } ? .text(500, "too old sample") : .reply(204)
        }
        let fixture = LaneFixture()
        var backend = LineBackend(url: server.url)
        backend.traits.maximumPoints = 20
        fixture.start(backend)
        fixture.source.append(240)
        await fixture.source.drained()
        let fates = fixture.source.fates()
        #expect(fates[..<100].allSatisfy { $0 != .delivered })
        #expect(fates[100...].allSatisfy { $0 == .delivered })
        #expect(fixture.source.ledger().overtaken == Set(0..<100))
        await fixture.finish(server)
    }

    /// Found by the simulator, seed 343: the points behind were refused each time, and stayed where they were.
    @Test func `points behind that are refused are buried, and do not keep those from being found out`() async throws {
        let server = try HTTPTestServer { request, _ in
            if request.ordinals.contains(where: { $0 < 20 }) { return .text(500, "too old sample") }
            return request.ordinals.contains { $0 < 90 && $0 != 70 } ? .text(400, "no") : .reply(204)
        }
        let fixture = LaneFixture()
        var backend = LineBackend(url: server.url)
        backend.traits.maximumPoints = 20
        fixture.start(backend)
        fixture.source.append(100)
        await fixture.source.drained()
        let fates = fixture.source.fates()
        let statuses = fates.map { fate in if case .dead(let reason)? = fate { reason.status } else { 0 } }
        #expect(statuses[..<20].allSatisfy { $0 == 500 })
        #expect(statuses[20..<90].filter { $0 == 400 }.count == 69)
        #expect(fates[70] == .delivered && fates[90...].allSatisfy { $0 == .delivered })
        await fixture.finish(server)
    }

    @Test(arguments: [500, 502, 503, 504])
    func `an outage buries nothing, however long it is`(_ status: Int) async throws {
        let server = try HTTPTestServer { _, _ in .text(status, "down") }
        let fixture = LaneFixture()
        var backend = LineBackend(url: server.url)
        backend.traits.maximumPoints = 20
        fixture.start(backend)
        fixture.source.append(60)
        while fixture.waits.elements.reduce(.zero, +) < .seconds(6 * 3600) { await Task.yield() }
        #expect(fixture.source.fates().allSatisfy { $0 == nil })
        server.answer { _, _ in .reply(204) }
        await fixture.source.drained()
        #expect(fixture.source.fates().allSatisfy { $0 == .delivered })
        await fixture.finish(server)
    }

    /// A backend that keeps order, and lost the first request: what a probe overtook it refuses as out of order ever after.
    @Test func `a point that a probe overtook is never assumed to have arrived`() async throws {
        let hasLater = Atomic(false)
        let server = try HTTPTestServer { request, number in
            if number == 0 { return .reset }
            if request.ordinals.allSatisfy({ $0 >= 20 }) {
                hasLater.store(true, ordering: .sequentiallyConsistent)
                return .reply(204)
            }
            if hasLater.load(ordering: .sequentiallyConsistent) {
                return .text(400, "out of order: there is a later one")
            }
            return .text(500, "cannot append")
        }
        let fixture = LaneFixture()
        var backend = LineBackend(url: server.url)
        backend.traits.maximumPoints = 20
        fixture.start(backend)
        fixture.source.append(40)
        await fixture.source.drained()
        let fates = fixture.source.fates()
        #expect(fates[..<20].allSatisfy { if case .dead = $0 { true } else { false } })
        #expect(fates[20...].allSatisfy { $0 == .delivered })
        #expect(fixture.source.ledger().overtaken == Set(0..<20))
        await fixture.finish(server)
    }

    @Test func `after an outage of 500 that took every probe too, what is there is believed`() async throws {
        let isOver = Atomic(false)
        let server = try HTTPTestServer { request, number in
            // The first request arrives, and its answer is lost.
            if number == 0 { return .reset }
            if !isOver.load(ordering: .sequentiallyConsistent) { return .text(500, "no disk") }
            return request.ordinals.contains { $0 < 20 } ? .text(400, "out of order: it is there") : .reply(204)
        }
        let fixture = LaneFixture()
        var backend = LineBackend(url: server.url)
        backend.traits.maximumPoints = 20
        fixture.start(backend)
        fixture.source.append(40)
        while fixture.waits.elements.reduce(.zero, +) < .seconds(3600) { await Task.yield() }
        isOver.store(true, ordering: .sequentiallyConsistent)
        await fixture.source.drained()
        let fates = fixture.source.fates()
        #expect(fates[20...].allSatisfy { $0 == .delivered })
        // A probe that was under way when the outage ended may have overtaken them: then, and only then, they are dead.
        let hasOvertaken = !fixture.source.ledger().overtaken.isEmpty
        #expect(fates[..<20].allSatisfy { hasOvertaken || $0 == .assumed })
        await fixture.finish(server)
    }
}
