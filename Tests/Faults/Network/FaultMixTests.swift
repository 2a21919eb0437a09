import Forwarder
import Metrics
import Synchronization
import TestSupport
import Testing
import WALStore

/// Everything at once, from a seed: two tenants, a backend that needs order and one that answers item by item, every fault
/// the proxy knows on half of the connections, restarts in between. `HOLDFAST_NETWORK_SEEDS` runs more of them.
@Suite(.serialized, .timeLimit(.minutes(10))) struct FaultMixTests {
    /// Seeds that failed once.
    static let kept: [UInt64] = []
    static let seeds: [UInt64] =
        kept + (0..<UInt64(Effort.count("HOLDFAST_NETWORK_SEEDS", default: 3))).map { TestSeed.first &+ $0 }

    @Test(arguments: seeds)
    func `whatever the network does, each point arrives, in order, and none is settled for nothing`(
        seed: UInt64
    ) async throws {
        let parts = SeededParts(seed)
        let (series, search) = (try PointServer(), try BulkServer(parts.behaviour))
        let seriesProxy = try FaultProxy(to: series.port, parts.script(1))
        let searchProxy = try FaultProxy(to: search.port, parts.script(2))
        defer {
            seriesProxy.stop()
            searchProxy.stop()
            series.stop()
            search.stop()
        }
        // Early under load, which is a fault of its own.
        let timeout = ["timeout": "250ms"]
        let targets = [
            DeliveryBench.Target(
                name: "series", url: seriesProxy.url, settings: timeout.merging(["max_points": "70"]) { $1 }),
            DeliveryBench.Target(
                name: "search", type: "elasticsearch", url: searchProxy.url,
                settings: timeout.merging(["index": "points-{tenant}", "max_points": "90"]) { $1 }),
        ]
        let tenants = ["acme": targets, "globex": targets]
        let bench = try DeliveryBench(seed: seed)
        for round in 0..<3 {
            try await bench.start(tenants)
            while seriesProxy.injected.values.reduce(0, +) < 8 * (round + 1) {
                for number in 0..<4 { try await bench.append(30 + number, tenant: number % 2 == 0 ? "acme" : "globex") }
                _ = try await bench.drained("series")
            }
            // Stopped with faults and requests under way.
            for tenant in tenants.keys { try await bench.append(200, tenant: tenant) }
            await bench.stop()
        }
        for proxy in [seriesProxy, searchProxy] { proxy.behave { _ in .clean } }
        for proxy in [seriesProxy, searchProxy] { proxy.cut() }
        // Patient now: on a loaded machine a whole answer may take longer than the time a fault was given.
        try await bench.start(tenants.mapValues { $0.map { $0.patient } })

        for tenant in tenants.keys {
            let points = bench.acknowledged(tenant)
            for backend in ["series", "search"] {
                let ledger = try await bench.drained(backend, tenant: tenant)
                #expect(ledger.balances, "\(ledger), seed \(seed)")
                #expect(ledger.deadPoints == 0 && ledger.lostPoints == 0, "\(ledger), seed \(seed)")
                #expect(ledger.deliveredPoints + ledger.assumedPoints == Int64(points.count), "\(ledger), seed \(seed)")
            }
            #expect(points.subtracting(series.values).isEmpty, "seed \(seed)")
            #expect(series.disordered(series: DeliveryBench.series, among: points).isEmpty, "seed \(seed)")
            let documents = search.documents(in: "points-\(tenant)")
            #expect(Set(documents.compactMap { $0.source["value"]?.double.map { Int($0) } }) == points, "seed \(seed)")
            #expect(documents.count == points.count, "a document is there twice, seed \(seed)")
        }
        #expect(series.faults.isEmpty && search.faults.isEmpty, "seed \(seed)")
        let faults = seriesProxy.injected.merging(searchProxy.injected, uniquingKeysWith: +)
        print(
            "fault mix: seed \(seed), \(faults.values.reduce(0, +)) faults \(faults), \(series.requests.count) requests"
        )
        await bench.stop()
    }

    /// What a seed decides.
    fileprivate struct SeededParts: Sendable {
        let seed: UInt64
        var behaviour = BulkServer.Behaviour()

        init(_ seed: UInt64) {
            self.seed = seed
            behaviour.overloadsEvery = 7
        }

        func script(_ number: UInt64) -> FaultProxy.Script {
            let mix = Mutex(FaultMix(using: SeededGenerator(seed: seed &+ number)))
            return { _ in mix.withLock { $0.next() } }
        }
    }
}

extension DeliveryBench.Target {
    fileprivate var patient: DeliveryBench.Target {
        var target = self
        target.settings["timeout"] = "30s"
        return target
    }
}
