import Metrics
import Synchronization
import TestSupport
import Testing
import WALStore

@testable import Forwarder

#if canImport(Glibc)
    import Glibc
#endif

/// Datadog's series against a strict intake: `Tests/TestSupport/DatadogServer.swift`.
@Suite(.timeLimit(.minutes(5)))
struct DatadogTests {
    static let second: Int64 = 1_790_000_000
    static func time(_ seconds: Double) -> Int64 { second * 1_000_000_000 + Int64(seconds * 1_000_000_000) }

    func make(
        _ server: DatadogServer, _ values: [String: String] = [:], now: @escaping @Sendable () -> Int64 = { time(100) }
    ) throws -> any Backend {
        try BackendFixture.make(
            "datadog", ["url": server.url, "api_key": "env:good"].merging(values) { $1 },
            environment: BackendFixture.environment(now: now))
    }

    /// A batch of one series, with an identity where one is wanted.
    func batch(
        _ name: String, _ labels: [(String, String)] = [], _ points: [(Double, Double)],
        _ identify: (inout SeriesIdentity) -> Void = { _ in }
    ) -> Batch {
        var batch = Batch()
        var identity = SeriesIdentity.plain
        identify(&identity)
        let plain = BackendFixture.series(name, labels, in: &batch)
        let id = batch.series.withLabels(of: plain) { Array($0) }.withUnsafeBytes {
            batch.series.intern($0, identity: identity)
        }
        for (seconds, value) in points {
            batch.points.appendFloat64(series: id, time: Self.time(seconds), bits: value.bitPattern)
        }
        return batch
    }

    /// Through a lane and a spool, so that totals have what they are counted from.
    func deliver(_ batches: [Batch], _ server: DatadogServer, _ values: [String: String] = [:]) async throws
        -> BackendLedger
    {
        try await SpoolRun().deliver(batches, through: try make(server, values))
    }

    // MARK: Series

