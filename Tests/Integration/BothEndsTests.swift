import Foundation
import Metrics
import Synchronization
import TestSupport
import Testing

/// A bad network before the ingest and before each backend, and a process that is killed in between: an independent ledger
/// of unique points says what has to be where in the end.
@Suite(.serialized, .timeLimit(.minutes(5))) struct BothEndsTests {
    @Test func `every acknowledged point is at every backend in the end, through bad networks and kills`() async throws
    {
        var random = SeededGenerator.fresh()
        let seed = random.seed
        let bench = try Workbench("both-ends")
        let (series, search, collector) = (try PointServer(), try BulkServer(), try OTLPReceiver(bench))
        try await collector.start()
        let seriesProxy = try FaultProxy(to: series.port, BothEndsTests.script(seed &+ 1))
        let searchProxy = try FaultProxy(to: search.port, BothEndsTests.script(seed &+ 2))
        let collectorProxy = try FaultProxy(to: collector.port, BothEndsTests.script(seed &+ 4))
        let node = try HoldfastNode(
            bench,
            config: """
                backends:
                  series: { type: prometheus_remote_write, url: "\(seriesProxy.url)", timeout: 1s, max_points: 500 }
                  search: { type: elasticsearch, url: "\(searchProxy.url)", index: points, timeout: 1s, max_points: 500 }
                  collector: { type: otlp_http, url: "\(collectorProxy.url)/v1/metrics", timeout: 1s, max_points: 500 }
                tenants:
                  default: { backends: [series, search, collector] }
                """)
        let front = try FaultProxy(to: node.port, BothEndsTests.script(seed &+ 3))
        defer {
            for proxy in [seriesProxy, searchProxy, collectorProxy, front] { proxy.stop() }
            series.stop()
            search.stop()
        }
        try await node.start()

        let ledger = PointLedger()
        let isOver = Atomic<Bool>(false)
        let port = front.port
        async let load: Void = ClientThreads.run(6) { _ in
            while !isOver.load(ordering: .relaxed) { BothEndsTests.send(port, ledger) }
        }
        for round in 1...3 {
            // Each life gets some requests through before it ends.
            let heard = ledger.acknowledgedRequests
            #expect(
                try await eventually(within: 60, every: 0.02) { ledger.acknowledgedRequests >= heard + 15 },
                "no progress in life \(round), seed \(seed)")
            try await Task.sleep(for: .milliseconds(Int.random(in: 0...200, using: &random)))
            node.process.kill()
            try await node.start()
        }
        isOver.store(true, ordering: .relaxed)
        front.behave { _ in .clean }
        front.cut()
        await load
        for proxy in [seriesProxy, searchProxy, collectorProxy] { proxy.behave { _ in .clean } }
        for proxy in [seriesProxy, searchProxy, collectorProxy] { proxy.cut() }
        let status = try await node.drain()
        #expect(node.process.stop() == 0, "\(node.process.lastWords)")

        for backend in status.backends {
            #expect(backend.balances && backend.dead == 0 && backend.lost == 0, "\(backend), seed \(seed)")
        }
        let here = Dictionary(series.values.map { ($0, 1) }, uniquingKeysWith: +)
        let seriesFaults = ledger.faults(stored: here, exactly: false)
        #expect(seriesFaults.isEmpty, "series: \(seriesFaults.prefix(5)), seed \(seed)")
        let taken = Dictionary(try await collector.points().map { (Int($0.value), 1) }, uniquingKeysWith: +)
        let collectorFaults = ledger.faults(stored: taken, exactly: false)
        #expect(collectorFaults.isEmpty, "collector: \(collectorFaults.prefix(5)), seed \(seed)")
        #expect(try await collector.violations() == [])
        let documents = search.documents(in: "points").compactMap { $0.source["value"]?.double.map { Int($0) } }
        let there = Dictionary(documents.map { ($0, 1) }, uniquingKeysWith: +)
        let searchFaults = ledger.faults(stored: there, exactly: false)
        #expect(searchFaults.isEmpty, "search: \(searchFaults.prefix(5)), seed \(seed)")
        // A request may be stored twice when its answer was lost; a document has its id from the point, so it is one.
        #expect(there.values.allSatisfy { $0 == 1 }, "seed \(seed)")
        let faults = [seriesProxy, searchProxy, collectorProxy, front].map { $0.injected.values.reduce(0, +) }
        print(
            "both ends: \(ledger.acknowledgedRequests) of \(ledger.entries.count) requests acknowledged, 3 kills, faults "
                + "before series, search, collector and ingest: \(faults), seed \(seed)")
    }

    private static func script(_ seed: UInt64) -> FaultProxy.Script {
        let mix = Mutex(FaultMix(using: SeededGenerator(seed: seed), faultsPerHundred: 50, requestBytes: 6000))
        return { _ in mix.withLock { $0.next() } }
    }

    /// One request, once: a resend would be other points to Holdfast.
    private static func send(_ port: Int, _ ledger: PointLedger) {
        let (number, body) = ledger.make(50)
        do {
            let client = try RawConnection(port: port, receiveSeconds: 1)
            let answer = try client.request(
                "POST", "/api/v1/json", headers: ["Content-Type: application/x-ndjson"], body: body)
            if answer.status == 200, answer.body.contains("\"accepted\":50") { return ledger.acknowledged(number) }
        } catch {
            // It may be there, or not.
        }
        ledger.doubtful(number)
    }
}
