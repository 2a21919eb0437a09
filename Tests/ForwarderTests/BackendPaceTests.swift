import TestSupport
import Testing
import WALStore

@testable import Forwarder

/// No more requests, or bytes, in a second than a config says.
@Suite(.timeLimit(.minutes(5)))
struct BackendPaceTests {
    private func traits(_ requests: Int?, _ bytes: Int?) -> BackendTraits {
        var traits = BackendTraits(keepsOrder: true, maximumPoints: 10, maximumBodyBytes: 1 << 20)
        (traits.requestsPerSecond, traits.bytesPerSecond) = (requests, bytes)
        return traits
    }

    @Test func `each request takes the next free moment, and the slower of both limits counts`() {
        let pace = BackendPace()
        #expect(pace.take(bytes: 1 << 20, traits(nil, nil), now: 5) == .zero)
        let both = traits(10, 1000)
        #expect(pace.take(bytes: 50, both, now: 0) == .zero)
        #expect(pace.take(bytes: 500, both, now: 0) == .milliseconds(100))
        #expect(pace.take(bytes: 0, both, now: 0) == .milliseconds(600))
        #expect(pace.take(bytes: 0, both, now: 650_000_000) == .milliseconds(50))
        // What was not used is not saved up.
        #expect(pace.take(bytes: 0, both, now: 60_000_000_000) == .zero)
        #expect(pace.take(bytes: 0, both, now: 60_000_000_000) == .milliseconds(100))
        // A rate that is raised is waited for an hour at most.
        #expect(pace.take(bytes: .max, traits(nil, 1024), now: 70_000_000_000) == .zero)
        #expect(pace.take(bytes: 0, both, now: 70_000_000_000) == .seconds(3600))
    }

    @Test func `a lane waits between its requests, also with what it sends again`() async throws {
        let server = try HTTPTestServer { _, number in number == 1 ? .text(413, "too large") : .reply(204) }
        let fixture = LaneFixture()
        var backend = LineBackend(url: server.url)
        backend.traits.maximumPoints = 10
        backend.traits.requestsPerSecond = 4
        fixture.start(backend)
        fixture.source.append(30)
        await fixture.source.drained()
        #expect(server.requests.count >= 4)
        let waits = fixture.waits.elements
        #expect(waits == Array(repeating: .milliseconds(250), count: server.requests.count - 1), "\(waits)")
        await fixture.finish(server)
    }

    @Test func `bytes are counted as they are sent`() async throws {
        let server = try HTTPTestServer()
        let fixture = LaneFixture()
        var backend = LineBackend(url: server.url)
        backend.traits.maximumPoints = 10
        backend.traits.bytesPerSecond = 1024
        fixture.start(backend)
        fixture.source.append(30)
        await fixture.source.drained()
        let sizes = server.requests.dropLast().map { Double($0.body.count) / 1024 }
        let waits = fixture.waits.elements.map { Double($0.wholeNanoseconds) / 1e9 }
        #expect(waits.count == 2 && zip(waits, sizes).allSatisfy { abs($0 - $1) < 1e-6 }, "\(waits), \(sizes)")
        await fixture.finish(server)
    }
}
