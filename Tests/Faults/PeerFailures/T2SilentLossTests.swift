import Forwarder
import Synchronization
import TestSupport
import Testing
import WALStore

@testable import Forwarder

/// Theme 2, as far as the network has a part in it: points given up after so many tries, called permanent failures, or
/// forgotten at a restart.
@Suite(.timeLimit(.minutes(3))) struct T2SilentLossTests {
    /// Says no in so many ways before it says yes; `kinds` by request number.
    private func server(
        failures: Int, _ kinds: [HTTPTestServer.Action]
    ) throws -> PointServer {
        try PointServer { _, number in number < failures ? kinds[number % kinds.count] : .reply(204) }
    }

    @Test func `no number of failed tries ends a point`() async throws {
        let clock = SteppingClock()
        let server = try server(
            failures: 600,
            [
                .reply(503), .reply(500), .reset, .reply(429), .reply(408), .raw([]), .reply(502), .text(504, "proxy"),
                .raw(Array("nonsense\r\n\r\n".utf8)), .reply(425), .reply(599), .raw(Array("HTTP/1.1 204 No".utf8)),
            ])
        defer { server.stop() }
        let bench = try DeliveryBench(tuning: DeliveryTuning(), clock: clock)
        try await bench.start(["acme": [.init(name: "central", url: server.http.url)]])
        try await bench.append(100)
        try await bench.expectAllDelivered(to: server)
        #expect(server.requests.count == 601)
        await bench.stop()
    }

    @Test func `a backend that answers everything with the same 500 ends no point either`() async throws {
        let clock = SteppingClock()
        let server = try server(failures: 400, [.text(500, "too old sample")])
        defer { server.stop() }
        let bench = try DeliveryBench(tuning: DeliveryTuning(), clock: clock)
        try await bench.start(["acme": [.init(name: "central", url: server.http.url)]])
        for _ in 0..<4 { try await bench.append(50) }
        let ledger = try await bench.drained()
        // Far more time passed than makes points suspicious, but nothing ever succeeded beside them.
        #expect(clock.now > 10 * 120 * 1_000_000_000)
        #expect(ledger.deadPoints == 0 && ledger.deliveredPoints == 200, "\(ledger)")
        await bench.stop()
    }

    @Test(arguments: [302, 401, 402, 403, 404, 405, 407, 410, 415])
    func `nothing that an operator can mend ends a point, however long it takes`(_ status: Int) async throws {
        let clock = SteppingClock()
        let server = try server(failures: 50, [.reply(status)])
        defer { server.stop() }
        let bench = try DeliveryBench(tuning: DeliveryTuning(), clock: clock)
        try await bench.start(["acme": [.init(name: "central", url: server.http.url)]])
        try await bench.append(100)
        try await bench.expectAllDelivered(to: server)
        // A probe now and then, not a storm.
        #expect(clock.now > 50 * 30 * 1_000_000_000)
        await bench.stop()
    }

    @Test func `a backlog from before the start is sent, from where it was left and in its order`() async throws {
        let server = try PointServer()
        defer { server.stop() }
        let target = DeliveryBench.Target(name: "central", url: server.http.url, settings: ["max_points": "40"])
        let bench = try DeliveryBench()
        // Three lives without a network, one that gets a part through, and one that gets the rest.
        for _ in 0..<3 {
            try await bench.start(["acme": [target]], delivers: false)
            try await bench.append(100)
            await bench.stop()
        }
        server.answer { _, number in number < 3 ? .reply(204) : .reply(503) }
        try await bench.start(["acme": [target]])
        // Answers that are still on their way when the life ends are none.
        _ = try await bench.lane { $0.attempts >= 2 && $0.counters.answers["delivered"] == 3 }
        await bench.stop()
        let refused = server.requests.count
        server.answer { _, _ in .reply(204) }
        try await bench.start(["acme": [target]])
        try await bench.append(100)
        try await bench.expectAllDelivered(to: server)
        #expect(server.disordered(series: DeliveryBench.series).isEmpty)
        // What was delivered in the life before does not go out again.
        let first = server.requests[..<3].flatMap(\.values)
        #expect(server.requests[refused...].flatMap(\.values).allSatisfy { !first.contains($0) })
        await bench.stop()
    }
}
