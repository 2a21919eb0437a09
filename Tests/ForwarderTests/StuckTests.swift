import TestSupport
import Testing
import WALStore

@testable import Forwarder

@Suite(.timeLimit(.minutes(1)))
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
}
