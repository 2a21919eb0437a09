import Forwarder
import Metrics
import TestSupport
import Testing
import WALStore

/// <https://prometheus.io/docs/specs/prw/remote_write_spec/>
@Suite(.timeLimit(.minutes(10)))
struct PrometheusRemoteWriteTests {
    private func make(_ values: [String: String] = [:]) throws -> any Backend {
        try BackendFixture.make(
            "prometheus_remote_write", ["url": "http://127.0.0.1:9/w"].merging(values) { $1 })
    }

    @Test func `a request has the protocol's headers and the config's, and its body decodes to the points`()
        async throws
    {
        let server = try HTTPTestServer()
        let backend = try BackendFixture.make(
            "prometheus_remote_write", ["url": server.url + "/api/v1/write", "tenant_header": "X-Scope-OrgID"],
            ["headers": ["X-Own": "1"]])
        var batch = BackendFixture.samples([1.5, -0.0, .infinity])
        let id = batch.points.series[0]
        batch.points.appendFloat64(series: id, time: 1_790_000_000_500_000_000, bits: FloatBits.staleMarker)
        let chunk = BackendFixture.chunk(batch)
        #expect(await BackendFixture.deliver(backend, chunk, attempt: 3) == .delivered)
        let request = try #require(server.requests.first)
        #expect(request.target == "/api/v1/write")
        for (name, value) in [
            ("content-type", "application/x-protobuf"), ("content-encoding", "snappy"),
            ("x-prometheus-remote-write-version", "0.1.0"), ("x-scope-orgid", "acme"), ("x-own", "1"),
            ("retry-attempt", "2"),
        ] { #expect(request.headers[name] == value) }
        #expect(request.headers["user-agent"] != nil)
        let plain = try BackendFixture.plain(request.body, .snappy)
        var expected: [UInt8] = []
        var encoder = RemoteWriteEncoder()
        encoder.append(batch, 0..<batch.points.count, into: &expected)
        #expect(plain == expected)
        server.stop()
    }

    @Test func `bodies go out whole, one behind the other, and say what they said`() throws {
        func body(_ values: [Double]) -> [UInt8] {
            let batch = BackendFixture.samples(values)
            var (plain, block): ([UInt8], [UInt8]) = ([], [])
            var encoder = RemoteWriteEncoder()
            encoder.append(batch, 0..<values.count, into: &plain)
            plain.withUnsafeBytes { Snappy.compress($0, into: &block) }
            return block
        }
        func piece(_ sequence: Int64, _ bodies: [WireBody]) -> LeasedPiece {
            let ordinals = 0..<(bodies.last?.ordinals.upperBound ?? 0)
            return LeasedPiece(
                places: PlaceRange(sequence: sequence, ordinals: ordinals), bodies: bodies, ordinals: ordinals,
                maybeSent: false)
        }
        let backend = try make()
        #expect(backend.takesBodies)
        let pieces = [
            piece(1, [WireBody(bytes: body([1, 2]), ordinals: 0..<2), WireBody(bytes: body([3]), ordinals: 2..<3)]),
            piece(2, [WireBody(bytes: body([4, 5, 6]), ordinals: 0..<3)]),
        ]
        let all = Chunk(
            tenant: "acme", pieces: pieces,
            runs: [LeasedRun(piece: 0, ordinals: 0..<3), LeasedRun(piece: 1, ordinals: 0..<3)])
        let part = Chunk(
            tenant: "acme", pieces: pieces,
            runs: [LeasedRun(piece: 0, ordinals: 2..<3), LeasedRun(piece: 1, ordinals: 0..<3)])
        for (chunk, values) in [(all, [1, 2, 3, 4, 5, 6]), (part, [3, 4, 5, 6])] {
            let request = BackendFixture.encode(backend, chunk)
            let plain = try BackendFixture.plain(request.body, .snappy)
            #expect(request.rawBytes == plain.count)
            #expect(request.points == values.count)
            #expect(request.excluded.isEmpty)
            #expect(try PointServer.values(in: request.body) == values)
        }
    }

    @Test func `metadata goes with the first points of its batch, or alone`() throws {
        var batch = BackendFixture.samples([1, 2, 3, 4])
        batch.metadata.append(MetricMetadata(family: "up", kind: .gauge, help: "Whether it is up."))
        let backend = try make()
        var chunk = BackendFixture.chunk(batch, runs: 2)
        let words = Array("Whether it is up.".utf8)
        #expect(try BackendFixture.plain(BackendFixture.encode(backend, chunk).body, .snappy).contains(words))
        chunk.runs.removeFirst()
        #expect(try !BackendFixture.plain(BackendFixture.encode(backend, chunk).body, .snappy).contains(words))
        // A merged lease: one batch for a row of metadata and the points behind it.
        chunk.runs = [LeasedRun(piece: 0, ordinals: 0..<0), LeasedRun(piece: 0, ordinals: 0..<4)]
        let plain = try BackendFixture.plain(BackendFixture.encode(backend, chunk).body, .snappy)
        #expect(plain.ranges(of: words).count == 1)
    }

    @Test func `text is excluded`() throws {
        var batch = BackendFixture.samples([1])
        batch.append(series: batch.points.series[0], time: 5, string: Array("on".utf8))
        let request = BackendFixture.encode(try make(), BackendFixture.chunk(batch))
        #expect(request.points == 1)
        #expect(request.excluded.map(\.run.ordinals) == [1..<2])
        #expect(request.excluded.map(\.reason) == ["string_value"])
    }

    @Test(arguments: [
        "out of order sample", "duplicate sample for timestamp 17; overrides not allowed", "too old sample",
        "... out-of-order samples are not allowed (err-mimir-sample-out-of-order)",
        "err-mimir-sample-timestamp-too-old",
    ])
    func `a refusal that can mean the sample is held says so`(_ words: String) throws {
        let outcome = try make().outcome(of: BackendFixture.answer(400, words), to: EncodedRequest())
        #expect(
            outcome
                == .refused(DeadLetterReason(code: "refused", excerpt: words, status: 400), meansAlreadyThere: true))
    }

