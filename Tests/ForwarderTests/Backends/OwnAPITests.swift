import Forwarder
import Metrics
import TestSupport
import Testing
import WALStore

/// `http`: what goes out is what the config says, and what comes back means what it says.
@Suite(.timeLimit(.minutes(10)))
struct OwnAPITests {
    private func make(
        _ url: String, _ values: [String: String] = [:], _ sections: [String: [String: String]] = [:],
        outcomes: [[String: String]] = []
    ) throws -> any Backend {
        func map(_ values: [String: String], _ line: Int) -> [(key: String, line: Int, value: SettingsNode)] {
            values.sorted { $0.key < $1.key }.map { ($0.key, line, SettingsNode(.scalar($0.value), line: line)) }
        }
        var all = map(["url": url, "compression": "none"].merging(values) { $1 }.filter { $0.value != "unset" }, 3)
        for (key, section) in sections { all.append((key, 4, SettingsNode(.map(map(section, 4)), line: 4))) }
        if !outcomes.isEmpty {
            let list = outcomes.map { SettingsNode(.map(map($0, 5)), line: 5) }
            all.append(("outcomes", 5, SettingsNode(.list(list), line: 5)))
        }
        let settings = try Settings(SettingsNode(.map(all), line: 2), path: "backends.b") { String($0.dropFirst(4)) }
        return try makeBackend(type: "http", name: "b", settings: settings)
    }

    private func text(_ values: [String: String], _ batch: Batch) throws -> String {
        let request = BackendFixture.encode(try make("http://127.0.0.1:9", values), BackendFixture.chunk(batch))
        return String(decoding: request.body, as: UTF8.self)
    }

    private static let time: Int64 = 1_790_000_000_123_456_789

    private static func hostile() -> Batch {
        var batch = Batch()
        let id = BackendFixture.series("temp\"erature", [("ro\nom", "a\\b\"c\n"), ("site", "é")], in: &batch)
        batch.points.appendFloat64(series: id, time: time, bits: (21.5).bitPattern)
        return batch
    }

    // MARK: Out

    @Test func `a request has the method, the url and the headers of the config`() async throws {
        let server = try HTTPTestServer()
        let backend = try make(
            server.url + "/in/{tenant}",
            ["method": "PUT", "content_type": "application/vnd.own", "tenant_header": "X-T"],
            ["headers": ["X-A": "1"], "secret_headers": ["X-Key": "env:geheim"]])
        #expect(await BackendFixture.deliver(backend, BackendFixture.chunk(BackendFixture.samples([1]))) == .delivered)
        let request = try #require(server.requests.first)
        #expect(request.method == "PUT")
        #expect(request.target == "/in/acme")
        #expect(request.headers["content-type"] == "application/vnd.own")
        #expect(request.headers["content-encoding"] == nil)
        #expect(request.headers["x-t"] == "acme")
        #expect(request.headers["x-a"] == "1")
        #expect(request.headers["x-key"] == "geheim")
        #expect(!"\(backend)".contains("geheim"))
        server.stop()
    }

    @Test(arguments: ["ndjson", "json"])
    func `records read back to the same points`(_ encoder: String) throws {
        var random = SeededGenerator.fresh()
        let batch = RandomBatch.make(points: 200, series: 12, using: &random)
        let request = BackendFixture.encode(
            try make("http://127.0.0.1:9", ["encoder": encoder]), BackendFixture.chunk(batch, runs: 3))
        #expect(request.points == 200 && request.excluded.isEmpty)
        var records = JSONRecordEncoder()
        var expected: [UInt8] = []
        records.append(batch, into: &expected)
        // Metadata goes with the first points, wherever they end.
        let lines = expected.split(separator: 10).map { Array($0) }.sorted { $0.lexicographicallyPrecedes($1) }
        var body = request.body
        if encoder == "json" {
            #expect(try JSONValue.parse(body).array?.count == lines.count, "seed \(random.seed)")
            #expect(body.removeFirst() == UInt8(ascii: "[") && body.popLast() == UInt8(ascii: "]"))
            // Records are no longer told apart by their ends: as many bytes, with a comma between two.
            #expect(body.count == expected.count - 1)
        } else {
            let theirs = body.split(separator: 10).map { Array($0) }.sorted { $0.lexicographicallyPrecedes($1) }
            #expect(theirs == lines, "seed \(random.seed)")
        }
    }

