import TestSupport
import Testing
import WALStore

@testable import Forwarder

@Suite(.timeLimit(.minutes(10)))
struct ForwarderTests {
    @Test func `a dead backend does not stop the other one`() async throws {
        // A port that no other test's server can come to have.
        let dead = "http://127.0.0.1:1/"
        let alive = try HTTPTestServer()
        let fixture = LaneFixture(backends: ["dead", "alive"])
        fixture.forwarder.configure([
            DeliveryRoute(tenant: "acme", name: "dead", backend: LineBackend(url: dead)),
            DeliveryRoute(tenant: "acme", name: "alive", backend: LineBackend(url: alive.url)),
        ])
        fixture.forwarder.start()
        fixture.source.append(3000)
        await fixture.source.drained("alive")
        #expect(alive.requests.flatMap(\.ordinals) == Array(0..<3000))
        #expect(fixture.source.fates("dead").allSatisfy { $0 == nil })
        await fixture.finish(alive)
    }

    @Test func `a reload in mid-flight finishes the attempt and goes on at the new place`() async throws {
        let gate = HTTPTestGate()
        let old = try HTTPTestServer { _, _ in .wait(gate, then: .reply(204)) }
        let new = try HTTPTestServer()
        let fixture = LaneFixture()
        var backend = LineBackend(url: old.url)
        backend.traits.maximumPoints = 10
        fixture.start(backend)
        fixture.source.append(30)
        await old.received(1)
        backend.url = new.url
        fixture.forwarder.configure([DeliveryRoute(tenant: "acme", name: "central", backend: backend)])
        #expect(new.requests.isEmpty)
        gate.open()
        await fixture.source.drained()
        #expect(old.requests.flatMap(\.ordinals) == Array(0..<10))
        #expect(new.requests.flatMap(\.ordinals) == Array(10..<30))
        old.stop()
        await fixture.finish(new)
    }

    @Test func `a reload makes a held lane try at once`() async throws {
        let old = try HTTPTestServer { _, _ in .reply(401) }
        let new = try HTTPTestServer()
        let fixture = LaneFixture(tuning: .patient)
        fixture.start(LineBackend(url: old.url))
        fixture.source.append(5)
        await old.received(1)
        fixture.forwarder.configure([DeliveryRoute(tenant: "acme", name: "central", backend: LineBackend(url: new.url))]
        )
        await fixture.source.drained()
        #expect(new.requests.count == 1)
        old.stop()
        await fixture.finish(new)
    }

    @Test func `a removed lane keeps what it owes and a returning one delivers it`() async throws {
        let server = try HTTPTestServer()
        let fixture = LaneFixture()
        fixture.start(LineBackend(url: server.url))
        fixture.source.append(5)
        await fixture.source.drained()
        fixture.forwarder.configure([])
        fixture.source.append(7)
        #expect(fixture.forwarder.status().isEmpty)
        #expect(fixture.source.fates().filter { $0 == nil }.count == 7)
        fixture.forwarder.configure([
            DeliveryRoute(tenant: "acme", name: "central", backend: LineBackend(url: server.url))
        ])
        await fixture.source.drained()
        #expect(server.requests.flatMap(\.ordinals) == Array(0..<12))
        await fixture.finish(server)
    }

    @Test func `stopping waits for the answer in flight and settles it`() async throws {
        let gate = HTTPTestGate()
        let server = try HTTPTestServer { _, _ in .wait(gate, then: .reply(204)) }
        let fixture = LaneFixture(tuning: .patient)
        fixture.start(LineBackend(url: server.url))
        fixture.source.append(10)
        await server.received(1)
        // The grace is a wait without end here: only the answer can let it return.
        let stopping = Task { await fixture.forwarder.stop(grace: .seconds(86_400)) }
        gate.open()
        await stopping.value
        #expect(fixture.source.fates().allSatisfy { $0 == .delivered })
        server.stop()
    }

    @Test func `what had no answer when the grace is over may have arrived`() async throws {
        let server = try HTTPTestServer { _, _ in .wait(HTTPTestGate(), then: .reply(204)) }
        let fixture = LaneFixture()
        fixture.start(LineBackend(url: server.url))
        fixture.source.append(10)
        await server.received(1)
        await fixture.forwarder.stop(grace: .seconds(1))
        #expect(fixture.source.ledger().maybeSent == Set(0..<10))
        #expect(fixture.source.fates().allSatisfy { $0 == nil })
        await fixture.finish(server)
    }

    @Test func `a restart honours the wait that was under way`() async throws {
        let server = try HTTPTestServer()
        let fixture = LaneFixture()
        let retry = RetryState(
            mode: .backingOff, attempts: 7, nextAttemptAt: fixture.clock.time.wall() + 40_000_000_000, reason: "busy")
        try await fixture.source.setRetryState(retry, tenant: "acme", backend: "central")
        fixture.start(LineBackend(url: server.url))
        fixture.source.append(10)
        await fixture.source.drained()
        #expect(fixture.waits.elements == [.seconds(40)])
        #expect(fixture.source.ledger().retry == .ok)
        await fixture.finish(server)
    }

    @Test(arguments: [RetryState.Mode.held, .backingOff])
    func `a wall clock that was far ahead does not stop a lane for long`(_ mode: RetryState.Mode) async throws {
        let server = try HTTPTestServer()
        let fixture = LaneFixture()
        let ahead: Int64 = 400 * 86_400 * 1_000_000_000
        let retry = RetryState(
            mode: mode, attempts: 1, nextAttemptAt: fixture.clock.time.wall() + ahead, reason: "it did not answer")
        try await fixture.source.setRetryState(retry, tenant: "acme", backend: "central")
        fixture.start(LineBackend(url: server.url))
        fixture.source.append(10)
        await fixture.source.drained()
        #expect(fixture.waits.elements == [.seconds(60)])
        await fixture.finish(server)
    }

    @Test func `where order does not matter several requests are in flight, and no more than allowed`() async throws {
        let gate = HTTPTestGate()
        let server = try HTTPTestServer { _, _ in .wait(gate, then: .reply(204)) }
        let fixture = LaneFixture()
        var backend = LineBackend(url: server.url)
        backend.traits = BackendTraits(keepsOrder: false, maximumPoints: 10, maximumBodyBytes: 1 << 20, concurrency: 3)
        fixture.start(backend)
        fixture.source.append(100)
        await server.received(3)
        #expect(fixture.status?.requestsInFlight == 3)
        gate.open()
        await fixture.source.drained()
        #expect(Set(server.requests.flatMap(\.ordinals)) == Set(0..<100))
        #expect(server.requests.count == 10)
        await fixture.finish(server)
    }
}

extension DeliveryTuning {
    /// Probes at waits that are real (see `LaneFixture`): for tests that must not get anywhere by waiting.
    static var patient: DeliveryTuning {
        var tuning = DeliveryTuning()
        tuning.probeEvery = .seconds(86_400)
        return tuning
    }
}
