import Metrics
import Synchronization
import TestSupport
import Testing
import WALStore

@testable import Forwarder

#if canImport(Glibc)
    import Glibc
#endif

/// What is too old or too much for the intake, and what its answers mean.
extension DatadogTests {
    @Test func `points older than an hour, or far ahead, are dead letters and are not sent`() async throws {
        let server = try DatadogServer()
        let times = [-3501.0, -3499, 0, 699, 701]
        let ledger = try await deliver([batch("load", [], times.map { ($0, $0) })], server)
        #expect(ledger.deadPoints == 2)
        #expect(ledger.deliveredPoints == 3)
        #expect(server.dropped.isEmpty)
        #expect(server.series.values.first?.count == 3)
        let request = BackendFixture.encode(
            try make(server), BackendFixture.chunk(batch("load", [], times.map { ($0, $0) })))
        #expect(request.dead.map(\.reason.code) == ["too_old", "too_new"])
        #expect(request.dead.first?.reason.excerpt.contains("3600 s") == true)
        server.stop()
    }

    @Test func `a total that was too old to be sent is in the next one's increment`() async throws {
        let server = try DatadogServer()
        let run = try SpoolRun()
        let backend = try make(server)
        _ = try await run.deliver([batch("requests_total", [], [(0, 100), (50, 110)])], through: backend)
        server.change { $0.now += 7200 }
        let later = try make(server, now: { Self.time(7300) })
        let ledger = try await run.deliver(
            [batch("requests_total", [], [(3000, 130), (7250, 160)])], through: later)
        #expect(ledger.deadPoints == 1)
        #expect(server.countedInAll == 60)
        #expect(server.dropped.isEmpty)
        server.stop()
    }

    @Test func `with historical points of any age are sent`() async throws {
        var behaviour = DatadogServer.Behaviour()
        behaviour.historical = ["load"]
        let server = try DatadogServer(behaviour)
        let ledger = try await deliver([batch("load", [], [(-360_000, 1), (0, 2)])], server, ["historical": "true"])
        #expect(ledger.deliveredPoints == 2)
        #expect(server.series.values.first?.count == 2)
        #expect(server.dropped.isEmpty)
        server.stop()
    }

    @Test func `what became too old while it waited is not sent as it was`() async throws {
        let server = try DatadogServer()
        let clock = Mutex(Self.time(100))
        let backend = try make(server, now: { clock.withLock { $0 } })
        let chunk = BackendFixture.chunk(batch("load", [], [(-3499, 1), (0, 2)]))
        let request = BackendFixture.encode(backend, chunk)
        #expect(request.points == 2)
        clock.withLock { $0 += 2_000_000_000 }
        let transport = HTTPTransport()
        let answer = await backend.send(request, of: chunk, attempt: 2, over: transport)
        guard case .encodeAnew = backend.outcome(of: answer, to: request) else {
            Issue.record("\(answer)")
            return
        }
        #expect(server.requests.isEmpty)
        #expect(BackendFixture.encode(backend, chunk).dead.map(\.run) == [LeasedRun(piece: 0, ordinals: 0..<1)])
        transport.close()
        server.stop()
    }

    // MARK: Limits and answers

    @Test(arguments: [("max_body_size", 20_000), ("max_raw_size", 50_000)])
    func `a request stays below both limits`(_ key: String, _ bytes: Int) async throws {
        var behaviour = DatadogServer.Behaviour()
        if key == "max_body_size" { behaviour.maximumBodyBytes = bytes } else { behaviour.maximumRawBytes = bytes }
        let server = try DatadogServer(behaviour)
        let batch = BackendFixture.samples((0..<3000).map { Double($0).squareRoot() }, from: Self.time(0))
        let ledger = try await deliver([batch], server, [key: "\(bytes)"])
        #expect(ledger.deliveredPoints == 3000)
        #expect(server.series.count == 3000)
        // Cut before they were sent: none was refused.
        #expect(server.faults.isEmpty)
        server.stop()
    }

    private enum Meaning { case delivered, hold, retry, refused, tooLarge, other }

    private func meaning(_ outcome: DeliveryOutcome) -> Meaning {
        switch outcome {
        case .delivered: .delivered
        case .hold: .hold
        case .retry: .retry
        case .refused: .refused
        case .tooLarge: .tooLarge
        case .partly, .encodeAnew: .other
        }
    }

    @Test func `each status means what Datadog's own senders take it for`() throws {
        let server = try DatadogServer()
        let backend = try make(server)
        let expected: [(Int, Meaning)] = [
            (202, .delivered), (200, .hold), (204, .hold), (302, .hold), (400, .refused), (401, .hold), (403, .hold),
            (404, .hold), (408, .retry), (409, .retry), (413, .tooLarge), (418, .retry), (422, .retry), (429, .retry),
            (500, .retry), (503, .retry), (599, .retry),
        ]
        for (status, meaning) in expected {
            let outcome = backend.outcome(of: BackendFixture.answer(status, "{}"), to: EncodedRequest())
            #expect(self.meaning(outcome) == meaning, "\(status): \(outcome)")
        }
        let errors = BackendFixture.answer(202, "{\"errors\":[\"a point is wrong\"]}")
        #expect(meaning(backend.outcome(of: errors, to: EncodedRequest())) == .refused)
        for (reset, after) in [("17", Duration.seconds(17)), ("-5", .zero), ("99999999", .seconds(86_400))] {
            let answer = BackendFixture.answer(429, headers: ["x-ratelimit-reset": reset])
            guard case .retry(let asked, _) = backend.outcome(of: answer, to: EncodedRequest()) else {
                Issue.record("X-RateLimit-Reset: \(reset)")
                continue
            }
            #expect(asked == after)
        }
        server.stop()
    }

    @Test func `each tenant has its own key, and one without holds`() async throws {
        let server = try DatadogServer()
        let backend = try BackendFixture.make(
            "datadog", ["url": server.url], ["api_keys": ["acme": "env:good", "globex": "env:bad"]],
            environment: BackendFixture.environment())
        let outcomes = ["acme", "globex", "initech"].map { tenant in
            BackendFixture.chunk(BackendFixture.samples([1]), tenant: tenant)
        }
        #expect(await BackendFixture.deliver(backend, outcomes[0]) == .delivered)
        for chunk in outcomes.dropFirst() {
            guard case .hold = await BackendFixture.deliver(backend, chunk) else {
                Issue.record("\(chunk.tenant) has no key that is taken")
                continue
            }
        }
        server.stop()
    }

    @Test func `what a config may not say`() throws {
        let server = try DatadogServer()
        for values in [
            ["url": server.url + "/api/v2/series"], ["site": "datadoghq.eu"], ["compression": "lz4"],
            ["counters": "guess"], ["api_key": "env:"],
        ] {
            #expect(throws: SettingsError.self, "\(values)") { try make(server, values) }
        }
        for site in ["https://datadoghq.com", "datadoghq", "api.datadoghq.com", "a/b.com"] {
            #expect(throws: SettingsError.self, "\(site)") {
                try BackendFixture.make("datadog", ["site": site, "api_key": "env:good"])
            }
        }
        #expect(throws: SettingsError.self) { try BackendFixture.make("datadog", ["url": server.url]) }
        _ = try BackendFixture.make("datadog", ["api_key": "env:good", "site": "us2.ddog-gov.com"])
        server.stop()
    }
}