    @Test(arguments: [("gzip", ContentCoding.gzip), ("zstd", .zstd)])
    func `a body is packed as it says`(_ compression: String, _ coding: ContentCoding) async throws {
        let server = try HTTPTestServer()
        let backend = try make(server.url, ["encoder": "line_protocol", "compression": compression])
        #expect(await BackendFixture.deliver(backend, BackendFixture.chunk(BackendFixture.samples([1]))) == .delivered)
        let request = try #require(server.requests.first)
        #expect(request.headers["content-encoding"] == compression)
        let plain = try BackendFixture.plain(request.body, coding)
        #expect(String(decoding: plain, as: UTF8.self) == "up,number=0 value=1 1790000000000000000\n")
        server.stop()
    }

    @Test(arguments: ["otlp", "remote_write"])
    func `the binary encoders are those of the backends that speak them`(_ encoder: String) async throws {
        let server = try HTTPTestServer()
        let batch = BackendFixture.samples([1, 2, 3])
        let mine = try make(
            server.url, ["encoder": encoder, "compression": encoder == "otlp" ? "none" : "unset"])
        let theirs = try BackendFixture.make(
            encoder == "otlp" ? "otlp_http" : "prometheus_remote_write",
            ["url": server.url].merging(encoder == "otlp" ? ["compression": "none"] : [:]) { $1 })
        for backend in [mine, theirs] {
            #expect(await BackendFixture.deliver(backend, BackendFixture.chunk(batch)) == .delivered)
        }
        let requests = server.requests
        #expect(requests[0].body == requests[1].body)
        for header in ["content-type", "content-encoding", "x-prometheus-remote-write-version"] {
            #expect(requests[0].headers[header] == requests[1].headers[header])
        }
        server.stop()
    }

