import Forwarder
import Metrics
import TestSupport
import Testing
import WALStore

/// <https://grafana.com/docs/grafana/latest/setup-grafana/set-up-grafana-live/>, of a Grafana as strict as the real one.
@Suite(.timeLimit(.minutes(2)))
struct GrafanaLiveTests {
    private static let base = SecondsClock.base
    private static let second: Int64 = 1_000_000_000

    private func make(
        _ url: String, _ values: [String: String] = [:], token: String = "good", clock: SecondsClock = SecondsClock()
    ) throws -> any Backend {
        return try BackendFixture.make(
            "grafana_live", ["url": url, "bearer_token": "env:\(token)"].merging(values) { $1 },
            environment: BackendEnvironment(time: clock.time))
    }

    /// - Parameter points: names, seconds after `base`, and values.
    private func batch(_ points: [(String, Int64, Double)]) -> Batch {
        var batch = Batch()
        for (name, seconds, value) in points {
            let id = BackendFixture.series(name, [("shop", "7")], in: &batch)
            batch.points.appendFloat64(series: id, time: Self.base + seconds * Self.second, bits: value.bitPattern)
        }
        return batch
    }

    private func reasons(_ backend: any Backend, _ points: [(String, Int64, Double)]) -> [String] {
        let request = BackendFixture.encode(backend, BackendFixture.chunk(batch(points)))
        return request.excluded.flatMap { excluded in excluded.run.ordinals.map { "\($0) \(excluded.reason)" } }
    }

