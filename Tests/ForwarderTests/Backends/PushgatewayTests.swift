import Forwarder
import Metrics
import TestSupport
import Testing
import WALStore

/// <https://github.com/prometheus/pushgateway#api>
@Suite(.timeLimit(.minutes(5)))
struct PushgatewayTests {
    private static let base = SecondsClock.base
    private static let second: Int64 = 1_000_000_000

    private func make(
        _ url: String, _ values: [String: String] = [:], _ sections: [String: [String: String]] = [:],
        clock: SecondsClock = SecondsClock()
    ) throws -> any Backend {
        return try BackendFixture.make(
            "prometheus_pushgateway", ["url": url, "gzip": "false"].merging(values) { $1 }, sections,
            environment: BackendEnvironment(time: clock.time))
    }

    /// - Parameter points: series as `name` or `name:number`, seconds after `base`, and values.
    private func chunk(_ points: [(String, Int64, Double)], tenant: String = "acme") -> Chunk {
        var batch = Batch()
        for (series, seconds, value) in points {
            let parts = series.split(separator: ":")
            let labels = parts.count > 1 ? [("number", String(parts[1]))] : []
            let id = BackendFixture.series(String(parts[0]), labels, in: &batch)
            batch.points.appendFloat64(series: id, time: Self.base + seconds * Self.second, bits: value.bitPattern)
        }
        return BackendFixture.chunk(batch, tenant: tenant)
    }

    private func push(_ backend: any Backend, _ points: [(String, Int64, Double)]) async -> DeliveryOutcome {
        await BackendFixture.deliver(backend, chunk(points))
    }

    private func reasons(_ backend: any Backend, _ points: [(String, Int64, Double)]) -> [String] {
        let request = BackendFixture.encode(backend, chunk(points))
        return request.excluded.flatMap { excluded in excluded.run.ordinals.map { "\($0) \(excluded.reason)" } }
    }

    // MARK: What goes out

    @Test func `a push is a POST of the newest values to the tenant's group, without times`() async throws {
        let server = try HTTPTestServer { _, _ in .reply(200) }
        let backend = try make(server.url)
        let points: [(String, Int64, Double)] = [("up:1", -9, 1), ("up:2", -8, 2), ("b", -8, 5), ("up:1", -5, 3)]
        #expect(reasons(backend, points) == ["0 a newer value of its series is in the request"])
        #expect(await push(backend, points) == .delivered)
        let request = try #require(server.requests.first)
        #expect(request.method == "POST")
        #expect(request.target == "/metrics/job/holdfast/tenant/acme")
        #expect(request.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
        #expect(request.text == "b 5\nup{number=\"1\"} 3\nup{number=\"2\"} 2\n")
        server.stop()
    }

    @Test func `a value that comes late in a request is not the newest`() throws {
        let backend = try make("http://127.0.0.1:9")
        let points: [(String, Int64, Double)] = [("a", -1, 1), ("a", -5, 2), ("a", -3, 3)]
        #expect(reasons(backend, points) == (1...2).map { "\($0) a newer value of its series is in the request" })
    }

    @Test func `the other series of a family go along, as a push replaces it whole`() async throws {
        let server = try HTTPTestServer { _, _ in .reply(200) }
        let backend = try make(server.url)
        #expect(await push(backend, [("up:1", -30, 1), ("up:2", -30, 2), ("b", -30, 5)]) == .delivered)
        #expect(await push(backend, [("up:1", -20, 7)]) == .delivered)
        #expect(server.requests[1].text == "up{number=\"1\"} 7\nup{number=\"2\"} 2\n")
        // Another tenant's group is another's.
        #expect(await BackendFixture.deliver(backend, chunk([("up:9", 0, 1)], tenant: "other")) == .delivered)
        #expect(server.requests[2].text == "up{number=\"9\"} 1\n")
        server.stop()
    }

    @Test func `what was not taken does not go along`() async throws {
        let server = try HTTPTestServer { _, number in .reply(number == 0 ? 400 : 200) }
        let backend = try make(server.url)
        guard case .refused = await push(backend, [("up:1", -30, 1)]) else {
            Issue.record("a 400 is bisected")
            return
        }
        #expect(await push(backend, [("up:2", -20, 7)]) == .delivered)
        #expect(server.requests[1].text == "up{number=\"2\"} 7\n")
        server.stop()
    }

    // MARK: No past

