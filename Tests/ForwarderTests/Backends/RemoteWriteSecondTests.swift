import Metrics
import Synchronization
import TestSupport
import Testing
import WALStore

@testable import Forwarder

/// Remote write 2.0 as a backend: what each answer means, and what is spoken to whom.
/// <https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/>
@Suite(.timeLimit(.minutes(10)))
struct RemoteWriteSecondTests {
    private let clock = JumpingClock()
    private let events = Recorder<Event>()

    private func make(_ url: String, _ values: [String: String] = ["protocol": "auto"]) throws -> any Backend {
        let events = events
        return try BackendFixture.make(
            "prometheus_remote_write", ["url": url].merging(values) { $1 },
            environment: BackendEnvironment(time: clock.time, events: { events.record($0) }))
    }

    /// Delivers as a lane does: what is to be encoded anew is.
    private func deliver(_ backend: any Backend, _ chunk: Chunk) async -> [DeliveryOutcome] {
        var outcomes: [DeliveryOutcome] = []
        repeat { outcomes.append(await BackendFixture.deliver(backend, chunk)) } while outcomes.last.isAnew
        return outcomes
    }

    @Test func `what was said of a family before its series goes with each of them, to its tenant alone`() async throws
    {
        let receiver = try RemoteWriteReceiver()
        defer { receiver.stop() }
        let backend = try make(receiver.url)
        var apart = Batch()
        apart.metadata = [MetricMetadata(family: "up", kind: .gauge, help: "Whether it is up.")]
        // As leases have it: a row without points, then those behind it.
        var chunk = BackendFixture.chunk(BackendFixture.samples([1]))
        chunk.pieces.insert(
            LeasedPiece(
                places: PlaceRange(sequence: 6, ordinals: 0..<0), batch: apart, ordinals: 0..<0, maybeSent: false),
            at: 0)
        chunk.runs = [LeasedRun(piece: 0, ordinals: 0..<0), LeasedRun(piece: 1, ordinals: 0..<1)]
        #expect(await deliver(backend, chunk) == [.delivered])
        #expect(receiver.said == ["up": MetricMetadata(family: "up", kind: .gauge, help: "Whether it is up.")])
        func help(_ tenant: String, _ name: String) throws -> String? {
            let samples = BackendFixture.samples([1], name: name, from: 1_790_000_001_000_000_000)
            let request = BackendFixture.encode(backend, BackendFixture.chunk(samples, tenant: tenant))
            return try RemoteWriteMessage2(BackendFixture.plain(request.body, .snappy)).series.first?.help
        }
        #expect(try help("acme", "up") == "Whether it is up.")
        #expect(try help("acme", "up_total") == "Whether it is up.")
        #expect(try help("acme", "down") == "")
        #expect(try help("other", "up") == "")
    }

    @Test func `of more than is kept all is forgotten, and what is said next is known`() {
        let families = RemoteWriteFamilies()
        let help = String(repeating: "h", count: 1 << 20)
        for number in 0..<15 {
            let item = MetricMetadata(family: "f\(number)", kind: .gauge, help: help)
            for tenant in ["one", "one", "other"] {
                families.learn([item], of: tenant)
                let isKnown = families.known(of: tenant).family(of: "f\(number)") == item
                #expect(isKnown, "family \(number) of \(tenant)")
            }
        }
        let held = families.known(of: "one").bytes + families.known(of: "other").bytes
        #expect(held > 10 << 20 && held <= RemoteWriteFamilies.mostBytes)
        let isForgotten = families.known(of: "one").family(of: "f0") == nil
        #expect(isForgotten)
    }

    private func written(_ samples: Int, _ histograms: Int = 0) -> [String: String] {
        [
            "x-prometheus-remote-write-samples-written": "\(samples)",
            "x-prometheus-remote-write-histograms-written": "\(histograms)",
        ]
    }

    // MARK: Forms

    @Test func `a receiver that knows 2_0 gets it, with headers that it compares byte by byte`() async throws {
        let receiver = try RemoteWriteReceiver()
        defer { receiver.stop() }
        let backend = try make(receiver.url, ["protocol": "2.0", "tenant_header": "X-Scope-OrgID"])
        #expect(!backend.takesBodies)
        #expect(await deliver(backend, BackendFixture.chunk(BackendFixture.samples([1, 2]))) == [.delivered])
        #expect(receiver.versions == [2] && receiver.points == 2 && receiver.violations == [])
        #expect(receiver.http.requests.first?.headers["x-scope-orgid"] == "acme")
    }