    @Test func `a push is lines of the tenant's stream, and each metric a channel`() async throws {
        let server = try GrafanaServer()
        let backend = try make(server.url + "/", ["stream": "hf-{tenant}", "stable_schema": "true"])
        let chunk = BackendFixture.chunk(
            batch([("till_total", -2, 5), ("http.server.duration", -1, 0.5), ("till_total", 0, 6)]))
        #expect(await BackendFixture.deliver(backend, chunk) == .delivered)
        let request = try #require(server.requests.first)
        #expect(
            request.target == "/api/live/push/hf-acme?gf_live_frame_format=labels_column&gf_live_stable_schema=1")
        #expect(request.headers["authorization"] == "Bearer good")
        #expect(request.text.hasPrefix("till_total,shop=7 value=5 1789999998000000000\n"))
        let at = { (seconds: Int64) in Self.base + seconds * Self.second }
        #expect(
            server.frames == [
                "stream/hf-acme/till_total": [.init(time: at(-2), value: 5), .init(time: at(0), value: 6)],
                "stream/hf-acme/http.server.duration": [.init(time: at(-1), value: 0.5)],
            ])
        #expect(server.faults == [])
        server.stop()
    }

    @Test func `what is older than newest_within is not pushed`() throws {
        let points: [(String, Int64, Double)] = [("a", -31, 1), ("b", -30, 1), ("c", -31, 1)]
        let past = "older than newest_within"
        #expect(reasons(try make("http://127.0.0.1:9"), points) == ["0 \(past)", "2 \(past)"])
        #expect(
            reasons(try make("http://127.0.0.1:9", ["newest_within": "0"], clock: SecondsClock(9999)), points).isEmpty)
    }

    @Test func `a name that makes no channel is not pushed, as it would fail all`() async throws {
        let server = try GrafanaServer()
        let backend = try make(server.url)
        let long = String(repeating: "n", count: 160)
        let points: [(String, Int64, Double)] = [
            ("job:rate:5m", 0, 1), ("ok", 0, 1), (long, 0, 1), ("ä", 0, 1), ("nan", 0, .nan),
        ]
        let reason = "its name is no part of a channel of Grafana Live"
        let found = reasons(backend, points)
        #expect(Array(found.prefix(3)) == [0, 2, 3].map { "\($0) \(reason)" })
        #expect(found.count == 4, "a NaN has no line: \(found)")
        #expect(await BackendFixture.deliver(backend, BackendFixture.chunk(batch(points))) == .delivered)
        #expect(server.frames.keys.sorted() == ["stream/acme/ok"])
        // The longest that goes: stream/acme/ and 148.
        let fitting = String(repeating: "n", count: 148)
        #expect(reasons(backend, [(fitting, 0, 1), (fitting + "n", 0, 1)]) == ["1 \(reason)"])
        #expect(await BackendFixture.deliver(backend, BackendFixture.chunk(batch([(fitting, 0, 1)]))) == .delivered)
        #expect(server.faults == [])
        server.stop()
    }

    @Test(arguments: ["", "a/b", "a b", "{tenants}", "ä", String(repeating: "s", count: 101)])
    func `a stream is one`(stream: String) {
        #expect(throws: SettingsError.self) { try make("http://127.0.0.1:9", ["stream": stream]) }
    }

    @Test func `what waited until it was old is looked through again, and not sent as it was`() async throws {
        let server = try GrafanaServer()
        let clock = SecondsClock()
        let backend = try make(server.url, clock: clock)
        let chunk = BackendFixture.chunk(batch([("a", -20, 1), ("b", -5, 2)]))
        let request = BackendFixture.encode(backend, chunk)
        #expect(request.points == 2)
        clock.set(11)
        let transport = HTTPTransport()
        let answer = await backend.send(request, of: chunk, attempt: 2, over: transport)
        transport.close()
        guard case .encodeAnew = backend.outcome(of: answer, to: request) else {
            Issue.record("\(answer)")
            return
        }
        #expect(server.requests.isEmpty)
        #expect(await BackendFixture.deliver(backend, chunk) == .delivered)
        #expect(server.frames.keys.sorted() == ["stream/acme/b"])
        server.stop()
    }

    /// The lane, with a real spool: Grafana fails, or does not let us, and the moment passes.
    @Test(arguments: [503, 500, 403])
    func `an outage leaves no backlog: what was not seen is excluded, and what is new goes out`(status: Int)
        async throws
    {
        let server = try GrafanaServer()
        let clock = SecondsClock()
        server.change { behaviour in
            behaviour.fault = { number in
                guard number < 3 else { return nil }
                if number == 2 { clock.set(3600) }
                return .answer(status)
            }
        }
        let backend = try make(server.url, clock: clock)
        let old = (0..<20).map { batch([("a", Int64($0) - 20, Double($0))]) }
        let ledger = try await SpoolRun(probeEvery: .milliseconds(5)).deliver(
            old + [batch([("a", 3599, 99)])], through: backend)
        #expect(ledger.excludedPoints == 20 && ledger.deliveredPoints == 1 && ledger.deadPoints == 0)
        #expect(ledger.balances)
        #expect(server.frames.values.flatMap { $0 }.map(\.value) == [99])
        server.stop()
    }

    @Test func `who may not push is told so, and keeps nothing for later`() async throws {
        let server = try GrafanaServer()
        let chunk = BackendFixture.chunk(batch([("a", 0, 1)]))
        for token in ["viewer", "stranger"] {
            let outcome = await BackendFixture.deliver(try make(server.url, token: token), chunk)
            guard case .hold(let reason) = outcome else {
                Issue.record("\(outcome)")
                continue
            }
            #expect(!reason.contains(token))
        }
        #expect(await BackendFixture.deliver(try make(server.url, token: "editor"), chunk) == .delivered)
        server.stop()
    }

    @Test func `any points make lines that Grafana reads`() async throws {
        let server = try GrafanaServer()
        let backend = try make(server.url, ["newest_within": "0"])
        var random = SeededGenerator.fresh()
        for _ in 0..<20 {
            let chunk = BackendFixture.chunk(RandomBatch.make(points: 100, series: 20, using: &random), runs: 3)
            guard BackendFixture.encode(backend, chunk).points > 0 else { continue }
            #expect(await BackendFixture.deliver(backend, chunk) == .delivered, "seed \(random.seed)")
        }
        #expect(server.faults == [], "seed \(random.seed)")
        server.stop()
    }
}
