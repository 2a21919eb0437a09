import Metrics
import Synchronization
import TestSupport
import Testing
import WALStore

@testable import Forwarder

/// New Relic's Metric API against a strict server: `Tests/TestSupport/NewRelicServer.swift`.
@Suite(.timeLimit(.minutes(5)))
struct NewRelicTests {
    private static let second: Int64 = 1_790_000_000
    private static func time(_ seconds: Double) -> Int64 { second * 1_000_000_000 + Int64(seconds * 1_000_000_000) }
    private static func milliseconds(_ seconds: Double) -> Int64 { time(seconds) / 1_000_000 }

    private func make(
        _ server: NewRelicServer, _ values: [String: String] = [:], events: Recorder<Event> = Recorder()
    ) throws -> any Backend {
        var environment = BackendFixture.environment()
        environment.events = { events.record($0) }
        return try BackendFixture.make(
            "newrelic", ["url": server.url, "api_key": "env:good"].merging(values) { $1 }, environment: environment)
    }

    private func batch(_ name: String, _ labels: [(String, String)] = [], _ points: [(Double, Double)]) -> Batch {
        var batch = Batch()
        let id = BackendFixture.series(name, labels, in: &batch)
        for (seconds, value) in points {
            batch.points.appendFloat64(series: id, time: Self.time(seconds), bits: value.bitPattern)
        }
        return batch
    }