    @Test func `what is older than newest_within is not pushed`() throws {
        let points: [(String, Int64, Double)] = [("a", -301, 1), ("b", -299, 1)]
        #expect(reasons(try make("http://127.0.0.1:9"), points) == ["0 older than newest_within"])
        #expect(
            reasons(try make("http://127.0.0.1:9", ["newest_within": "299s"], clock: SecondsClock(1)), points).count
                == 2)
        #expect(
            reasons(try make("http://127.0.0.1:9", ["newest_within": "0"], clock: SecondsClock(9999)), points).isEmpty)
    }

    @Test func `an older value never takes the place of a newer one that was pushed`() async throws {
        let server = try HTTPTestServer { _, _ in .reply(200) }
        let backend = try make(server.url)
        #expect(await push(backend, [("a", -10, 1)]) == .delivered)
        #expect(reasons(backend, [("a", -20, 2), ("b", -20, 2)]) == ["0 a newer value of its series was pushed"])
        // The same again is the same.
        #expect(reasons(backend, [("a", -10, 1)]).isEmpty)
        server.stop()
    }

    @Test func `a series that has no newer value for a while is left out of its family`() async throws {
        let server = try HTTPTestServer { _, _ in .reply(200) }
        let clock = SecondsClock()
        let backend = try make(server.url, ["newest_within": "60s"], clock: clock)
        #expect(await push(backend, [("up:1", -50, 1), ("up:2", -20, 2)]) == .delivered)
        clock.set(11)
        #expect(await push(backend, [("up:3", 11, 3)]) == .delivered)
        #expect(server.requests[1].text == "up{number=\"2\"} 2\nup{number=\"3\"} 3\n")
        server.stop()
    }

    @Test func `there are so many series of a tenant and no more`() async throws {
        let server = try HTTPTestServer { _, _ in .reply(200) }
        let clock = SecondsClock()
        let backend = try make(server.url, ["max_series": "2", "newest_within": "60s"], clock: clock)
        let points: [(String, Int64, Double)] = [("a", -50, 1), ("b", -50, 1), ("c", -50, 1)]
        #expect(reasons(backend, points) == ["2 more series than max_series"])
        #expect(await push(backend, points) == .delivered)
        #expect(reasons(backend, [("c", 0, 1), ("a", 0, 2)]) == ["0 more series than max_series"])
        clock.set(20)
        #expect(await push(backend, [("a", 20, 2)]) == .delivered)
        #expect(reasons(backend, [("c", 20, 1)]).isEmpty, "b was forgotten")
        server.stop()
    }

    @Test func `a clock that is ahead makes no other series old`() async throws {
        let server = try HTTPTestServer { _, _ in .reply(200) }
        let backend = try make(server.url, ["newest_within": "60s"])
        #expect(reasons(backend, [("up:1", 61, 1)]) == ["0 ahead of this node's clock by more than newest_within"])
        #expect(await push(backend, [("up:1", -50, 1)]) == .delivered)
        #expect(await push(backend, [("up:2", 59, 2)]) == .delivered)
        #expect(await push(backend, [("up:3", 0, 3)]) == .delivered)
        #expect(server.requests[1].text == "up{number=\"1\"} 1\nup{number=\"2\"} 2\n")
        #expect(server.requests[2].text == "up{number=\"1\"} 1\nup{number=\"2\"} 2\nup{number=\"3\"} 3\n")
        server.stop()
    }

    // MARK: Histograms

    private func histogram(_ seconds: Int64, _ bounds: [Double]) -> Chunk {
        var batch = Batch()
        let id = BackendFixture.series("h", [], in: &batch)
        batch.append(
            series: id, time: Self.base + seconds * Self.second,
            explicit: ExplicitHistogram(
                count: 3, sumBits: nil, bounds: bounds.map(\.bitPattern),
                bucketCounts: [3] + bounds.map { _ in 0 }))
        return BackendFixture.chunk(batch)
    }

    @Test func `a histogram with other buckets is the same one, and the old buckets go`() async throws {
        let server = try HTTPTestServer { _, _ in .reply(200) }
        let backend = try make(server.url)
        #expect(await BackendFixture.deliver(backend, histogram(-30, [1, 2])) == .delivered)
        #expect(await BackendFixture.deliver(backend, histogram(-20, [5])) == .delivered)
        let text = "h_bucket{le=\"+Inf\"} 3\nh_bucket{le=\"5\"} 3\nh_count 3\n"
        #expect(server.requests[1].text == text)
        let late = BackendFixture.encode(backend, histogram(-25, [1]))
        #expect(late.excluded.map(\.reason) == ["a newer value of its series was pushed"])
        #expect(await push(backend, [("h_bucket:1", 0, 1)]) == .delivered)
        #expect(server.requests[2].text.contains("le=\"5\"") && !server.requests[2].text.contains("le=\"1\""))
        server.stop()
    }

    // MARK: Too large

    @Test func `a push that is too large for what goes along holds, and is not cut to pieces`() async throws {
        let server = try HTTPTestServer { _, number in .reply(number == 0 ? 200 : 413) }
        let backend = try make(server.url)
        #expect(await push(backend, (0..<50).map { ("up:\($0)", -30, 1) }) == .delivered)
        guard case .hold(let reason) = await push(backend, [("up:1", -20, 7), ("up:2", -20, 7)]) else {
            Issue.record("it would be cut, and buried")
            return
        }
        #expect(reason.contains("lower max_series"))
        #expect(await push(backend, (0..<50).map { ("up:\($0)", -10, 1) }) == .tooLarge(limitBytes: nil))
        server.stop()
    }

    // MARK: Names and groups

    @Test func `labels of the group stay the group's, and metrics of the gateway its own`() async throws {
        let server = try HTTPTestServer { _, _ in .reply(200) }
        let backend = try make(server.url)
        var batch = Batch()
        for (name, labels) in [
            ("m", [("job", "a"), ("tenant", "b")]), ("go_goroutines", []), ("push_time_seconds", []),
        ] {
            let id = BackendFixture.series(name, labels, in: &batch)
            batch.points.appendFloat64(series: id, time: Self.base, bits: (1.0).bitPattern)
        }
        let request = BackendFixture.encode(backend, BackendFixture.chunk(batch))
        #expect(String(decoding: request.body, as: UTF8.self) == "m{exported_job=\"a\",exported_tenant=\"b\"} 1\n")
        #expect(request.excluded.map(\.reason) == ["the gateway has a metric of this name itself"])
        let all = try make(server.url, ["own_metrics": ""])
        #expect(BackendFixture.encode(all, BackendFixture.chunk(batch)).points == 3)
        server.stop()
    }

    @Test func `a label that is renamed takes no other label's name`() throws {
        let backend = try make("http://127.0.0.1:9")
        var batch = Batch()
        let id = BackendFixture.series("m", [("exported_job", "b"), ("job", "a")], in: &batch)
        batch.points.appendFloat64(series: id, time: Self.base, bits: (1.0).bitPattern)
        let request = BackendFixture.encode(backend, BackendFixture.chunk(batch))
        #expect(
            String(decoding: request.body, as: UTF8.self)
                == "m{exported_job=\"b\",exported_exported_job=\"a\"} 1\n")
    }

    @Test func `a group's values are spelled so that a path can have them`() async throws {
        let server = try HTTPTestServer { _, _ in .reply(200) }
        let backend = try make(
            server.url + "/", ["job": "{tenant}/ship"], ["grouping": ["site": "é b", "zone": ""]])
        #expect(await push(backend, [("a", 0, 1)]) == .delivered)
        #expect(
            server.requests.first?.target == "/metrics/job@base64/YWNtZS9zaGlw/site/%C3%A9%20b/zone@base64/=")
        server.stop()
    }

    @Test(
        arguments: [
            (["url": "http://h/?x"], [:], "without a query"), (["job": ""], [:], "job is empty"),
            ([:], ["site": "x"], "must hold {tenant}"), ([:], ["job": "{tenant}"], "\"job\" is no label"),
            ([:], ["9a": "{tenant}"], "\"9a\" is no label"), ([:], ["__a": "{tenant}"], "\"__a\" is no label"),
            (["max_series": "0"], [:], "max_series"), (["concurrency": "2"], [:], "concurrency is not a known key"),
        ] as [([String: String], [String: String], String)])
    func `a mistake is named`(_ values: [String: String], _ grouping: [String: String], _ words: String) throws {
        let error = #expect(throws: SettingsError.self) {
            try make("http://127.0.0.1:9", values, grouping.isEmpty ? [:] : ["grouping": grouping])
        }
        #expect(error?.message.contains(words) == true, "\(String(describing: error))")
    }
}
