import Forwarder
import Metrics
import TestSupport
import Testing
import WALStore

/// <https://opentelemetry.io/docs/specs/otlp/#otlphttp>
@Suite(.timeLimit(.minutes(2)))
struct OTLPHTTPTests {
    private func make(_ url: String, _ values: [String: String] = [:]) throws -> any Backend {
        try BackendFixture.make("otlp_http", ["url": url].merging(values) { $1 })
    }

    private func answer(_ status: Int, _ body: [UInt8], _ type: String = "application/x-protobuf") -> Answer {
        .response(HTTPResponse(status: status, headers: ["content-type": type], body: body))
    }

    @Test(arguments: [("gzip", "gzip"), ("zstd", "zstd"), ("none", nil)] as [(String, String?)])
    func `a request is protobuf, compressed as asked, with the tenant in a header`(
        _ compression: String, _ coding: String?
    ) async throws {
        let server = try HTTPTestServer()
        defer { server.stop() }
        let backend = try make(
            server.url + "/v1/metrics",
            ["compression": compression, "tenant_header": "X-Scope-OrgID", "tenant_value": "t-{tenant}"])
        let chunk = BackendFixture.chunk(BackendFixture.samples([1.5, 2]))
        #expect(await BackendFixture.deliver(backend, chunk) == .delivered)
        let request = try #require(server.requests.first)
        #expect(request.method == "POST" && request.target == "/v1/metrics")
        // A Prometheus compares the whole header.
        #expect(request.headers["content-type"] == "application/x-protobuf")
        #expect(request.headers["content-encoding"] == coding)
        #expect(request.headers["x-scope-orgid"] == "t-acme")
        let codings: [String: ContentCoding] = ["gzip": .gzip, "zstd": .zstd]
        let plain =
            try coding.flatMap { codings[$0] }.map { try BackendFixture.plain(request.body, $0) } ?? request.body
        let message = try OTLPMessage(plain)
        #expect(message.points.map(\.doubleBits) == [(1.5).bitPattern, (2.0).bitPattern])
        #expect(message.points.map(\.attributes) == [["number=0"], ["number=1"]])
    }

    @Test func `pieces of a lease go out one after the other, and a share of series as one`() throws {
        let backend = try make("http://127.0.0.1:9", ["compression": "none"])
        let batch = BackendFixture.samples([1, 2, 3, 4])
        var piece = BackendFixture.chunk(batch).pieces[0]
        let two = Chunk(
            tenant: "acme", pieces: [piece, piece],
            runs: [LeasedRun(piece: 0, ordinals: 1..<2), LeasedRun(piece: 1, ordinals: 3..<4)])
        let apart = BackendFixture.encode(backend, two)
        #expect(apart.points == 2)
        #expect(try OTLPMessage(apart.body).points.map(\.attributes) == [["number=1"], ["number=3"]])
        piece.ordinals = 0..<2
        let share = Chunk(
            tenant: "acme", pieces: [piece, piece],
            runs: [LeasedRun(piece: 0, ordinals: 1..<2), LeasedRun(piece: 1, ordinals: 2..<3)], series: 1..<3)
        let together = BackendFixture.encode(backend, share)
        #expect(together.points == 2 && together.items == [share.runs])
        #expect(try OTLPMessage(together.body).metrics == 1)
    }

    @Test func `text is excluded, at its place in its piece`() throws {
        var batch = BackendFixture.samples([1])
        batch.append(series: 0, time: 1, string: Array("x".utf8))
        let piece = BackendFixture.chunk(batch).pieces[0]
        let chunk = Chunk(
            tenant: "acme", pieces: [piece, piece],
            runs: [LeasedRun(piece: 0, ordinals: 0..<1), LeasedRun(piece: 1, ordinals: 0..<2)])
        let request = BackendFixture.encode(try make("http://127.0.0.1:9"), chunk)
        #expect(request.points == 2)
        #expect(request.excluded.map(\.run) == [LeasedRun(piece: 1, ordinals: 1..<2)])
        #expect(request.excluded.map(\.reason) == ["string_value"])
        #expect(request.items == [[LeasedRun(piece: 0, ordinals: 0..<1), LeasedRun(piece: 1, ordinals: 0..<1)]])
    }

    // MARK: Answers

    @Test func `nothing refused is a delivery, with a warning or without`() throws {
        let backend = try make("http://127.0.0.1:9")
        let request = BackendFixture.encode(backend, BackendFixture.chunk(BackendFixture.samples([1, 2])))
        #expect(backend.outcome(of: BackendFixture.answer(200), to: request) == .delivered)
        #expect(backend.outcome(of: answer(200, [0x0A, 0]), to: request) == .delivered)
        #expect(backend.outcome(of: answer(200, [0x0A, 4, 0x12, 2, 0x6E, 0x6F]), to: request) == .delivered)
        #expect(backend.outcome(of: answer(202, Array("{}".utf8), "application/json"), to: request) == .delivered)
    }

    @Test func `a part refused is assumed delivered and not sent again; all of it refused is dead`() throws {
        let backend = try make("http://127.0.0.1:9")
        let request = BackendFixture.encode(backend, BackendFixture.chunk(BackendFixture.samples([1, 2])))
        let part = backend.outcome(of: answer(200, [0x0A, 6, 0x08, 1, 0x12, 2, 0x6E, 0x6F]), to: request)
        #expect(
            part
                == .partly([
                    ItemOutcome(
                        runs: request.items[0], verdict: .assumed(reason: "1 of 2 points were not taken: no"))
                ]))
        let json = Array(#"{"partialSuccess":{"rejectedDataPoints":"2","errorMessage":"no"}}"#.utf8)
        let all = backend.outcome(of: answer(200, json, "application/json; charset=utf-8"), to: request)
        let reason = DeadLetterReason(code: "refused", excerpt: "no", status: 200)
        #expect(all == .partly([ItemOutcome(runs: request.items[0], verdict: .dead(reason))]))
    }

    @Test(arguments: [("text/html", "<html>log in</html>"), ("", "ok"), ("application/x-protobuf", "\u{0A}\u{7F}")])
    func `a success in words of somebody else is none`(_ type: String, _ body: String) throws {
        let backend = try make("http://127.0.0.1:9")
        let request = BackendFixture.encode(backend, BackendFixture.chunk(BackendFixture.samples([1])))
        guard case .hold = backend.outcome(of: answer(200, Array(body.utf8), type), to: request) else {
            Issue.record("\(type) is taken for a success")
            return
        }
    }

    @Test func `a refusal of what Prometheus has already is told from others`() throws {
        let backend = try make("http://127.0.0.1:9")
        for (body, isThere) in [("out of order sample", true), ("invalid metric", false)] {
            let outcome = backend.outcome(of: BackendFixture.answer(400, body), to: EncodedRequest())
            let reason = DeadLetterReason(code: "refused", excerpt: body, status: 400)
            #expect(outcome == .refused(reason, meansAlreadyThere: isThere))
        }
    }

    @Test func `the tenant's header and the compression are checked with the config`() {
        for values in [
            ["tenant_header": "Content-Type"], ["tenant_header": "a b"], ["compression": "snappy"],
            ["tenant_header": "X-T", "tenant_value": "{job}"],
        ] {
            #expect(throws: SettingsError.self) { try make("http://127.0.0.1:9", values) }
        }
    }
}