    @Test(arguments: [RemoteWriteReceiver.Manner.firstOnly, .firstOnlyBadRequest, .blind])
    func `one that does not gets the same points as 1_0 at once, and 2_0 again after an hour, in one request`(
        _ manner: RemoteWriteReceiver.Manner
    ) async throws {
        let receiver = try RemoteWriteReceiver(manner)
        defer { receiver.stop() }
        let backend = try make(receiver.url)
        var time: Int64 = 1_790_000_000_000_000_000
        func next() -> Chunk {
            time += 1_000_000_000
            return BackendFixture.chunk(BackendFixture.samples([1, 2], from: time))
        }
        let first = await deliver(backend, next())
        #expect(first.count == 2 && first.last == .delivered && receiver.points == 2)
        #expect(await deliver(backend, next()) == [.delivered])
        #expect(receiver.versions == [2, 1, 1] && receiver.points == 4)
        #expect(events.elements.map(\.level) == [.info])

        clock.advance(RemoteWriteForms.asksAgainAfter)
        let asking = BackendFixture.encode(backend, next())
        #expect(asking.remoteWrite.form == .second)
        #expect(BackendFixture.encode(backend, next()).remoteWrite.form == .first)
        clock.advance(RemoteWriteForms.asksAgainAfter)
        #expect(await deliver(backend, next()).count == 2)
        clock.advance(RemoteWriteForms.asksAgainAfter)
        receiver.become(.current)
        for _ in 0..<2 { #expect(await deliver(backend, next()) == [.delivered]) }
        #expect(receiver.versions == [2, 1, 1, 2, 1, 2, 2])
        #expect(receiver.points == 10 && receiver.violations == [])
        #expect(events.elements.count == 1)
    }

    @Test func `each tenant's receiver is found out by itself`() async throws {
        let receiver = try RemoteWriteReceiver(.firstOnly)
        defer { receiver.stop() }
        let backend = try make(receiver.url)
        let samples = BackendFixture.samples([1])
        _ = await deliver(backend, BackendFixture.chunk(samples, tenant: "one"))
        _ = await deliver(backend, BackendFixture.chunk(samples, tenant: "other"))
        #expect(receiver.versions == [2, 1, 2, 1])
    }

    @Test func `one that went back to an older version is found out by its first answer`() async throws {
        let receiver = try RemoteWriteReceiver()
        defer { receiver.stop() }
        let backend = try make(receiver.url)
        #expect(await deliver(backend, BackendFixture.chunk(BackendFixture.samples([1]))) == [.delivered])
        receiver.become(.blind)
        let later = BackendFixture.samples([2], from: 1_790_000_001_000_000_000)
        #expect(await deliver(backend, BackendFixture.chunk(later)).last == .delivered)
        #expect(receiver.versions == [2, 2, 1] && receiver.points == 2)
    }

    @Test func `one that takes neither is held, and one that takes only 2_0 gets it`() async throws {
        let receiver = try RemoteWriteReceiver(.none)
        defer { receiver.stop() }
        let backend = try make(receiver.url)
        let chunk = BackendFixture.chunk(BackendFixture.samples([1]))
        guard case .hold = await deliver(backend, chunk).last else {
            Issue.record("an operator has to look")
            return
        }
        receiver.become(.secondOnly)
        // The next look at a held lane begins with what is wanted.
        #expect(await deliver(backend, chunk) == [.delivered])
        #expect(receiver.versions == [2, 1, 2])
    }

    @Test(arguments: [RemoteWriteReceiver.Manner.firstOnly, .blind])
    func `where the config says 2_0 nothing else is sent, and nothing is taken for stored`(
        _ manner: RemoteWriteReceiver.Manner
    ) async throws {
        let receiver = try RemoteWriteReceiver(manner)
        defer { receiver.stop() }
        let backend = try make(receiver.url, ["protocol": "2.0"])
        let chunk = BackendFixture.chunk(BackendFixture.samples([1]))
        for _ in 0..<2 {
            guard case .hold(let reason) = await deliver(backend, chunk).last else {
                Issue.record("a lane that cannot deliver is held")
                return
            }
            #expect(reason.contains("2.0 is not known there"))
        }
        #expect(receiver.versions == [2, 2])
    }

    @Test func `an error or no answer says nothing about the form`() async throws {
        let receiver = try RemoteWriteReceiver(.broken)
        defer { receiver.stop() }
        let backend = try make(receiver.url)
        let chunk = BackendFixture.chunk(BackendFixture.samples([1]))
        guard case .retry = await deliver(backend, chunk).last else {
            Issue.record("500 is tried again")
            return
        }
        receiver.become(.current)
        #expect(await deliver(backend, chunk) == [.delivered])
        #expect(receiver.versions == [2, 2])
    }

    // MARK: Counts

    private func sent(_ batch: Batch, proven: Bool = true) throws -> EncodedRequest {
        var request = BackendFixture.encode(try make("http://127.0.0.1:9"), BackendFixture.chunk(batch))
        request.remoteWrite.isProven = proven
        return request
    }

    private func outcome(
        _ status: Int, _ headers: [String: String], _ request: EncodedRequest, _ words: String = ""
    ) throws -> DeliveryOutcome {
        try make("http://127.0.0.1:9").outcome(
            of: BackendFixture.answer(status, words, headers: headers), to: request)
    }

    /// Two samples of one series, and one of another.
    private var repeated: Batch {
        var batch = BackendFixture.samples([1, 2])
        batch.points.appendFloat64(series: 0, time: 1_790_000_001_000_000_000, bits: 3)
        return batch
    }

    @Test func `all written is delivered, whatever else was refused`() throws {
        let request = try sent(BackendFixture.samples([1, 2]))
        for status in [200, 204, 400] { #expect(try outcome(status, written(2), request) == .delivered) }
        #expect(try outcome(204, written(5), request) == .delivered)
    }

    @Test func `less written than sent under a success is assumed, and nothing of it is dead`() throws {
        let request = try sent(BackendFixture.samples([1, 2]))
        let runs = [LeasedRun(piece: 0, ordinals: 0..<2)]
        #expect(
            try outcome(204, written(1), request)
                == .partly([ItemOutcome(runs: runs, verdict: .assumed(reason: "1 of 2 samples were written"))]))
        let none = DeadLetterReason(code: "refused", excerpt: "0 of 2 samples were written: no", status: 200)
        #expect(
            try outcome(200, written(0), request, "no") == .partly([ItemOutcome(runs: runs, verdict: .dead(none))]))
    }