    @Test func `the text format goes out with times, and what it has no line for is excluded`() throws {
        var batch = BackendFixture.samples([1, .infinity])
        batch.points.appendFloat64(series: 0, time: -1, bits: FloatBits.staleMarker)
        let backend = try make("http://127.0.0.1:9", ["encoder": "exposition"])
        let request = BackendFixture.encode(backend, BackendFixture.chunk(batch))
        #expect(
            String(decoding: request.body, as: UTF8.self)
                == "up{number=\"0\"} 1 1790000000000\nup{number=\"1\"} +Inf 1790000000000\n")
        #expect(request.points == 2 && request.excluded.map(\.reason) == ["stale_marker"])
    }

    // MARK: Templates

    @Test func `a template says what a point has, escaped for JSON`() throws {
        let template =
            #"{"m":"{name}","l":{labels},"s":"{label:site}","no":"{label:none}","v":{value},"at":[{time_ms},{time_s},{time_ns}],"t":"{tenant}"}"#
        let body = try text(
            ["template": template, "prefix": "{\"all\":[", "separator": ",", "suffix": "]}"], Self.hostile())
        let all = try #require(try JSONValue.parse(Array(body.utf8))["all"]?.array)
        #expect(all.count == 1)
        #expect(all[0]["m"] == "temp\"erature")
        #expect(all[0]["l"]?["ro\nom"] == "a\\b\"c\n")
        #expect(all[0]["s"] == "é")
        #expect(all[0]["no"] == "")
        #expect(all[0]["v"]?.double == 21.5)
        #expect(all[0]["at"] == .array([.int(1_790_000_000_123), .int(1_790_000_000), .int(Self.time)]))
        #expect(all[0]["t"] == "acme")
    }

    @Test func `without escapes no label begins a line`() throws {
        let body = try text(
            ["template": "{name};{labels};{value}", "escape": "none", "suffix": "|end"], Self.hostile())
        #expect(body == "temp\"erature;ro om=a\\b\"c ,site=é;21.5|end")
    }

    @Test func `what has no number is excluded with its reason and leaves no separator behind`() throws {
        var batch = BackendFixture.samples([1, .nan, 3])
        let id = BackendFixture.series("word", [], in: &batch)
        batch.append(series: id, time: 5, string: Array("x".utf8))
        batch.points.append(series: id, time: -1, kind: .int64, bits: UInt64(bitPattern: -7))
        let backend = try make("http://127.0.0.1:9", ["template": "{value}@{time_ms}", "separator": ";"])
        let request = BackendFixture.encode(backend, BackendFixture.chunk(batch))
        #expect(String(decoding: request.body, as: UTF8.self) == "1@1790000000000;3@1790000000000;-7@-1")
        #expect(request.points == 3)
        #expect(request.excluded.map(\.reason) == ["value is not finite", "value is no number"])
    }

    // MARK: Keys

    @Test func `a request has the same key when it is sent again, and another when its points are others`() async throws
    {
        let server = try HTTPTestServer()
        let backend = try make(server.url)
        let batch = BackendFixture.samples([1, 2])
        for (tenant, sequence) in [("acme", 7), ("acme", 7), ("acme", 8), ("other", 7)] as [(String, Int64)] {
            _ = await BackendFixture.deliver(
                backend, BackendFixture.chunk(batch, tenant: tenant, sequence: sequence), attempt: 2)
        }
        let keys = server.requests.compactMap { $0.headers["idempotency-key"] }
        #expect(keys.count == 4)
        #expect(keys[0] == keys[1])
        #expect(Set(keys).count == 3)
        #expect(keys.allSatisfy { $0.utf8.count == 40 })
        let without = try make(server.url, ["idempotency_header": "none"])
        _ = await BackendFixture.deliver(without, BackendFixture.chunk(batch))
        #expect(server.requests.last?.headers["idempotency-key"] == nil)
        server.stop()
    }

    // MARK: Back

    @Test func `the first rule that matches says what an answer means, and after them HTTP does`() throws {
        let backend = try make(
            "http://127.0.0.1:9",
            outcomes: [
                ["status": "409", "body": "Duplicate", "outcome": "already_there"],
                ["status": "409", "outcome": "retry"], ["status": "420-429", "outcome": "hold"],
                ["status": "200", "body": "\"error\"", "outcome": "refused"],
                ["status": "404", "outcome": "delivered"],
                ["status": "507", "outcome": "too_large"],
            ])
        func outcome(_ status: Int, _ body: String = "", _ headers: [String: String] = [:]) -> DeliveryOutcome {
            backend.outcome(of: BackendFixture.answer(status, body, headers: headers), to: EncodedRequest())
        }
        func refused(_ status: Int, _ words: String, _ isThere: Bool) -> DeliveryOutcome {
            .refused(DeadLetterReason(code: "refused", excerpt: words, status: status), meansAlreadyThere: isThere)
        }
        #expect(outcome(409, "a DUPLICATE point") == refused(409, "a DUPLICATE point", true))
        #expect(
            outcome(409, "busy", ["retry-after": "9"]) == .retry(after: .seconds(9), reason: "HTTP 409: busy"))
        #expect(outcome(425, "no") == .hold(reason: "HTTP 425: no"))
        #expect(outcome(200, "{\"error\":1}") == refused(200, "{\"error\":1}", false))
        #expect(outcome(200, "fine") == .delivered)
        #expect(outcome(404) == .delivered)
        #expect(outcome(507) == .tooLarge(limitBytes: nil))
        #expect(outcome(400, "bad") == refused(400, "bad", false))
        guard case .hold = outcome(401), case .retry = outcome(500) else {
            Issue.record("what no rule names means what it always does")
            return
        }
    }

    @Test func `a key whose first sending is still under way is sent again`() throws {
        let answer = BackendFixture.answer(409, "busy")
        let with = try make("http://127.0.0.1:9").outcome(of: answer, to: EncodedRequest())
        #expect(with == .retry(after: nil, reason: "HTTP 409: busy"))
        let without = try make("http://127.0.0.1:9", ["idempotency_header": "none"])
        guard case .refused = without.outcome(of: answer, to: EncodedRequest()) else {
            Issue.record("409 without a key is a refusal")
            return
        }
    }

    struct Mistake: Sendable, CustomTestStringConvertible {
        var values: [String: String] = [:]
        var sections: [String: [String: String]] = [:]
        var outcomes: [[String: String]] = []
        var words: String
        var testDescription: String { words }
    }

    @Test(arguments: [
        Mistake(values: ["template": "{nmae}"], words: "template: {nmae} is no word of a point; did you mean {name}?"),
        Mistake(values: ["template": "{label:}"], words: "{label:} is no word of a point"),
        Mistake(values: ["template": ""], words: "template is empty"),
        Mistake(values: ["template": "x", "encoder": "json"], words: "encoder and template exclude each other"),
        Mistake(values: ["separator": ","], words: "separator goes with a template"),
        Mistake(values: ["encoder": "xml"], words: "\"xml\" is none of ndjson"),
        Mistake(values: ["encoder": "remote_write"], words: "remote_write has a compression and a type of its own"),
        Mistake(values: ["method": "GET"], words: "\"GET\" is none of POST, PUT"),
        Mistake(values: ["url": "http://h/{site}"], words: "only {tenant} may stand in braces"),
        Mistake(values: ["idempotency_header": "Host"], words: "\"Host\" is no header of one's own"),
        Mistake(values: ["concurrency": "4"], words: "concurrency is not a known key"),
        Mistake(sections: ["secret_headers": ["Authorization": "env:x"]], words: "Authorization is set elsewhere"),
        Mistake(sections: ["secret_headers": ["X-A": "x"]], words: "must be file:PATH or env:NAME"),
        Mistake(
            sections: ["headers": ["Idempotency-Key": "1"]], words: "\"Idempotency-Key\" is no header of one's own"),
        Mistake(
            values: ["encoder": "remote_write", "compression": "unset"],
            sections: ["headers": ["X-Prometheus-Remote-Write-Version": "9"]], words: "is set by the protocol"),
        Mistake(outcomes: [["status": "99", "outcome": "retry"]], words: "\"99\" is no status"),
        Mistake(outcomes: [["status": "500-400", "outcome": "retry"]], words: "\"500-400\" is no status"),
        Mistake(outcomes: [["outcome": "retry"]], words: "outcomes[0].status is missing"),
        Mistake(outcomes: [["status": "400"]], words: "outcomes[0].outcome is missing"),
        Mistake(outcomes: [["status": "400", "outcome": "fine"]], words: "\"fine\" is none of delivered"),
        Mistake(outcomes: [["status": "400", "outcome": "hold", "text": "x"]], words: "text is not a known key"),
    ])
    func `a mistake is named`(_ mistake: Mistake) throws {
        let error = #expect(throws: SettingsError.self) {
            try make("http://127.0.0.1:9", mistake.values, mistake.sections, outcomes: mistake.outcomes)
        }
        #expect(error?.message.contains(mistake.words) == true, "\(String(describing: error))")
    }

    @Test func `requests go out beside each other only where the config says that order is nothing`() throws {
        let ordered = try make("http://127.0.0.1:9").traits
        #expect(ordered.keepsOrder && ordered.concurrency == 1)
        let unordered = try make("http://127.0.0.1:9", ["ordered": "false", "concurrency": "7"]).traits
        #expect(!unordered.keepsOrder && unordered.concurrency == 7)
    }
}
