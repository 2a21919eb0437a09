import Metrics
import TestSupport
import Testing
import WALStore

@testable import Forwarder

/// Splunk's HTTP Event Collector against a strict server: `Tests/TestSupport/SplunkServer.swift`.
@Suite(.timeLimit(.minutes(5)))
struct SplunkHECTests {
    private static let time: Int64 = 1_790_000_000_123_000_000

    func make(_ server: SplunkServer, _ values: [String: String] = [:]) throws -> any Backend {
        try BackendFixture.make(
            "splunk_hec",
            ["url": server.url, "token": "env:good", "ack_interval": "1ms"].merging(values) { $1 })
    }

    static let acknowledging: SplunkServer.Behaviour = {
        var behaviour = SplunkServer.Behaviour()
        behaviour.tokens = ["good": SplunkServer.Token(usesAcknowledgement: true)]
        return behaviour
    }()

    // MARK: Events

    @Test func `metrics that share time and labels share an event, and a label of another value makes a new one`()
        async throws
    {
        let server = try SplunkServer()
        var batch = Batch()
        for (name, zone, value) in [
            ("cpu.user", "a", 1.5), ("cpu.user", "b", 2), ("cpu.sys", "a", 3), ("cpu.sys", "b", 4),
        ] {
            let id = BackendFixture.series(name, [("host", "h1"), ("zone", zone)], in: &batch)
            batch.points.appendFloat64(series: id, time: Self.time, bits: value.bitPattern)
        }
        let backend = try make(server, ["index": "main_metrics", "source": "holdfast/{tenant}"])
        let request = BackendFixture.encode(backend, BackendFixture.chunk(batch))
        #expect(request.items.map(\.count) == [2, 2])
        #expect(await BackendFixture.deliver(backend, BackendFixture.chunk(batch)) == .delivered)
        let samples = server.samples
        #expect(samples.map(\.metric) == ["cpu.user", "cpu.sys", "cpu.user", "cpu.sys"])
        #expect(samples.map(\.value) == [1.5, 3, 2, 4])
        #expect(samples.allSatisfy { $0.milliseconds == 1_790_000_000_123 && $0.host == "h1" })
        #expect(samples.map(\.dimensions) == [["zone": "a"], ["zone": "a"], ["zone": "b"], ["zone": "b"]])
        #expect(samples.allSatisfy { $0.index == "main_metrics" && $0.source == "holdfast/acme" })
        #expect(server.faults.isEmpty)
        server.stop()
    }

    @Test func `two points of one series in one millisecond are two events`() async throws {
        let server = try SplunkServer()
        var batch = BackendFixture.samples([1], from: Self.time)
        batch.points.appendFloat64(series: 0, time: Self.time + 1, bits: (2.0).bitPattern)
        #expect(await BackendFixture.deliver(try make(server), BackendFixture.chunk(batch)) == .delivered)
        #expect(server.samples.map(\.value) == [1, 2])
        server.stop()
    }