    @Test func `a count that is no number is none, and one that is missing is 0`() throws {
        let request = try sent(BackendFixture.samples([1, 2]))
        for text in ["", "-2", "2,2", "many"] {
            let answer = try outcome(204, ["x-prometheus-remote-write-samples-written": text], request)
            #expect(answer.isAnew, "\(text)")
        }
        let exemplars = ["x-prometheus-remote-write-exemplars-written": "0"]
        guard case .partly(let items) = try outcome(204, exemplars, request) else {
            Issue.record("no samples were written")
            return
        }
        #expect(items.count == 1)
    }

    @Test func `a refusal is looked into where each series comes once, and assumed where points would be out of order`()
        throws
    {
        let once = try outcome(400, written(1), try sent(BackendFixture.samples([1, 2])), "bad label")
        let reason = DeadLetterReason(code: "refused", excerpt: "bad label", status: 400)
        #expect(once == .refused(reason, meansAlreadyThere: false))
        let twice = try sent(repeated)
        #expect(try outcome(400, written(0), twice, "bad label") == .refused(reason, meansAlreadyThere: false))
        #expect(
            try outcome(400, written(2), twice, "bad label")
                == .partly([
                    ItemOutcome(
                        runs: [LeasedRun(piece: 0, ordinals: 0..<3)],
                        verdict: .assumed(reason: "2 of 3 samples were written: bad label"))
                ]))
    }

    @Test func `samples and histograms are counted apart`() throws {
        var batch = repeated
        batch.append(
            series: 1, time: 1_790_000_002_000_000_000,
            exponential: ExponentialHistogram(count: .integer(0), sumBits: 0, schema: 0))
        batch.points.append(series: 1, time: 1_790_000_003_000_000_000, kind: .float64, bits: 0)
        let request = try sent(batch)
        #expect(request.remoteWrite.samples == 4 && request.remoteWrite.histograms == 1)
        let none = DeadLetterReason(code: "refused", excerpt: "0 of 1 histograms were written", status: 200)
        #expect(
            try outcome(200, written(4), request)
                == .partly([
                    ItemOutcome(runs: [LeasedRun(piece: 0, ordinals: 3..<4)], verdict: .dead(none))
                ]))
    }

    @Test func `a refusal by one that has taken 2_0 before is about points`() throws {
        let unproven = try sent(BackendFixture.samples([1]), proven: false)
        #expect(try outcome(400, [:], unproven).isAnew)
        guard case .refused = try outcome(400, [:], try sent(BackendFixture.samples([1]))) else {
            Issue.record("the points are at fault")
            return
        }
        #expect(try outcome(415, [:], try sent(BackendFixture.samples([1]))).isAnew)
    }

    // MARK: Zstd

    @Test func `VictoriaMetrics gets 1_0 under zstd`() async throws {
        let receiver = try RemoteWriteReceiver(.victoria)
        defer { receiver.stop() }
        for values in [["compression": "zstd"], ["preset": "victoriametrics"]] {
            let backend = try make(receiver.url, values)
            #expect(!backend.takesBodies)
            #expect(await deliver(backend, BackendFixture.chunk(BackendFixture.samples([1, 2]))) == [.delivered])
        }
        #expect(receiver.versions == [0, 0] && receiver.points == 2 && receiver.violations == [])
    }

    @Test(arguments: [RemoteWriteReceiver.Manner.current, .firstOnlyBadRequest])
    func `one that does not know zstd gets snappy from then on`(_ manner: RemoteWriteReceiver.Manner) async throws {
        let receiver = try RemoteWriteReceiver(manner)
        defer { receiver.stop() }
        let backend = try make(receiver.url, ["compression": "zstd"])
        for second in 0..<2 {
            let samples = BackendFixture.samples(
                [1, 2], from: 1_790_000_000_000_000_000 + Int64(second) * 1_000_000_000)
            #expect(await deliver(backend, BackendFixture.chunk(samples)).last == .delivered)
        }
        #expect(receiver.versions == [0, 1, 1] && receiver.points == 4)
    }

    // MARK: Settings

    @Test func `a tenant is said by header, in the url, or as the user`() async throws {
        let server = try HTTPTestServer()
        defer { server.stop() }
        let chunk = BackendFixture.chunk(BackendFixture.samples([1]))
        let inURL = try BackendFixture.make(
            "prometheus_remote_write", ["url": server.url + "/insert/{tenant}/prometheus/api/v1/write"],
            ["basic_auth": ["username": "{tenant}", "password": "env:x"]])
        #expect(await BackendFixture.deliver(inURL, chunk) == .delivered)
        for (preset, header) in [("mimir", "x-scope-orgid"), ("cortex", "x-scope-orgid"), ("thanos", "thanos-tenant")] {
            let backend = try make(server.url, ["preset": preset])
            #expect(await BackendFixture.deliver(backend, chunk) == .delivered)
            #expect(server.requests.last?.headers[header] == "acme", "\(preset)")
        }
        let own = try make(server.url, ["preset": "mimir", "tenant_header": "X-Own", "tenant_value": "t-{tenant}"])
        #expect(await BackendFixture.deliver(own, chunk) == .delivered)
        #expect(server.requests.last?.headers["x-own"] == "t-acme")
        #expect(server.requests.last?.headers["x-scope-orgid"] == nil)
        #expect(server.requests[0].target == "/insert/acme/prometheus/api/v1/write")
        // acme:x
        #expect(server.requests[0].headers["authorization"] == "Basic YWNtZTp4")
    }

    @Test func `what does not go together is refused with the config`() throws {
        for values in [
            ["protocol": "3.0"], ["protocol": "auto", "compression": "zstd"], ["compression": "gzip"],
            ["preset": "mimirr"], ["preset": "grafana_cloud"], ["url": "http://127.0.0.1:9/{job}"],
            ["tenant_header": "X-VictoriaMetrics-Remote-Write-Version"],
        ] { #expect(throws: SettingsError.self, "\(values)") { try make("http://127.0.0.1:9", values) } }
        _ = try BackendFixture.make(
            "prometheus_remote_write", ["url": "https://x.example/api/prom/push", "preset": "grafana_cloud"],
            ["basic_auth": ["username": "123", "password": "env:x"]])
        // 2.0 to a VictoriaMetrics is asked for, not forbidden: it falls back to snappy.
        _ = try make("http://127.0.0.1:9", ["preset": "victoriametrics", "protocol": "auto"])
    }
}

extension DeliveryOutcome {
    fileprivate var isAnew: Bool {
        if case .encodeAnew = self { true } else { false }
    }
}

extension DeliveryOutcome? {
    fileprivate var isAnew: Bool { self?.isAnew ?? false }
}
