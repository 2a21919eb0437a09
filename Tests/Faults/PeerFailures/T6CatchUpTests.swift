import Forwarder
import Synchronization
import TestSupport
import Testing
import WALStore

@testable import Forwarder

/// Theme 6: catching up too hard on the backend, or with what nobody needs first. On a clock that only waiting moves.
@Suite(.timeLimit(.minutes(3))) struct T6CatchUpTests {
    private static let tuning = DeliveryTuning()

    @Test func `hours of outage cost a request a minute or less, and the points arrive after it`() async throws {
        let clock = SteppingClock()
        let refusals = 300
        let server = try PointServer { _, number in number < refusals ? .reply(503) : .reply(204) }
        defer { server.stop() }
        let bench = try DeliveryBench(tuning: T6CatchUpTests.tuning, clock: clock)
        try await bench.start(["acme": [.init(name: "central", url: server.http.url)]])
        let began = clock.now
        try await bench.append(200)
        try await bench.expectAllDelivered(to: server)
        let seconds = Double(clock.now - began) / 1e9
        // Full jitter up to 60 s: 30 on average, with a spread of 300 seconds over 300 tries.
        #expect(seconds > Double(refusals) * 25 - 600, "\(refusals) tries in \(seconds) seconds")
        #expect(server.requests.count == refusals + 1)
        await bench.stop()
    }

    @Test func `Retry-After is honoured, also beyond the cap of our own waits`() async throws {
        let clock = SteppingClock()
        let asked: [Int64] = [120, 5, 600, 61]
        let times = Mutex<[Int64]>([])
        let server = try PointServer { _, number in
            times.withLock { $0.append(clock.now) }
            guard number < asked.count else { return .reply(204) }
            return .reply(number % 2 == 0 ? 429 : 503, headers: [("Retry-After", "\(asked[number])")])
        }
        defer { server.stop() }
        let bench = try DeliveryBench(tuning: T6CatchUpTests.tuning, clock: clock)
        try await bench.start(["acme": [.init(name: "central", url: server.http.url)]])
        try await bench.append(10)
        try await bench.expectAllDelivered(to: server)
        let seen = times.withLock { $0 }
        for (number, seconds) in asked.enumerated() {
            let waited = seen[number + 1] - seen[number]
            #expect(waited >= seconds * 1_000_000_000, "try \(number) came after \(waited) ns of \(seconds) s")
            // A tenth more at most, so that those who were told the same do not come together.
            #expect(waited <= seconds * 1_100_000_000 + 1_000_000_000, "try \(number) came after \(waited) ns")
        }
        await bench.stop()
    }

    @Test func `a restart in an outage does not begin the tries anew`() async throws {
        let clock = SteppingClock()
        let times = Mutex<[Int64]>([])
        let server = try PointServer { _, number in
            times.withLock { $0.append(clock.now) }
            return number == 0 ? .reply(503, headers: [("Retry-After", "900")]) : .reply(204)
        }
        defer { server.stop() }
        // The clock stands still while the first process lives: its wait is cut short by its end.
        let target = DeliveryBench.Target(name: "central", url: server.http.url)
        var tuning = T6CatchUpTests.tuning
        tuning.keepsRequestFor = .zero
        let bench = try DeliveryBench(tuning: tuning, clock: clock, waitsForEver: true)
        try await bench.start(["acme": [target]])
        try await bench.append(10)
        _ = try await bench.lane { $0.attempts == 1 }
        await bench.stop()
        bench.waitsPass()
        for _ in 0..<3 {
            try await bench.start(["acme": [target]])
            _ = try await bench.drained()
            await bench.stop()
        }
        let seen = times.withLock { $0 }
        #expect(seen.count == 2)
        #expect(seen[1] - seen[0] >= 900 * 1_000_000_000, "\(seen)")
    }

    /// Oldest first, because a receiver that needs order per series would refuse the rest for good. Series may overtake
    /// each other, but where one request at a time is asked for, nothing overtakes anything.
    @Test(arguments: [1, 32])
    func `a backend that returns gets its backlog and then the rest, in order, and nothing from in between`(
        concurrency: Int
    ) async throws {
        let server = try PointServer()
        defer { server.stop() }
        let target = DeliveryBench.Target(
            name: "central", url: server.http.url, settings: ["max_points": "50", "concurrency": "\(concurrency)"])
        let other = DeliveryBench.Target(name: "other", url: server.http.url)
        let bench = try DeliveryBench()
        try await bench.start(["acme": [target, other]], delivers: false)
        let old = try await bench.append(200)
        await bench.stop()
        // Out of the config: its backlog stays, in a lane of its own.
        try await bench.start(["acme": [other]], delivers: false)
        try await bench.append(10)
        await bench.stop()
        try await bench.start(["acme": [target]], delivers: false)
        let fresh = try await bench.append(200)
        await bench.stop()
        try await bench.start(["acme": [target]])
        let ledger = try await bench.drained()
        // What came while it was away is not owed to it.
        #expect(ledger.deliveredPoints == 400 && ledger.excludedPoints == 10 && ledger.balances, "\(ledger)")
        let received = server.requests.flatMap(\.values)
        if concurrency == 1 { #expect(received == old + fresh) }
        for series in 0..<DeliveryBench.series {
            func isOfIt(_ value: Int) -> Bool { value % DeliveryBench.series == series }
            #expect(received.filter(isOfIt) == (old + fresh).filter(isOfIt))
        }
        #expect(received.count == old.count + fresh.count)
        await bench.stop()
    }
}