    @Test func `a histogram is its count, its sum, its extremes and a count for each bound`() async throws {
        let server = try SplunkServer()
        var batch = Batch()
        let id = BackendFixture.series("latency", [("zone", "a")], in: &batch)
        batch.append(
            series: id, time: Self.time,
            explicit: ExplicitHistogram(
                count: 10, sumBits: (12.5).bitPattern, bounds: [0.1, 1].map(\.bitPattern), bucketCounts: [1, 2, 7],
                minimumBits: 0, maximumBits: (9.5).bitPattern))
        #expect(await BackendFixture.deliver(try make(server), BackendFixture.chunk(batch)) == .delivered)
        #expect(
            server.samples.prefix(4).map { "\($0.metric)=\($0.value)" }
                == ["latency_count=10.0", "latency_sum=12.5", "latency_min=0.0", "latency_max=9.5"])
        let buckets = server.samples.dropFirst(4)
        #expect(buckets.map { $0.dimensions["le"] } == ["0.1", "1", "+Inf"])
        #expect(buckets.map(\.value) == [1, 3, 10])
        #expect(buckets.allSatisfy { $0.metric == "latency_bucket" && $0.dimensions["zone"] == "a" })
        server.stop()
    }

    @Test func `whatever points there are, an indexer takes the events, and each point that is not excluded is there`()
        async throws
    {
        let server = try SplunkServer()
        var random = SeededGenerator.fresh()
        for _ in 0..<10 {
            let batch = RandomBatch.make(points: 200, series: 20, using: &random)
            let chunk = BackendFixture.chunk(batch, runs: 3)
            let before = server.samples.count
            let request = BackendFixture.encode(try make(server), chunk)
            #expect(await BackendFixture.deliver(try make(server), chunk) == .delivered, "seed \(random.seed)")
            #expect(server.samples.count - before >= request.points, "seed \(random.seed)")
        }
        #expect(server.faults.isEmpty, "seed \(random.seed)")
        server.stop()
    }

    @Test func `labels that HEC would take for something else are sent under another name`() async throws {
        let server = try SplunkServer()
        var batch = Batch()
        let id = BackendFixture.series(
            "up",
            [
                ("_value", "1"), ("metric_name", "2"), ("metric_name:cpu", "3"), ("metric_type", "4"),
                ("größe", "\"5\\"),
            ],
            in: &batch)
        batch.points.appendFloat64(series: id, time: Self.time, bits: (1.0).bitPattern)
        #expect(await BackendFixture.deliver(try make(server), BackendFixture.chunk(batch)) == .delivered)
        #expect(
            server.samples.map(\.dimensions) == [
                [
                    "x_value": "1", "x_metric_name": "2", "x_metric_name:cpu": "3", "x_metric_type": "4",
                    "größe": "\"5\\",
                ]
            ])
        server.stop()
    }

    @Test func `what is no number is excluded, with the reason`() throws {
        let server = try SplunkServer()
        var batch = BackendFixture.samples([.nan, .infinity, 1], from: Self.time)
        batch.points.appendFloat64(series: 0, time: Self.time, bits: FloatBits.staleMarker)
        batch.append(series: 0, time: Self.time, string: Array("x".utf8))
        batch.points.appendFloat64(series: 0, time: -5, bits: 0)
        let request = BackendFixture.encode(try make(server), BackendFixture.chunk(batch))
        #expect(request.points == 1)
        #expect(
            request.excluded.map(\.reason) == ["not_finite", "stale_marker", "string_value", "time_before_1970"])
        server.stop()
    }

    // MARK: Answers

    @Test func `each tenant has its own token`() async throws {
        var behaviour = SplunkServer.Behaviour()
        behaviour.tokens = ["good": SplunkServer.Token(indexes: ["a"]), "other": SplunkServer.Token(indexes: ["b"])]
        let server = try SplunkServer(behaviour)
        let backend = try BackendFixture.make(
            "splunk_hec", ["url": server.url, "token": "env:good"], ["tokens": ["globex": "env:other"]])
        for tenant in ["acme", "globex"] {
            let chunk = BackendFixture.chunk(BackendFixture.samples([1]), tenant: tenant)
            #expect(await BackendFixture.deliver(backend, chunk) == .delivered)
        }
        #expect(server.samples.map(\.index) == ["a", "b"])
        server.stop()
    }

    @Test func `a token that is not taken, or an index that is not its own, holds`() async throws {
        var behaviour = SplunkServer.Behaviour()
        behaviour.tokens["off"] = SplunkServer.Token(isDisabled: true)
        let server = try SplunkServer(behaviour)
        let chunk = BackendFixture.chunk(BackendFixture.samples([1]))
        for (values, words) in [
            (["token": "env:off"], "Token disabled"), (["token": "env:unknown"], "Invalid token"),
            (["index": "secret"], "Incorrect index"),
        ] {
            guard case .hold(let reason) = await BackendFixture.deliver(try make(server, values), chunk) else {
                Issue.record("\(words) is for an operator")
                continue
            }
            #expect(reason.contains(words))
        }
        let nameless = try BackendFixture.make("splunk_hec", ["url": server.url])
        guard case .hold(let reason) = await BackendFixture.deliver(nameless, chunk) else {
            Issue.record("no token is for an operator")
            return
        }
        #expect(reason.contains("Token is required"))
        #expect(server.samples.isEmpty)
        server.stop()
    }

    enum Meaning: Sendable { case delivered, hold, retry, refused, partly, tooLarge }

    private static let codes: [(Int, Int, Meaning)] = [
        (200, 0, .delivered), (200, 17, .hold), (403, 1, .hold), (401, 2, .hold), (401, 3, .hold), (403, 4, .hold),
        (400, 5, .refused), (400, 6, .partly), (400, 7, .hold), (500, 8, .retry), (503, 9, .retry), (400, 10, .hold),
        (400, 11, .hold), (400, 12, .partly), (400, 13, .partly), (400, 14, .hold), (400, 15, .partly),
        (400, 16, .hold),
        (503, 18, .retry), (503, 19, .retry), (503, 23, .retry), (429, 26, .retry), (429, 27, .retry),
        (413, 0, .tooLarge),
        (429, 0, .retry), (502, 0, .retry), (504, 0, .retry),
    ]

    @Test(arguments: codes)
    func `the code in the body decides`(_ status: Int, _ code: Int, _ meaning: Meaning) throws {
        let server = try SplunkServer()
        let backend = try make(server)
        let request = BackendFixture.encode(backend, BackendFixture.chunk(BackendFixture.samples([1, 2, 3])))
        let body = "{\"text\":\"words\",\"code\":\(code),\"invalid-event-number\":1}"
        let outcome = backend.outcome(of: BackendFixture.answer(status, body), to: request)
        let found: Meaning =
            switch outcome {
            case .delivered: .delivered
            case .hold: .hold
            case .retry: .retry
            case .refused: .refused
            case .partly: .partly
            case .tooLarge: .tooLarge
            case .encodeAnew: .hold
            }
        #expect(found == meaning, "\(outcome)")
        server.stop()
    }

    @Test func `a success of somebody else's is none`() throws {
        let server = try SplunkServer()
        let backend = try make(server)
        let request = BackendFixture.encode(backend, BackendFixture.chunk(BackendFixture.samples([1])))
        for body in ["", "<html>please log in</html>", "{\"text\":\"Success\"}", "{\"code\":\"0\"}"] {
            guard case .hold = backend.outcome(of: BackendFixture.answer(200, body), to: request) else {
                Issue.record("\(body) was believed")
                continue
            }
        }
        server.stop()
    }

    @Test(arguments: [false, true])
    func `the event that is named is dead, the others are indexed once`(_ keepsHead: Bool) async throws {
        var behaviour = SplunkServer.Behaviour()
        behaviour.refuses = ["point_7": 15, "point_30": 6]
        behaviour.keepsHead = keepsHead
        let server = try SplunkServer(behaviour)
        var batch = Batch()
        for number in 0..<50 {
            // A label of its own gives each an event of its own.
            let id = BackendFixture.series("point_\(number)", [("number", "\(number)")], in: &batch)
            batch.points.appendFloat64(series: id, time: Self.time, bits: Double(number).bitPattern)
        }
        let run = try SpoolRun()
        let backend = try make(server, ["before_invalid": keepsHead ? "delivered" : "resend"])
        let ledger = try await run.deliver([batch], through: backend)
        #expect(ledger.deadPoints == 2)
        #expect(ledger.deliveredPoints == 48)
        #expect(ledger.balances)
        #expect(server.samples.count == 48)
        #expect(Set(server.samples.map(\.metric)).count == 48)
        // Two that are named, and one that is taken.
        #expect(server.requests.count == 3)
        server.stop()
    }

    @Test func `an event of a bucket that is refused is the histogram's`() async throws {
        let server = try SplunkServer()
        let backend = try make(server)
        var batch = BackendFixture.samples([1], from: Self.time)
        let id = BackendFixture.series("latency", [], in: &batch)
        batch.append(
            series: id, time: Self.time,
            explicit: ExplicitHistogram(count: 3, sumBits: nil, bounds: [1].map(\.bitPattern), bucketCounts: [1, 2]))
        let request = BackendFixture.encode(backend, BackendFixture.chunk(batch))
        #expect(request.items.count == 4)
        let body = "{\"text\":\"Error in handling indexed fields\",\"code\":15,\"invalid-event-number\":3}"
        guard case .partly(let items) = backend.outcome(of: BackendFixture.answer(400, body), to: request) else {
            Issue.record("one event is named")
            return
        }
        #expect(items.first?.runs == [LeasedRun(piece: 0, ordinals: 1..<2)])
        #expect(items.last?.runs == [LeasedRun(piece: 0, ordinals: 0..<1)])
        #expect(items.last?.verdict == .again)
        server.stop()
    }

    @Test func `an event number that no event has is not believed`() throws {
        let server = try SplunkServer()
        let backend = try make(server)
        let request = BackendFixture.encode(backend, BackendFixture.chunk(BackendFixture.samples([1, 2])))
        for number in ["2", "-1", "99999999999999999999", "\"0\"", "null"] {
            let body = "{\"text\":\"x\",\"code\":6,\"invalid-event-number\":\(number)}"
            guard case .refused = backend.outcome(of: BackendFixture.answer(400, body), to: request) else {
                Issue.record("\(number)")
                continue
            }
        }
        server.stop()
    }

    @Test func `requests stay below the limit as they are unpacked`() async throws {
        var behaviour = SplunkServer.Behaviour()
        behaviour.maximumContentBytes = 10_000
        let server = try SplunkServer(behaviour)
        let run = try SpoolRun()
        let batch = BackendFixture.samples((0..<1000).map(Double.init), from: Self.time)
        let ledger = try await run.deliver([batch], through: try make(server, ["max_raw_size": "10000"]))
        #expect(ledger.deliveredPoints == 1000)
        #expect(server.samples.count == 1000)
        // None was refused: all were cut before they were sent.
        #expect(server.requests.allSatisfy { ((try? $0.plainBody(.gzip, limit: 10_000)) ?? []).count > 0 })
        server.stop()
    }

    @Test func `what a config may not say`() throws {
        let server = try SplunkServer()
        for values in [
            ["url": server.url + "/services/collector"], ["url": server.url + "?x=1"], ["ack_interval": "0"],
            ["ack_interval": "10s", "ack_timeout": "1s"], ["before_invalid": "drop"], ["index": "{tenant"],
            ["bearer_token": "env:x"],
        ] {
            #expect(throws: SettingsError.self, "\(values)") { try make(server, values) }
        }
        server.stop()
    }
}
