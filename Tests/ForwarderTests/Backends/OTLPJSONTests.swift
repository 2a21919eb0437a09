import Forwarder
import Foundation
import Metrics
import TestSupport
import Testing
import WALStore

/// <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>
@Suite(.timeLimit(.minutes(5)))
struct OTLPJSONTests {
    private func make(_ url: String, _ values: [String: String] = [:]) throws -> any Backend {
        try BackendFixture.make("otlp_http", ["url": url, "encoding": "json"].merging(values) { $1 })
    }

    private func json(_ batch: Batch) throws -> String {
        let backend = try make("http://127.0.0.1:9", ["compression": "none"])
        return String(decoding: BackendFixture.encode(backend, BackendFixture.chunk(batch)).body, as: UTF8.self)
    }

    private static let head = #"{"resourceMetrics":[{"scopeMetrics":[{"metrics":["#
    private static let tail = "]}]}]}"

    @Test(arguments: [("gzip", "gzip"), ("zstd", "zstd"), ("none", nil)] as [(String, String?)])
    func `a request says that it is JSON, compressed as asked`(_ compression: String, _ coding: String?) async throws {
        let server = try HTTPTestServer()
        defer { server.stop() }
        server.answer { _, _ in
            .reply(200, headers: [("Content-Type", "application/json")], body: Array("{}".utf8))
        }
        let backend = try make(server.url, ["compression": compression])
        #expect(
            await BackendFixture.deliver(backend, BackendFixture.chunk(BackendFixture.samples([1.5]))) == .delivered)
        let request = try #require(server.requests.first)
        #expect(request.headers["content-type"] == "application/json")
        #expect(request.headers["content-encoding"] == coding)
        let codings: [String: ContentCoding] = ["gzip": .gzip, "zstd": .zstd]
        let plain =
            try coding.flatMap { codings[$0] }.map { try BackendFixture.plain(request.body, $0) } ?? request.body
        #expect(
            String(decoding: plain, as: UTF8.self) == Self.head
                + #"{"name":"up","gauge":{"dataPoints":[{"attributes":[{"key":"number","value":{"stringValue":"0"}}],"#
                + #""timeUnixNano":"1790000000000000000","asDouble":1.5}]}}"# + Self.tail)
    }

    @Test(arguments: [
        (Double.nan, #""NaN""#), (.infinity, #""Infinity""#), (-.infinity, #""-Infinity""#), (-0.0, "-0.0"), (0, "0"),
        (1e300, "1e+300"), (.leastNonzeroMagnitude, "5e-324"),
    ])
    func `each number is what JSON can say of it`(_ value: Double, _ spelling: String) throws {
        #expect(try json(BackendFixture.samples([value])).contains("\"asDouble\":\(spelling)}"))
    }

    @Test func `integers of 64 bits are texts, temporality is a number`() throws {
        var batch = Batch()
        let id = BackendFixture.series("hits_total", [], in: &batch)
        batch.points.append(series: id, time: 5, kind: .int64, bits: UInt64(bitPattern: .min), startTime: 3)
        #expect(
            try json(batch) == Self.head + #"{"name":"hits_total","sum":{"dataPoints":[{"startTimeUnixNano":"3","#
                + #""timeUnixNano":"5","asInt":"-9223372036854775808"}],"aggregationTemporality":2,"isMonotonic":true}}"#
                + Self.tail)
    }

    @Test func `attributes of an exemplar are one list, whatever stands between them, and its ids are hexadecimal`()
        throws
    {
        var batch = BackendFixture.samples([1])
        var labels = LabelBuilder()
        let trace = "0AF7651916CD43DD8448EB211C80319C"
        for (name, value) in [("a", "1"), ("span_id", "b7ad6b7169203331"), ("trace_id", trace), ("z", "2")] {
            labels.add(name, value)
        }
        try labels.finish(requiresName: false)
        batch.exemplars.append(
            Exemplar(series: 0, ordinal: 0, labels: labels.canonical, valueBits: (2.0).bitPattern, time: 7))
        let text = try json(batch)
        #expect(
            text.contains(
                #""filteredAttributes":[{"key":"a","value":{"stringValue":"1"}},{"key":"z","value":{"stringValue":"2"}}],"#
            ))
        #expect(text.split(separator: "filteredAttributes").count == 2)
        #expect(text.contains(#""spanId":"b7ad6b7169203331""#))
        #expect(text.contains(#""traceId":"0af7651916cd43dd8448eb211c80319c""#))
    }

    // MARK: The same as the protobuf

    @Test func `OpenTelemetry's own classes read the same from it as from the protobuf`() async throws {
        var random = SeededGenerator.fresh()
        var kinds: Set<String> = []
        for _ in 0..<4 {
            var batch = RandomBatch.make(points: 400, series: 40, using: &random)
            try OTLPJSONTests.addHistograms(to: &batch)
            kinds.formUnion(try await compare(batch, "seed \(random.seed)"))
        }
        #expect(kinds == ["gauge", "sum", "histogram", "exponential_histogram", "summary"], "seed \(random.seed)")
    }

    /// A cumulative exponential histogram and one of differences: buckets on both sides, zeros, an offset below nothing.
    private static func addHistograms(to batch: inout Batch) throws {
        for temporality in [Temporality.delta, .cumulative] {
            var labels = LabelBuilder()
            labels.add("__name__", "latency_\(temporality)")
            try labels.finish()
            var identity = SeriesIdentity()
            (identity.kind, identity.temporality) = (.histogram, temporality)
            let id = labels.canonical.withUnsafeBytes {
                batch.series.intern($0, identity: identity)
            }
            batch.exponentialHistograms.append(
                ExponentialHistogram(
                    count: .integer(9), sumBits: (-0.0).bitPattern, schema: -2, zeroThresholdBits: (1e-128).bitPattern,
                    zeroCount: .integer(2),
                    negative: HistogramBuckets(spans: [BucketSpan(offset: -3, length: 2)], deltas: [3, -2]),
                    positive: HistogramBuckets(spans: [BucketSpan(offset: 4, length: 1)], deltas: [3])))
            batch.points.append(
                series: id, time: 1_790_000_000_000_000_000, kind: .exponentialHistogram,
                bits: UInt64(batch.exponentialHistograms.count - 1), startTime: 1_780_000_000_000_000_000)
        }
    }

    /// - Returns: kinds of metrics in the body.
    private func compare(_ batch: Batch, _ seed: String) async throws -> [String] {
        let folder = try TemporaryFolder()
        for encoding in ["protobuf", "json"] {
            let backend = try make("http://127.0.0.1:9", ["encoding": encoding, "compression": "none"])
            let body = BackendFixture.encode(backend, BackendFixture.chunk(batch, runs: 3)).body
            let file = try #require(fopen(folder.path + "/" + encoding, "w"))
            fwrite(body, 1, body.count, file)
            fclose(file)
        }
        let script = Self.root + "Tests/ForwarderTests/Backends/otlp_json.py"
        let answer = try ChildProcess.run(
            PythonTool.program("python3"), [script, folder.path + "/protobuf", folder.path + "/json"])
        #expect(answer.exit == .exited(0), "\(seed): \(answer.errors.suffix(1000))")
        return answer.output.split { $0 == " " || $0 == "\n" }.map(String.init)
    }

    private static let root = String(#filePath.dropLast("Tests/ForwarderTests/Backends/OTLPJSONTests.swift".count))

    // MARK: Answers

    @Test func `a refusal in JSON is read, and keys in snake case are none`() throws {
        let backend = try make("http://127.0.0.1:9")
        let request = BackendFixture.encode(backend, BackendFixture.chunk(BackendFixture.samples([1, 2])))
        func outcome(_ status: Int, _ body: String) -> DeliveryOutcome {
            backend.outcome(
                of: .response(
                    HTTPResponse(
                        status: status, headers: ["content-type": "application/json"], body: Array(body.utf8))),
                to: request)
        }
        let assumed = ItemOutcome.Verdict.assumed(reason: "1 of 2 points were not taken: no")
        for count in [#""1""#, "1"] {
            let body = #"{"partialSuccess":{"rejectedDataPoints":\#(count),"errorMessage":"no"},"later":[{}]}"#
            #expect(outcome(200, body) == .partly([ItemOutcome(runs: request.items[0], verdict: assumed)]))
        }
        #expect(outcome(200, #"{"partialSuccess":{"errorMessage":"slow down"}}"#) == .delivered)
        #expect(outcome(200, #"{"partial_success":{"rejected_data_points":"1"}}"#) == .delivered)
        #expect(outcome(200, #"{"partialSuccess":null}"#) == .delivered)
        let status = #"{"code":3,"message":"no such thing"}"#
        #expect(
            outcome(400, status)
                == .refused(
                    DeadLetterReason(code: "refused", excerpt: status, status: 400), meansAlreadyThere: false))
    }

    @Test func `a success with a long warning is one, and a longer one than the specification bounds is not believed`()
        async throws
    {
        let server = try HTTPTestServer()
        defer { server.stop() }
        let backend = try make(server.url)
        let chunk = BackendFixture.chunk(BackendFixture.samples([1]))
        for (length, isDelivered) in [(1 << 20, true), (5 << 20, false)] {
            let words = String(repeating: "w", count: length)
            server.answer { _, _ in
                .reply(
                    200, headers: [("Content-Type", "application/json")],
                    body: Array(#"{"partialSuccess":{"errorMessage":"\#(words)"}}"#.utf8))
            }
            #expect((await BackendFixture.deliver(backend, chunk) == .delivered) == isDelivered)
        }
    }

    @Test func `a body that is too long before compression is split, not sent`() throws {
        #expect(try make("http://127.0.0.1:9").traits.maximumRawBytes == 16 << 20)
        #expect(throws: SettingsError.self) { try make("http://127.0.0.1:9", ["encoding": "text"]) }
    }
}
