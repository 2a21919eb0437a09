import Metrics
import Synchronization
import Testing

@testable import Daemon

@Suite struct BenchTests {
    private static func target(_ sink: BenchSink) throws -> BenchTarget {
        try #require(BenchTarget("http://127.0.0.1:\(sink.port)/api/v1/write"))
    }

    private static func decode(_ block: [UInt8]) throws -> Batch {
        var plain: [UInt8] = []
        var request = DecodedRequest()
        var decoder = RemoteWriteDecoder()
        try block.withUnsafeBytes { try Snappy.decompress($0, into: &plain, limit: 1 << 24) }
        try plain.withUnsafeBytes { try decoder.decode($0, into: &request) }
        #expect(request.refusals.isEmpty)
        return request.batch
    }

    @Test func `a scrape holds every series once, and the next one holds the same ones later`() throws {
        var generator = LoadGenerator(series: 2500, samplesPerRequest: 1000)
        let first = try generator.scrape(time: 1000).map(Self.decode)
        let second = try generator.scrape(time: 16_000).map(Self.decode)
        #expect(first.map(\.points.count) == [1000, 1000, 500])
        #expect(first.map(\.series.count) == [1000, 1000, 500])
        #expect(first.map(\.series) == second.map(\.series))
        #expect(second.allSatisfy { $0.points.times.allSatisfy { $0 == 16_000_000_000 } })
        var merged = Batch()
        for batch in first { merged.merge(batch) }
        #expect(merged.series.count == 2500)
    }

    @Test func `counters only rise, and most of what moves moves`() throws {
        var generator = LoadGenerator(series: 1000, samplesPerRequest: 1000)
        let scrapes = try (0..<5).map { try Self.decode(generator.scrape(time: Int64($0))[0]) }
        var moved = 0
        for ordinal in 0..<1000 {
            let isCounter = scrapes[0].series.withLabels(of: scrapes[0].points.series[ordinal]) { labels in
                String(decoding: labels, as: UTF8.self).contains("cpu_seconds_total")
            }
            let values = scrapes.map { Double(bitPattern: $0.points.bits[ordinal]) }
            if isCounter { #expect(zip(values, values.dropFirst()).allSatisfy { $0 <= $1 }) }
            if Set(values).count > 1 { moved += 1 }
        }
        #expect(moved > 250 && moved < 900)
    }

    @Test func `everything that is sent is acknowledged, counted and timed`() throws {
        let sink = try #require(BenchSink(port: 0, roundTripMilliseconds: 0))
        sink.open()
        var generator = LoadGenerator(series: 350, samplesPerRequest: 100)
        let bodies = (0..<6).flatMap { generator.scrape(time: $0) }
        let samples = (0..<6).flatMap { _ in [100, 100, 100, 50] }
        let sender = BenchSender(target: try Self.target(sink), connections: 3, rate: 0)
        let result = sender.send(bodies, samples: samples, requestsPerScrape: 4)
        #expect(result.samples == 2100 && sink.samples == 2100)
        #expect(result.requests == 24 && result.failures == 0)
        #expect(result.latencies.count == 24 && result.latencies == result.latencies.sorted())
        #expect(result.latencies.allSatisfy { $0 > 0 })
    }

    @Test func `a rate is not exceeded`() throws {
        let sink = try #require(BenchSink(port: 0, roundTripMilliseconds: 0))
        sink.open()
        var generator = LoadGenerator(series: 100, samplesPerRequest: 100)
        let bodies = (0..<11).flatMap { generator.scrape(time: $0) }
        let sender = BenchSender(target: try Self.target(sink), connections: 2, rate: 10_000)
        let result = sender.send(bodies, samples: bodies.map { _ in 100 }, requestsPerScrape: 1)
        // Ten times 100 samples at 10,000 a second, which is 10 ms, lie between the first request and the last.
        #expect(result.seconds >= 0.1)
        #expect(result.samples == 1100)
    }

    @Test func `a receiver that is down gives failures, not samples`() throws {
        let sink = try #require(BenchSink(port: 0, roundTripMilliseconds: 0))
        var generator = LoadGenerator(series: 10, samplesPerRequest: 10)
        let sender = BenchSender(target: try Self.target(sink), connections: 2, rate: 0)
        let result = sender.send(generator.scrape(time: 0), samples: [10], requestsPerScrape: 1)
        #expect(result.samples == 0 && result.failures == 1 && result.refused == [0: 1])
    }

    @Test func `requests of the same series are never in flight together and keep their order`() {
        let turns = BenchTurns(count: 3000, slots: 3)
        let seen = Mutex<(inFlight: [Int], last: [Int], faults: Int)>(([0, 0, 0], [-1, -1, -1], 0))
        BenchThreads.concurrently(8) { _ in
            while let request = turns.take() {
                seen.withLock { seen in
                    seen.inFlight[request % 3] += 1
                    if seen.inFlight[request % 3] > 1 || seen.last[request % 3] >= request { seen.faults += 1 }
                    seen.last[request % 3] = request
                }
                seen.withLock { $0.inFlight[request % 3] -= 1 }
                turns.finish(request)
            }
        }
        let (last, faults) = seen.withLock { ($0.last, $0.faults) }
        #expect(faults == 0)
        #expect(last == [2997, 2998, 2999])
    }

    @Test(arguments: [
        ("http://127.0.0.1:9009/api/v1/write", true), ("http://localhost/x", true), ("https://127.0.0.1/x", false),
        ("http://example.net:9009/", false), ("http://127.0.0.1:99999/", false), ("127.0.0.1:9009", false),
    ])
    func `a target is http to an address`(url: String, isGood: Bool) {
        #expect((BenchTarget(url) != nil) == isGood)
    }

    @Test(arguments: [
        [], ["both"], ["ingest", "--connections", "0"], ["ingest", "--url", "nowhere"],
        ["path", "--url", "http://127.0.0.1:1/"], ["ingest", "--pid", "1"], ["ingest", "--series", "10000000"],
        ["ingest", "--rate", "fast"], ["ingest", "deliver"],
    ])
    func `options that cannot work are wrong usage`(words: [String]) {
        #expect(throws: UsageError.self) { try BenchCommand(Arguments(words, for: BenchCommand.help)) }
    }

    @Test func `a report has the same figures as text and as JSON`() throws {
        var sent = SendResult()
        sent.samples = 4000
        sent.seconds = 0.5
        sent.latencies = [1_000_000, 2_000_000, 30_000_000]
        let report = BenchReport(options: BenchOptions(), sent: sent)
        #expect(report.text.contains("8000 samples/s"))
        let json = try JSONValue.parse(Array(report.json.utf8))
        #expect(json["bench"]?.string == "ingest")
        #expect(report.json.contains("\"acked_samples_per_second\":8000,"))
        #expect(report.json.contains("\"ack_p50_ms\":2") && report.json.contains("\"ack_max_ms\":30"))
    }
}
