import Forwarder
import Metrics
import Synchronization
import TestSupport
import Testing
import WALStore

/// Theme 9: points that arrive twice for no reason, or in another order than they came in.
@Suite(.timeLimit(.minutes(3))) struct T9DuplicatesTests {
    @Test func `only the items that failed are sent again`() async throws {
        var behaviour = BulkServer.Behaviour()
        behaviour.overloadsEvery = 4
        let server = try BulkServer(behaviour)
        defer { server.stop() }
        let target = DeliveryBench.Target(
            name: "central", type: "elasticsearch", url: server.url, settings: ["index": "points", "gzip": "false"])
        let bench = try DeliveryBench()
        try await bench.start(["acme": [target]])
        for _ in 0..<5 { try await bench.append(100) }
        let ledger = try await bench.drained()
        #expect(ledger.deliveredPoints == 500 && ledger.deadPoints == 0 && ledger.balances, "\(ledger)")
        #expect(server.documents(in: "points").count == 500)
        // A second copy of a document that was stored would have been a conflict.
        #expect(server.conflicts == 0)
        let sent = server.requests.reduce(0) { $0 + $1.body.count { $0 == UInt8(ascii: "\n") } / 2 }
        #expect(sent > 500, "nothing was ever sent again")
        await bench.stop()
    }

    @Test func `an answer that was lost makes no second document`() async throws {
        let server = try BulkServer()
        let proxy = try FaultProxy(to: server.port) { number in number < 6 ? .replyLost : .clean }
        defer {
            proxy.stop()
            server.stop()
        }
        let target = DeliveryBench.Target(
            name: "central", type: "elasticsearch", url: proxy.url,
            settings: ["index": "points", "max_points": "40"])
        let bench = try DeliveryBench()
        try await bench.start(["acme": [target]])
        for _ in 0..<5 { try await bench.append(100) }
        let ledger = try await bench.drained()
        #expect(ledger.deliveredPoints + ledger.assumedPoints == 500 && ledger.deadPoints == 0, "\(ledger)")
        #expect(ledger.assumedPoints > 0, "no answer was lost")
        #expect(server.documents(in: "points").count == 500)
        await bench.stop()
    }

    @Test func `a retry carries the same points, and nothing newer overtakes it`() async throws {
        let server = try PointServer { _, number in
            number % 4 == 3 ? .reply(204) : number % 2 == 0 ? .reply(503) : .reset
        }
        defer { server.stop() }
        let target = DeliveryBench.Target(
            name: "central", url: server.http.url, settings: ["max_points": "60", "concurrency": "1"])
        let bench = try DeliveryBench()
        try await bench.start(["acme": [target]])
        for _ in 0..<6 { try await bench.append(100) }
        try await bench.expectAllDelivered(to: server)
        let requests = server.requests
        for first in stride(from: 0, to: requests.count, by: 4) {
            for request in requests[first..<min(first + 4, requests.count)] {
                #expect(request.values == requests[first].values, "request \(first)")
            }
        }
        #expect(server.disordered(series: DeliveryBench.series).isEmpty)
        await bench.stop()
    }

    /// The answer to a request with these points is lost or bad twice, whatever goes on beside it.
    @Test func `side by side too, a retry carries the points of its first try and nothing of its series overtakes it`()
        async throws
    {
        let tries = Mutex<[[Int]: Int]>([:])
        let server = try PointServer { values, _ in
            let number = tries.withLock { tries in
                tries[values, default: 0] += 1
                return tries[values] ?? 0
            }
            return number == 1 ? .reply(503) : number == 2 ? .reset : .reply(204)
        }
        defer { server.stop() }
        let target = DeliveryBench.Target(name: "central", url: server.http.url, settings: ["max_points": "60"])
        let bench = try DeliveryBench()
        try await bench.start(["acme": [target]])
        for _ in 0..<6 { try await bench.append(100) }
        try await bench.expectAllDelivered(to: server)
        var sent: Set<[Int]> = []
        for request in server.requests {
            if request.attempt > 0 { #expect(sent.contains(request.values)) }
            sent.insert(request.values)
        }
        #expect(server.requests.contains { $0.attempt > 0 })
        #expect(server.disordered(series: DeliveryBench.series).isEmpty)
        await bench.stop()
    }

    @Test func `series keep their order whatever breaks`() async throws {
        let random = SeededGenerator.fresh()
        let server = try PointServer()
        let mix = Mutex(FaultMix(using: random, faultsPerHundred: 80))
        let proxy = try FaultProxy(to: server.port) { _ in mix.withLock { $0.next() } }
        defer {
            proxy.stop()
            server.stop()
        }
        let bench = try DeliveryBench(seed: random.seed)
        var target = DeliveryBench.Target(
            name: "central", url: proxy.url, settings: ["max_points": "30", "timeout": "250ms"])
        try await bench.start(["acme": [target]])
        while proxy.injected.values.reduce(0, +) < 30 {
            for _ in 0..<3 { try await bench.append(60) }
            _ = try await bench.drained()
        }
        for _ in 0..<5 { try await bench.append(60) }
        proxy.behave { _ in .clean }
        proxy.cut()
        target.settings["timeout"] = "30s"
        try await bench.configure(["acme": [target]])
        try await bench.expectAllDelivered(to: server, seed: random.seed)
        #expect(server.disordered(series: DeliveryBench.series).isEmpty, "seed \(random.seed)")
        await bench.stop()
    }

    @Test func `a stop and a start send nothing twice`() async throws {
        let server = try PointServer()
        defer { server.stop() }
        let target = DeliveryBench.Target(name: "central", url: server.http.url, settings: ["max_points": "45"])
        let bench = try DeliveryBench()
        for _ in 0..<4 {
            try await bench.start(["acme": [target]])
            for _ in 0..<3 { try await bench.append(50) }
            _ = try await bench.drained()
            await bench.stop()
        }
        let values = server.requests.flatMap(\.values)
        #expect(values.count == Set(values).count)
        #expect(Set(values) == bench.acknowledged())
    }
}