    @Test func `a gauge is its last value of each second, with host and tags`() async throws {
        let server = try DatadogServer()
        let batch = batch(
            "node_load1", [("env", "prod"), ("host", "web-1"), ("job", "node")], [(1.1, 5), (1.9, 6), (1.5, 7), (2, 8)])
        #expect(await BackendFixture.deliver(try make(server), BackendFixture.chunk(batch)) == .delivered)
        let series = DatadogServer.Series(metric: "node_load1", host: "web-1", tags: ["env:prod", "job:node"])
        #expect(
            server.series == [
                series: [
                    Self.second + 1: DatadogServer.Point(value: 6, type: 3), Self.second + 2: .init(value: 8, type: 3),
                ]
            ])
        server.stop()
    }

    @Test func `a total goes out as what was added, with the seconds it took`() async throws {
        let server = try DatadogServer()
        let points = [(0.0, 100.0), (15, 130), (30, 130), (45, 10), (75, 12.5)]
        let ledger = try await deliver([batch("requests_total", [], points)], server)
        let sent = try #require(server.series.values.first)
        #expect(sent.keys.sorted() == [15, 30, 45, 75].map { Self.second + $0 })
        #expect(sent.sorted { $0.key < $1.key }.map(\.value.value) == [30, 0, 10, 2.5])
        #expect(sent.sorted { $0.key < $1.key }.map(\.value.interval) == [15, 15, 15, 30])
        #expect(sent.values.allSatisfy { $0.type == 1 })
        // The first point has nothing before it.
        #expect(ledger.deliveredPoints == 4 && ledger.excludedPoints == 1)
        #expect(server.faults.isEmpty && server.changed.isEmpty && server.dropped.isEmpty)
        server.stop()
    }

    @Test func `what is added in one second is one sum, in one request and over several`() async throws {
        let server = try DatadogServer()
        let batches = [
            [(0.0, 100.0)], [(1.1, 101), (1.2, 103)], [(1.3, 107)], [(1.9, 115), (2.0, 131)],
        ].map { batch("requests_total", [], $0) }
        _ = try await deliver(batches, server, ["max_points": "2"])
        let sent = try #require(server.series.values.first).mapValues(\.value)
        #expect(sent == [Self.second + 1: 15, Self.second + 2: 16])
        server.stop()
    }

    @Test func `series whose names become one are one: of gauges the last counts, counts are added up`() async throws {
        let server = try DatadogServer()
        var all = batch("load", [("Zone", "A b")], [(1.2, 1)])
        all.points.appendFloat64(
            series: BackendFixture.series("load", [("zone", "a_b")], in: &all), time: Self.time(1.1),
            bits: (2.0).bitPattern)
        #expect(await BackendFixture.deliver(try make(server), BackendFixture.chunk(all)) == .delivered)
        #expect(server.series.values.map { $0.mapValues(\.value) } == [[Self.second + 1: 1]])

        var counts: [Batch] = []
        for (seconds, value) in [(10.0, 5.0), (20, 8)] {
            var batch = batch("jobs_total", [("Zone", "A b")], [(seconds, value)])
            let other = BackendFixture.series("jobs_total", [("zone", "a_b")], in: &batch)
            batch.points.appendFloat64(series: other, time: Self.time(seconds + 0.5), bits: (value * 10).bitPattern)
            counts.append(batch)
        }
        _ = try await deliver(counts, server)
        #expect(server.countedInAll == 33)
        #expect(server.series.count == 2 && server.changed.isEmpty)
        server.stop()
    }

    @Test func `names and tags are sent as Datadog keeps them`() async throws {
        let server = try DatadogServer()
        let labels = [
            ("Key", "MIXED Case"), ("_meta", "x"), ("9lives", "cat"), ("größe", "Übergröße"), ("colon:key", "a:b:"),
            ("long", String(repeating: "ü", count: 300)), ("path", "/a-b.c?d=e"),
        ]
        let batch = batch("9/größe-metric", labels, [(1, 1)])
        #expect(await BackendFixture.deliver(try make(server), BackendFixture.chunk(batch)) == .delivered)
        #expect(server.changed == [])
        let series = try #require(server.series.keys.first)
        #expect(series.metric == "x9_gr__e_metric")
        #expect(
            Set(series.tags) == [
                "key:mixed_case", "x_meta:x", "x9lives:cat", "größe:übergröße", "colon_key:a:b_",
                "long:" + String(repeating: "ü", count: 195), "path:/a-b.c_d_e",
            ])
        server.stop()
    }

    @Test func `a tag without a key, and sums beyond all numbers, end no process`() throws {
        var batch = Batch()
        var identity = SeriesIdentity()
        identity.temporality = .delta
        identity.resource = batch.intern(
            resource: Resource(attributes: [Attribute("", .string("x")), Attribute(":", .int(1))]))
        var builder = LabelBuilder()
        builder.add("__name__", "m")
        try builder.finish()
        let id = builder.canonical.withUnsafeBytes { batch.series.intern($0, identity: identity) }
        for step in Int64(0)..<3 {
            batch.points.appendFloat64(
                series: id, time: BackendFixture.now * 1_000_000_000 + step,
                bits: Double.greatestFiniteMagnitude.bitPattern)
        }
        let backend = try BackendFixture.make(
            "datadog", ["url": "http://127.0.0.1:9", "api_key": "env:key", "compression": "none"],
            environment: BackendFixture.environment())
        let request = BackendFixture.encode(backend, BackendFixture.chunk(batch))
        #expect(request.points == 3)
        let text = String(decoding: request.body, as: UTF8.self)
        #expect(
            text.contains("\"value\":1.7976931348623157e+308") || text.contains("\"value\":1.7976931348623157e308"),
            "\(text)")
    }

    @Test func `a name that would be cut is excluded`() throws {
        let server = try DatadogServer()
        let names = [String(repeating: "a", count: 200), String(repeating: "a", count: 201)]
        let excluded = try names.map { name in
            BackendFixture.encode(try make(server), BackendFixture.chunk(batch(name, [], [(1, 1)]))).excluded.map(
                \.reason)
        }
        #expect(excluded == [[], ["name_too_long"]])
        server.stop()
    }

    @Test func `a histogram is counts, its extremes are gauges`() async throws {
        let server = try DatadogServer()
        let batches = [(0.0, [UInt64(1), 2, 3], 10.0), (10, [2, 2, 7], 15.5)].map { seconds, counts, sum in
            var batch = Batch()
            let id = BackendFixture.series("latency", [], in: &batch)
            batch.append(
                series: id, time: Self.time(seconds),
                explicit: ExplicitHistogram(
                    count: counts.reduce(0, +), sumBits: sum.bitPattern, bounds: [0.5, 1e20].map(\.bitPattern),
                    bucketCounts: counts, maximumBits: (9.0).bitPattern))
            return batch
        }
        _ = try await deliver(batches, server)
        let sent = server.series.map {
            "\($0.key.metric)\($0.key.tags) \($0.value.values.map { "\($0.type) \($0.value)" })"
        }
        #expect(
            Set(sent) == [
                "latency.count[] [\"1 5.0\"]", "latency.sum[] [\"1 5.5\"]", "latency.max[] [\"3 9.0\"]",
                "latency.bucket[\"upper_bound:0.5\"] [\"1 1.0\"]", "latency.bucket[\"upper_bound:1e20\"] [\"1 0.0\"]",
                "latency.bucket[\"upper_bound:inf\"] [\"1 4.0\"]",
            ])
        #expect(server.changed.isEmpty)
        server.stop()
    }

    @Test(arguments: ["by_name", "typed"])
    func `what a total is, its kind says, and of what has none its name where that is wanted`(_ counters: String)
        async throws
    {
        let server = try DatadogServer()
        let points = [(0.0, 4.0), (10, 6)]
        let batches = [
            batch("named_total", [], points), batch("plain", [], points), batch("_total", [], points),
            batch("counted", [], points) { $0.kind = .counter },
            batch("summed", [], points) { ($0.temporality, $0.isMonotonic) = (.cumulative, true) },
            batch("up_and_down", [], points) { ($0.kind, $0.temporality) = (.counter, .cumulative) },
            batch("delta", [], points) { ($0.kind, $0.temporality) = (.counter, .delta) },
            batch("gauge_total", [], points) { $0.kind = .gauge },
        ]
        _ = try await deliver(batches, server, ["counters": counters])
        var found: [String: [Double]] = [:]
        for (series, points) in server.series {
            found[series.metric] =
                [Double(points.values.first?.type ?? 0)] + points.sorted { $0.key < $1.key }.map(\.value.value)
        }
        #expect(
            found == [
                "named_total": counters == "by_name" ? [1, 2] : [3, 4, 6], "plain": [3, 4, 6], "x_total": [3, 4, 6],
                "counted": [1, 2], "summed": [1, 2], "up_and_down": [3, 4, 6], "delta": [1, 4, 6],
                "gauge_total": [3, 4, 6],
            ])
        server.stop()
    }

    @Test func `a total below 0 is excluded, and so is one that the backend has a newer one of`() throws {
        let server = try DatadogServer()
        let backend = try make(server)
        let batch = batch("requests_total", [], [(0, 5), (10, -1), (5, 7), (5, 7)])
        var chunk = BackendFixture.chunk(batch)
        var scratch: [UInt8] = []
        let key = CounterKey(series: batch.key(ofSeries: batch.points.series[0], scratch: &scratch))
        #expect(backend.counterKeys(of: chunk) == [key])
        chunk.counters = CounterBook([key: CounterState(value: 3, time: Self.time(2))])
        let request = BackendFixture.encode(backend, chunk)
        #expect(request.excluded.map(\.reason) == ["counter_passed", "counter_negative", "counter_passed"])
        #expect(request.points == 1)
        #expect(request.counters.changes[key]?.value == 7)
        #expect(BackendFixture.encode(backend, BackendFixture.chunk(batch)).excluded.first?.reason == "counter_first")
        server.stop()
    }

    @Test func `whatever points there are, the intake refuses, drops and changes nothing of what is sent`() async throws
    {
        let server = try DatadogServer()
        var random = SeededGenerator.fresh()
        for _ in 0..<10 {
            let chunk = BackendFixture.chunk(RandomBatch.make(points: 200, series: 20, using: &random), runs: 3)
            let backend = try make(server)
            guard BackendFixture.encode(backend, chunk).points > 0 else { continue }
            #expect(await BackendFixture.deliver(backend, chunk) == .delivered, "seed \(random.seed)")
        }
        #expect(server.faults.isEmpty && server.changed.isEmpty && server.dropped.isEmpty, "seed \(random.seed)")
        server.stop()
    }

    @Test(arguments: ["deflate", "gzip", "zstd", "none"])
    func `a body is in the coding that it says`(_ compression: String) async throws {
        let server = try DatadogServer()
        let backend = try make(server, ["compression": compression])
        #expect(
            await BackendFixture.deliver(backend, BackendFixture.chunk(BackendFixture.samples([1, 2]))) == .delivered)
        #expect(server.series.count == 2)
        server.stop()
    }

    /// Installed by `ops/install test`.
    private static let root = String(#filePath.dropLast("Tests/ForwarderTests/Backends/DatadogTests.swift".count))

    @Test func `the models of Datadog's own client read what is sent`() throws {
        let server = try DatadogServer()
        var random = SeededGenerator.fresh()
        let batch = RandomBatch.make(points: 300, series: 20, using: &random)
        let backend = try make(server, ["compression": "none"])
        var chunk = BackendFixture.chunk(batch)
        // Each total has one before it, so that counts are in it too.
        let before = CounterState(value: 0, time: Self.time(-3600))
        chunk.counters = CounterBook(
            Dictionary(uniqueKeysWithValues: backend.counterKeys(of: chunk).map { ($0, before) }))
        let body = BackendFixture.encode(backend, chunk).body
        let document = try JSONValue.parse(body)
        let series = document["series"]?.array ?? []
        #expect(series.contains { $0["type"]?.int == 1 } && series.contains { $0["type"]?.int == 3 })
        let folder = try TemporaryFolder()
        let file = try #require(fopen(folder.path + "/body", "w"))
        fwrite(body, 1, body.count, file)
        fclose(file)
        let points = series.reduce(0) { $0 + ($1["points"]?.array ?? []).count }
        let process = try ChildProcess(
            PythonTool.program("python3"),
            [
                Self.root + "Tests/ForwarderTests/Backends/datadog_models.py", folder.path + "/body", "\(series.count)",
                "\(points)",
            ], output: .discarded, errors: .file(folder.path + "/words"))
        #expect(process.wait() == .exited(0), "seed \(random.seed)")
        server.stop()
    }

}