    @Test(arguments: ["label name is not valid", "max series limit exceeded", "out of bounds: too far in the future"])
    func `another refusal does not`(_ words: String) throws {
        let outcome = try make().outcome(of: BackendFixture.answer(400, words), to: EncodedRequest())
        guard case .refused(_, let meansAlreadyThere) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(!meansAlreadyThere)
    }

    @Test func `a conflict is a refusal that can mean the samples are held`() throws {
        guard case .refused(_, true) = try make().outcome(of: BackendFixture.answer(409), to: EncodedRequest()) else {
            Issue.record("409 from Thanos")
            return
        }
    }

    @Test func `a size refused with 400 is split`() throws {
        for words in ["(err-mimir-distributor-max-write-message-size)", "too big unpacked request; mustn't exceed"] {
            #expect(
                try make().outcome(of: BackendFixture.answer(400, words), to: EncodedRequest())
                    == .tooLarge(limitBytes: nil))
        }
    }

    @Test func `a redirection is told to the operator without its query`() throws {
        let answer = BackendFixture.answer(301, headers: ["location": "https://new.example/write?token=geheim"])
        guard case .hold(let reason) = try make().outcome(of: answer, to: EncodedRequest()) else {
            Issue.record("301 holds the lane")
            return
        }
        #expect(reason.contains("https://new.example/write"))
        #expect(!reason.contains("geheim"))
    }

    @Test func `a tenant's header is checked`() throws {
        for header in ["Content-Type", "a b", "Retry-Attempt"] {
            #expect(throws: SettingsError.self) { try make(["tenant_header": header]) }
        }
        #expect(throws: SettingsError.self) { try make(["tenant_header": "X-A", "tenant_value": "{tenent}"]) }
    }
}
