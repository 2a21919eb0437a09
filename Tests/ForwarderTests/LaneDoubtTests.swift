import TestSupport
import Testing
import WALStore

@testable import Forwarder

/// Lanes that are likelier to be wrong themselves than the points they carry.
@Suite(.timeLimit(.minutes(5)))
struct LaneDoubtTests {
    private func isDead(_ fate: Fate?) -> Bool { if case .dead = fate { true } else { false } }

    private func heldBecause(_ fixture: LaneFixture) -> String {
        if case .held(let reason, _) = fixture.status?.state { reason } else { "" }
    }

    private static let held = "the lane is held until an operator acts; everything is kept"

    @Test func `a backend that never took anything and refuses a hundred points is held, and the rest is kept`()
        async throws
    {
        let server = try HTTPTestServer { _, _ in .text(400, "what is this?") }
        let fixture = LaneFixture()
        fixture.start(LineBackend(url: server.url))
        fixture.source.append(1000)
        // By a long way more than one probe.
        while fixture.waits.elements.count < 10 { await Task.yield() }
        let reason = heldBecause(fixture)
        #expect(reason.contains("100 points and more were refused") && reason.contains("what is this?"), "\(reason)")
        let dead = fixture.source.fates().count(where: isDead)
        #expect((100...210).contains(dead), "a probe costs ten points: \(dead)")
        #expect(fixture.events.elements.count { $0.message == Self.held } == 1)
        server.answer { _, _ in .reply(204) }
        await fixture.source.drained()
        #expect(fixture.source.fates().count(where: isDead) < 230)
        await fixture.finish(server)
    }

    @Test func `one that has taken something is believed, however many points it refuses`() async throws {
        let server = try HTTPTestServer { request, _ in
            request.ordinals.contains { $0 >= 5 } ? .text(400, "bad") : .reply(204)
        }
        let fixture = LaneFixture()
        fixture.start(LineBackend(url: server.url))
        fixture.source.append(5)
        await fixture.source.drained()
        fixture.source.append(300)
        await fixture.source.drained()
        #expect(fixture.source.fates().count(where: isDead) == 300)
        #expect(fixture.waits.elements.isEmpty)
        // Told once in ten minutes.
        let told = fixture.events.elements.filter { $0.message.hasPrefix("points are dead letters") }
        #expect(told.count == 1 && told.first?.metadata["reason"] == "refused: bad", "\(told)")
        await fixture.finish(server)
    }

    @Test func `points that an encoder leaves out of all accounts are not called delivered`() async throws {
        let server = try HTTPTestServer()
        let fixture = LaneFixture()
        var backend = LineBackend(url: server.url)
        backend.forgets = [3]
        fixture.start(backend)
        fixture.source.append(10)
        while fixture.waits.elements.isEmpty { await Task.yield() }
        #expect(heldBecause(fixture).contains("a defect"))
        #expect(fixture.source.fates().allSatisfy { $0 == nil })
        #expect(server.requests.isEmpty)
        backend.forgets = []
        fixture.forwarder.configure([DeliveryRoute(tenant: "acme", name: "central", backend: backend)])
        await fixture.source.drained()
        #expect(fixture.source.fates().allSatisfy { $0 == .delivered })
        await fixture.finish(server)
    }

    @Test func `answers that settle nothing are not asked for without a pause`() async throws {
        let server = try HTTPTestServer { _, number in number < 200 ? .reply(418) : .reply(204) }
        let fixture = LaneFixture()
        fixture.start(LineBackend(url: server.url))
        fixture.source.append(10)
        await fixture.source.drained()
        #expect(server.requests.count == 201)
        #expect(fixture.waits.elements.count == 3, "after each 65")
        await fixture.finish(server)
    }
}