    @Test func `series with the same labels are one block, and each metric has its time`() async throws {
        let server = try NewRelicServer()
        var batch = batch("load1", [("job", "node")], [(1.5, 0.1), (2, 0.25)])
        let other = BackendFixture.series("load5", [("job", "node")], in: &batch)
        batch.points.appendFloat64(series: other, time: Self.time(2), bits: (3.0).bitPattern)
        #expect(await BackendFixture.deliver(try make(server), BackendFixture.chunk(batch)) == .delivered)
        #expect(
            server.metrics.map { "\($0.name) \($0.type) \($0.value) \($0.milliseconds - Self.milliseconds(0))" }
                == ["load1 gauge 0.1 1500", "load1 gauge 0.25 2000", "load5 gauge 3.0 2000"])
        #expect(server.metrics.allSatisfy { $0.attributes == ["job": "node"] })
        let body = try #require(server.requests.first).plainBody(.gzip, limit: 1 << 20)
        #expect(String(decoding: body, as: UTF8.self).ranges(of: "\"common\"").count == 1)
        server.stop()
    }

    @Test func `a total goes out as what was added since its timestamp, with the time it took`() async throws {
        let server = try NewRelicServer()
        let batch = batch("requests_total", [], [(0, 100), (15, 130), (30.5, 5)])
        let ledger = try await SpoolRun().deliver([batch], through: try make(server))
        #expect(
            server.metrics.map {
                "\($0.type) \($0.value) \($0.milliseconds - Self.milliseconds(0)) \($0.interval ?? 0)"
            }
                == ["count 30.0 0 15000", "count 5.0 15000 15500"])
        #expect(ledger.deliveredPoints == 2 && ledger.excludedPoints == 1)
        server.stop()
    }

    @Test func `what was added over a long gap is told as of the age that is kept`() async throws {
        var behaviour = NewRelicServer.Behaviour()
        behaviour.now -= 72 * 3600
        let server = try NewRelicServer(behaviour)
        let run = try SpoolRun()
        var environment = BackendFixture.environment(now: { Self.time(-72 * 3600 + 100) })
        let values = ["url": server.url, "api_key": "env:good"]
        _ = try await run.deliver(
            [batch("requests_total", [], [(-72 * 3600, 100)])],
            through: try BackendFixture.make("newrelic", values, environment: environment))
        server.change { $0.now += 72 * 3600 }
        environment = BackendFixture.environment()
        _ = try await run.deliver(
            [batch("requests_total", [], [(0, 130)])],
            through: try BackendFixture.make("newrelic", values, environment: environment))
        #expect(server.dropped.isEmpty)
        #expect(server.countedInAll == 30)
        server.stop()
    }

    @Test func `a histogram of what was added is a summary and counts, another one counts and gauges`() async throws {
        let server = try NewRelicServer()
        var batches: [Batch] = []
        for (seconds, count) in [(0.0, UInt64(4)), (10, 6)] {
            var batch = Batch()
            for temporality in [Temporality.delta, .cumulative] {
                var identity = SeriesIdentity.plain
                (identity.kind, identity.temporality) = (.histogram, temporality)
                let plain = BackendFixture.series("latency_\(temporality)", [], in: &batch)
                let labels = batch.series.withLabels(of: plain) { Array($0) }
                let id = labels.withUnsafeBytes { batch.series.intern($0, identity: identity) }
                batch.append(
                    series: id, time: Self.time(seconds),
                    explicit: ExplicitHistogram(
                        count: count, sumBits: Double(count).bitPattern, bounds: [(0.5).bitPattern],
                        bucketCounts: [1, count - 1], minimumBits: (0.1).bitPattern, maximumBits: (3.0).bitPattern),
                    startTime: Self.time(seconds - 5))
            }
            batches.append(batch)
        }
        _ = try await SpoolRun().deliver(batches, through: try make(server))
        let words = server.metrics.map {
            "\($0.name) \($0.type) \($0.value) \($0.count ?? -1) \($0.attributes["le"] ?? "")"
        }
        #expect(
            words.filter { $0.hasPrefix("latency_delta ") } == [
                "latency_delta summary 4.0 4.0 ", "latency_delta summary 6.0 6.0 ",
            ])
        #expect(words.filter { $0.hasPrefix("latency_delta_bucket") }.count == 4)
        // The first one begins the totals; of the second a total that started anew counts whole.
        #expect(
            Set(words.filter { $0.hasPrefix("latency_cumulative") }) == [
                "latency_cumulative_count count 6.0 -1.0 ", "latency_cumulative_sum count 6.0 -1.0 ",
                "latency_cumulative_min gauge 0.1 -1.0 ", "latency_cumulative_max gauge 3.0 -1.0 ",
                "latency_cumulative_bucket count 1.0 -1.0 0.5", "latency_cumulative_bucket count 6.0 -1.0 +Inf",
            ])
        #expect(server.faults.isEmpty && server.dropped.isEmpty)
        server.stop()
    }

    @Test func `labels that New Relic has for itself, or does not take, are sent under another name`() async throws {
        let server = try NewRelicServer()
        let labels = [
            ("count", "1"), ("min", "2"), ("timestamp", "3"), ("accountId", "4"), ("up", "5"), ("größe", "6"),
            ("gr-", "7"),
            ("gr_", "8"), ("long", String(repeating: "ü", count: 5000)),
        ]
        #expect(
            await BackendFixture.deliver(try make(server), BackendFixture.chunk(batch("up", labels, [(1, 1)])))
                == .delivered)
        #expect(server.dropped == [])
        var attributes = try #require(server.metrics.first?.attributes)
        #expect(attributes.removeValue(forKey: "long") == String(repeating: "ü", count: 2048))
        #expect(
            attributes == [
                "x_count": "1", "x_min": "2", "x_timestamp": "3", "x_accountId": "4", "x_up": "5", "gr__e": "6",
                "gr_": "7",
                "gr__": "8",
            ])
        server.stop()
    }

    @Test func `what would be dropped for its name or its attributes is excluded`() throws {
        let server = try NewRelicServer()
        let backend = try make(server)
        func reasons(_ batch: Batch) -> [String] {
            BackendFixture.encode(backend, BackendFixture.chunk(batch)).excluded.map(\.reason)
        }
        #expect(reasons(batch(String(repeating: "a", count: 254), [], [(1, 1)])).isEmpty)
        #expect(reasons(batch(String(repeating: "a", count: 255), [], [(1, 1)])) == ["name_too_long"])
        // Labels are at most 64 with the name; a resource brings as many as it likes.
        var identity = SeriesIdentity.plain
        var wide = Batch()
        identity.resource = wide.intern(
            resource: Resource(attributes: (0..<151).map { Attribute("a\($0)", .int(Int64($0))) }))
        let plain = BackendFixture.series("wide", [], in: &wide)
        let labels = wide.series.withLabels(of: plain) { Array($0) }
        let id = labels.withUnsafeBytes { wide.series.intern($0, identity: identity) }
        wide.points.appendFloat64(series: id, time: Self.time(1), bits: 0)
        #expect(reasons(wide) == ["too_many_attributes"])
        server.stop()
    }

    @Test func `whatever points there are, nothing of what is sent is refused or dropped`() async throws {
        let server = try NewRelicServer()
        var random = SeededGenerator.fresh()
        for _ in 0..<10 {
            let chunk = BackendFixture.chunk(RandomBatch.make(points: 200, series: 20, using: &random), runs: 3)
            let backend = try make(server)
            let request = BackendFixture.encode(backend, chunk)
            guard request.points > 0 else { continue }
            let before = server.metrics.count
            #expect(await BackendFixture.deliver(backend, chunk) == .delivered, "seed \(random.seed)")
            #expect(server.metrics.count - before >= request.points, "seed \(random.seed)")
        }
        #expect(server.faults.isEmpty && server.dropped.isEmpty, "seed \(random.seed)")
        server.stop()
    }

    @Test func `points older than 48 hours, or a day ahead, are dead letters and are not sent`() async throws {
        let server = try NewRelicServer()
        let day = 86_400.0
        let times = [100 - 2 * day - 1, 100 - 2 * day + 1, 0, 100 + day - 1, 100 + day + 1]
        let ledger = try await SpoolRun().deliver([batch("load", [], times.map { ($0, 1) })], through: try make(server))
        #expect(ledger.deadPoints == 2 && ledger.deliveredPoints == 3)
        #expect(server.dropped.isEmpty && server.metrics.count == 3)
        server.stop()
    }

    @Test func `a request stays below a million bytes as it is sent`() async throws {
        var behaviour = NewRelicServer.Behaviour()
        behaviour.maximumBodyBytes = 10_000
        let server = try NewRelicServer(behaviour)
        let batch = BackendFixture.samples((0..<3000).map { Double($0).squareRoot() }, from: Self.time(0))
        let ledger = try await SpoolRun().deliver([batch], through: try make(server, ["max_body_size": "10000"]))
        #expect(ledger.deliveredPoints == 3000)
        #expect(server.metrics.count == 3000)
        #expect(server.faults.isEmpty)
        server.stop()
    }

    private enum Meaning { case delivered, hold, retry, refused, tooLarge, other }

    @Test func `each status means what New Relic's own senders take it for`() throws {
        let server = try NewRelicServer()
        let backend = try make(server)
        let expected: [(Int, Meaning)] = [
            (202, .delivered), (200, .hold), (400, .refused), (401, .hold), (403, .hold), (404, .hold), (405, .hold),
            (408, .retry), (409, .hold), (410, .hold), (411, .hold), (413, .tooLarge), (414, .hold), (415, .hold),
            (418, .retry), (429, .retry), (431, .hold), (500, .retry), (503, .retry), (504, .retry),
        ]
        for (status, meaning) in expected {
            let outcome = backend.outcome(
                of: BackendFixture.answer(status, "{\"requestId\":\"f0e7bfff-001a-b000-0000-01682bcf4565\"}"),
                to: EncodedRequest())
            let found: Meaning =
                switch outcome {
                case .delivered: .delivered
                case .hold: .hold
                case .retry: .retry
                case .refused: .refused
                case .tooLarge: .tooLarge
                case .partly, .encodeAnew: .other
                }
            #expect(found == meaning, "\(status): \(outcome)")
        }
        for body in ["", "<html>", "{}", "{\"requestId\":\"\"}", "{\"requestId\":\"a b\\n\"}"] {
            guard case .hold = backend.outcome(of: BackendFixture.answer(202, body), to: EncodedRequest()) else {
                Issue.record("\(body) was believed")
                continue
            }
        }
        server.stop()
    }

    @Test func `the id of each request is told, and what was dropped afterwards is read back, once`() async throws {
        var behaviour = NewRelicServer.Behaviour()
        behaviour.dropsLater = ["up"]
        let server = try NewRelicServer(behaviour)
        let events = Recorder<Event>()
        let backend = try make(
            server, ["query_key": "env:user", "account_id": "1234567", "query_url": server.queryURL], events: events)
        for _ in 0..<3 {
            #expect(
                await BackendFixture.deliver(
                    backend, BackendFixture.chunk(BackendFixture.samples([1], from: Self.time(0))))
                    == .delivered)
        }
        let taken = events.elements.filter { $0.level == .debug }.compactMap { $0.metadata["request.id"] }
        #expect(taken == server.requestIDs)
        let told = events.elements.filter { $0.level == .warning }
        #expect(told.map { $0.metadata["request.id"] } == [server.requestIDs.first])
        #expect(told.first?.metadata["reason"] == "RateLimit: up is beyond a limit")
        // Once a minute at most.
        #expect(server.queries.count == 1)
        #expect(server.queries.first?.contains("account(id: 1234567)") == true)
        server.stop()
    }

    @Test func `an account that does not answer is no trouble of the points`() async throws {
        let server = try NewRelicServer()
        let events = Recorder<Event>()
        let backend = try make(
            server, ["query_key": "env:wrong", "account_id": "1", "query_url": server.queryURL], events: events)
        let chunk = BackendFixture.chunk(BackendFixture.samples([1], from: Self.time(0)))
        #expect(await BackendFixture.deliver(backend, chunk) == .delivered)
        #expect(events.elements.allSatisfy { $0.level == .debug })
        server.stop()
    }

    @Test func `what a config may not say`() throws {
        let server = try NewRelicServer()
        for values in [
            ["region": "jp"], ["query_key": "env:x"], ["account_id": "-1"], ["query_url": "api.newrelic.com"],
            ["counters": "guess"], ["api_key": "env:"],
        ] {
            #expect(throws: SettingsError.self, "\(values)") { try make(server, values) }
        }
        #expect(throws: SettingsError.self) { try BackendFixture.make("newrelic", ["url": server.url]) }
        _ = try BackendFixture.make("newrelic", ["api_key": "env:good", "region": "eu"])
        server.stop()
    }
}
