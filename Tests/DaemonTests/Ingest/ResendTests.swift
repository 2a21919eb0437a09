import Forwarder
import Metrics
import Synchronization
import Testing
import WALStore

@testable import Daemon

/// Streams that resume, and requests with an `Idempotency-Key`, as a client sees them.
@Suite struct ResendTests {
    private static let lines = ["Content-Type: application/x-ndjson"]
    private static let key = ["Idempotency-Key: \"4d2f-1\""]

    private static func record(_ value: Int) -> String {
        "{\"name\":\"m\",\"value\":\(value),\"timestamp_ms\":1800000000000}"
    }

    private static func body(_ values: Range<Int>) -> [UInt8] {
        Array(values.map { record($0) + "\n" }.joined().utf8)
    }

    private static func values(_ fixture: IngestFixture, _ tenant: String = "default") async throws -> [Int] {
        try await fixture.stored(tenant).map { Int($0.value) }
    }

    // MARK: Streams

    @Test func `a stream goes on where it was, an overlap is not stored twice, a gap is 409 with the count`()
        async throws
    {
        let fixture = try await IngestFixture()
        let client = try fixture.client()
        func send(_ values: Range<Int>) async throws -> RawClient.Response {
            try await client.request(
                "POST", "/api/v1/json?stream=ship-7.a&from=\(values.lowerBound)", headers: Self.lines,
                body: Self.body(values))
        }
        func count() async throws -> String {
            try await client.request("GET", "/api/v1/json/streams/ship-7.a").body
        }
        #expect(try await count() == "{\"committed_lines\":0}\n")
        #expect(try await send(0..<10).body.hasPrefix("{\"committed_lines\":10,\"accepted\":10,"))
        #expect(try await send(4..<15).body.hasPrefix("{\"committed_lines\":15,\"accepted\":5,"))
        #expect(try await send(0..<8).body.hasPrefix("{\"committed_lines\":15,\"accepted\":0,"))
        let gap = try await send(16..<20)
        #expect(gap.status == 409 && gap.body.contains("\"committed_lines\":15,"))
        #expect(try await count() == "{\"committed_lines\":15}\n")
        #expect(try await Self.values(fixture) == Array(0..<15))
        await fixture.close()
    }

    @Test func `every line counts, whatever becomes of it`() async throws {
        let fixture = try await IngestFixture(limits: {
            $0.sliceBytes = 4 << 10
            $0.wire.lineBytes = 8 << 10
        })
        let client = try fixture.client()
        let long = String(repeating: "[", count: 40_000)
        let all = [Self.record(0), "", "{oops", long, "\r", Self.record(1), "", ""]
        let first = try await client.request(
            "POST", "/api/v1/json?stream=s&from=0", headers: Self.lines, body: Array(all.joined(separator: "\n").utf8))
        // What stands behind the last line feed is no line.
        #expect(first.body.hasPrefix("{\"committed_lines\":7,\"accepted\":2,\"rejected\":2,\"first_bad_line\":3,"))
        let blanks = try await client.request(
            "POST", "/api/v1/json?stream=s&from=7", headers: Self.lines, body: Array("\n\n".utf8))
        #expect(blanks.body.hasPrefix("{\"committed_lines\":9,"))
        let again = try await client.request(
            "POST", "/api/v1/json?stream=s&from=3", headers: Self.lines,
            body: Array(([long] + ["", "", "", "", "", "{oops", Self.record(2)]).joined(separator: "\n").utf8))
        #expect(again.body.hasPrefix("{\"committed_lines\":11,\"accepted\":1,\"rejected\":1,\"first_bad_line\":7,"))
        #expect(try await client.request("GET", "/api/v1/json/streams/s").body == "{\"committed_lines\":11}\n")
        #expect(try await Self.values(fixture) == [0, 1, 2])
        await fixture.close()
    }

    @Test func `a stream that is cut anywhere is resumed from its count, and each line is there once`() async throws {
        let fixture = try await IngestFixture(limits: { $0.sliceBytes = 4 << 10 })
        let total = 1500
        var (from, cuts) = (0, 0)
        while from < total {
            let client = try fixture.client()
            let text = String(decoding: Self.body(from..<total), as: UTF8.self)
            // In the middle of a line, too.
            let part = cuts < 6 ? String(text.prefix(text.count / 4 + 13)) : text
            try await client.send(
                "POST /api/v1/json?stream=s&from=\(from) HTTP/1.1\r\nHost: t\r\nContent-Length: \(text.utf8.count)\r\n"
                    + "Content-Type: application/x-ndjson\r\n\r\n" + part)
            if part.count == text.count { #expect(try await client.receive().status == 200) }
            cuts += 1
            // Slices of the cut one may still be on their way: whoever comes too early is told where to go on.
            let answer = try await fixture.client().request("GET", "/api/v1/json/streams/s").body
            from = try #require(Int(answer.filter(\.isNumber)))
        }
        #expect(try await Self.values(fixture) == Array(0..<total))
        await fixture.close()
    }

    @Test(arguments: [
        "stream=s", "stream=s&from=", "stream=s&from=-1", "stream=s&from=1x", "stream=s&from=9007199254740993",
        "stream=&from=0", "stream=a%20b&from=0", "stream=a/b&from=0", "from=0",
    ])
    func `what names no place in a stream is 400`(_ query: String) async throws {
        let fixture = try await IngestFixture()
        let client = try fixture.client()
        let response = try await client.request(
            "POST", "/api/v1/json?\(query)", headers: Self.lines, body: Self.body(0..<1))
        #expect(response.status == 400)
        #expect(try await Self.values(fixture).isEmpty)
        await fixture.close()
    }

    @Test func `an ID is bounded, a document is no stream, and a part needs no key`() async throws {
        let fixture = try await IngestFixture()
        let client = try fixture.client()
        func status(_ id: String, _ headers: [String]) async throws -> Int {
            try await client.request(
                "POST", "/api/v1/json?stream=\(id)&from=0", headers: headers, body: Self.body(0..<1)
            ).status
        }
        #expect(try await status(String(repeating: "x", count: 128), Self.lines) == 200)
        #expect(try await status(String(repeating: "x", count: 129), Self.lines) == 400)
        #expect(try await status("s", ["Content-Type: application/json"]) == 400)
        #expect(try await status("s", Self.lines + Self.key) == 400)
        for id in [String(repeating: "x", count: 129), "a%20b", ""] {
            #expect(try await client.request("GET", "/api/v1/json/streams/\(id)").status == 404)
        }
        await fixture.close()
    }

    @Test func `a stream belongs to its tenant`() async throws {
        let fixture = try await IngestFixture(tenants: ["acme", "zeta"], access: Self.access)
        let client = try fixture.client()
        func count(_ token: String?) async throws -> RawClient.Response {
            try await client.request(
                "GET", "/api/v1/json/streams/s", headers: token.map { ["Authorization: Bearer \($0)"] } ?? [])
        }
        _ = try await client.request(
            "POST", "/api/v1/json?stream=s&from=0", headers: Self.lines + ["Authorization: Bearer one"],
            body: Self.body(0..<3))
        #expect(try await count("one").body == "{\"committed_lines\":3}\n")
        #expect(try await count("three").body == "{\"committed_lines\":0}\n")
        #expect(try await count(nil).status == 401)
        await fixture.close()
    }

    private static let access = [
        AccessRule(tenant: "acme", tokens: [Secret("one"), Secret("two")]),
        AccessRule(tenant: "zeta", tokens: [Secret("three")]),
    ]

    // MARK: Keys

    @Test(arguments: ["application/json", "application/x-ndjson"])
    func `a body that is sent again with its key is stored once, and its answer says so`(_ type: String) async throws {
        let fixture = try await IngestFixture(limits: { $0.sliceBytes = 1 << 10 })
        let client = try fixture.client()
        let isDocument = type == "application/json"
        let all = (0..<60).map { Self.record($0) }
        let text = isDocument ? "[" + all.joined(separator: ",") + "]" : all.joined(separator: "\n") + "\n{oops\n"
        func send(_ text: String, _ more: [String] = Self.key) async throws -> RawClient.Response {
            try await client.request(
                "POST", "/api/v1/json", headers: ["Content-Type: \(type)"] + more, body: Array(text.utf8))
        }
        let first = try await send(text)
        let again = try await send(text)
        #expect(first.status == 200 && first["idempotent-replayed"] == nil)
        #expect(again.status == 200 && again["idempotent-replayed"] == "true")
        let counts =
            isDocument
            ? "{\"accepted\":60,\"rejected\":0," : "{\"committed_lines\":61,\"accepted\":60,\"rejected\":1,"
        #expect(first.body.hasPrefix(counts) && again.body.hasPrefix(counts), "\(first.body) \(again.body)")
        #expect(again["x-holdfast-refused-points"] == first["x-holdfast-refused-points"])
        let bare = try await send(text, ["Idempotency-Key: 4d2f-1"])
        #expect(bare["idempotent-replayed"] == "true", "quotes are no part of a key")
        for other in [text + " ", " " + text, text.replacing("59", with: "58")] {
            #expect(try await send(other).status == 422)
        }
        #expect(try await send(text, ["Idempotency-Key: 4d2f-2"])["idempotent-replayed"] == nil)
        #expect(try await Self.values(fixture).count == 120)
        await fixture.close()
    }

    @Test func `a body is the same however it is packed`() async throws {
        let fixture = try await IngestFixture()
        let client = try fixture.client()
        let plain = Self.body(0..<20)
        let first = try await client.request("POST", "/api/v1/json", headers: Self.lines + Self.key, body: plain)
        let again = try await client.request(
            "POST", "/api/v1/json", headers: Self.lines + Self.key + ["Content-Encoding: gzip"], body: packed(plain))
        #expect(first.status == 200 && again["idempotent-replayed"] == "true")
        #expect(try await Self.values(fixture) == Array(0..<20))
        await fixture.close()
    }

    @Test(arguments: [false, true])
    func `a large body that is cut goes on where it was, and its answer counts all of it`(
        _ isCutInLongLine: Bool
    ) async throws {
        let commits = Mailbox<Int>()
        let fixture = try await IngestFixture(
            append: { store in
                { request, tenant, completion in
                    let points = request.decoded.batch.points.count
                    store.append(request, tenant: tenant) { result in
                        completion(result)
                        commits.put(points)
                    }
                }
            },
            limits: {
                $0.sliceBytes = 4 << 10
                $0.wire.lineBytes = 8 << 10
            })
        let long = isCutInLongLine ? String(repeating: "[", count: 40_000) + "\n" : ""
        let head = String(decoding: Self.body(0..<200), as: UTF8.self)
        let text = head + long + String(decoding: Self.body(200..<400), as: UTF8.self)
        do {
            let client = try fixture.client()
            try await client.send(
                "POST /api/v1/json HTTP/1.1\r\nHost: t\r\nContent-Length: \(text.utf8.count)\r\n"
                    + "Content-Type: application/x-ndjson\r\n\(Self.key[0])\r\n\r\n"
                    + text.prefix(head.count + (isCutInLongLine ? 30_000 : -7)))
            var committed = 0
            while committed < (isCutInLongLine ? 200 : 150) { committed += try #require(await commits.next()) }
        }
        let client = try fixture.client()
        // The cut one may still have a slice on its way.
        var response = try await client.request(
            "POST", "/api/v1/json", headers: Self.lines + Self.key, body: Array(text.utf8))
        while response.status == 409 {
            response = try await client.request(
                "POST", "/api/v1/json", headers: Self.lines + Self.key, body: Array(text.utf8))
        }
        #expect(response.status == 200 && response["idempotent-replayed"] == nil)
        let lines = isCutInLongLine ? 401 : 400
        #expect(response.body.hasPrefix("{\"committed_lines\":\(lines),\"accepted\":400,"), "\(response.body)")
        #expect(try await Self.values(fixture) == Array(0..<400))
        let other = try await client.request(
            "POST", "/api/v1/json", headers: Self.lines + Self.key, body: Array(("\n" + text).utf8))
        #expect(other.status == 422)
        await fixture.close()
    }

    @Test func `the beginning of a cut body has to be the same`() async throws {
        let fixture = try await IngestFixture()
        var cut = Make.cut(key: try Self.name(), Self.body(0..<3), points: 3)
        cut.requestID = "cut"
        let receipt = Mailbox<Result<AppendReceipt, SpoolError>>()
        fixture.store.append(cut, tenant: "default") { receipt.put($0) }
        _ = try await #require(receipt.next()).get()
        let client = try fixture.client()
        func send(_ body: [UInt8]) async throws -> RawClient.Response {
            try await client.request("POST", "/api/v1/json", headers: Self.lines + Self.key, body: body)
        }
        #expect(try await send(Self.body(1..<9)).status == 422)
        #expect(try await send(Self.body(0..<2)).status == 422, "shorter than what is committed")
        let rest = try await send(Self.body(0..<9))
        #expect(rest.body.hasPrefix("{\"committed_lines\":9,\"accepted\":9,"), "\(rest.body)")
        await fixture.close()
    }

    private static func name() throws -> [UInt8] {
        let head = RequestHead(
            method: "POST", path: "/api/v1/json", query: [], headers: [("idempotency-key", "4d2f-1")],
            peer: Peer(text: "unix", isLocal: true), requestID: "", traceParent: "", contentLength: 0, isChunked: false)
        return try #require(try IdempotencyKey.name(of: head, allowingParameters: false))
    }

    @Test func `a key is one credential's`() async throws {
        let fixture = try await IngestFixture(tenants: ["acme", "zeta"], access: Self.access)
        let client = try fixture.client()
        for token in ["one", "two", "three", "one"] {
            let response = try await client.request(
                "POST", "/api/v1/json", headers: Self.lines + Self.key + ["Authorization: Bearer \(token)"],
                body: Self.body(0..<1))
            #expect(response.status == 200)
        }
        #expect(try await Self.values(fixture, "acme").count == 2)
        #expect(try await Self.values(fixture, "zeta").count == 1)
        await fixture.close()
    }

    @Test(arguments: ["/write?db=d", "/api/v2/write?bucket=b"])
    func `line protocol that is sent again with its key is stored once`(_ path: String) async throws {
        let fixture = try await IngestFixture()
        let client = try fixture.client()
        func send(_ text: String, _ more: String = "") async throws -> RawClient.Response {
            try await client.request("POST", path + more, headers: Self.key, body: Array(text.utf8))
        }
        // Without a time it is given that of its arrival: another one each time.
        let first = try await send("m v=1\nm v=2 17\noops\n")
        let again = try await send("m v=1\nm v=2 17\noops\n")
        #expect(first.status == (path.contains("v2") ? 422 : 400) && first["idempotent-replayed"] == nil)
        #expect(again.status == first.status && again.body == first.body && again["idempotent-replayed"] == "true")
        #expect(try await send("m v=1\nm v=2 18\n").status == 422)
        let inSeconds = try await send("m v=1\nm v=2 17\noops\n", "&precision=s")
        #expect(inSeconds.status == 422, "other times are another request")
        #expect(try await Self.values(fixture) == [1, 2])
        await fixture.close()
        let telemetry = Telemetry()
        while fixture.observed.count > 0, let record = fixture.observed.take() { telemetry.ingested(record) }
        #expect(telemetry.ingestPoints.with("default", "influx").total == 2, "a repeat brings no points")
    }

    @Test(arguments: ["", "\"\"", "a b", "é", String(repeating: "k", count: 256)])
    func `what is no key is 400`(_ key: String) async throws {
        let fixture = try await IngestFixture()
        let client = try fixture.client()
        for (path, type) in [("/api/v1/json", "application/x-ndjson"), ("/write?db=d", "text/plain")] {
            let response = try await client.request(
                "POST", path, headers: ["Content-Type: \(type)", "Idempotency-Key: \(key)"], body: Self.body(0..<1))
            #expect(response.status == 400)
        }
        #expect(try await Self.values(fixture).isEmpty)
        await fixture.close()
    }
}

private enum Make {
    /// What is committed of a body with a key after some of its lines.
    static func cut(key: [UInt8], _ body: [UInt8], points: Int) -> AppendRequest {
        var decoded = DecodedRequest()
        var decoder = JSONRecordDecoder()
        body.withUnsafeBytes { body in
            _ = decoder.decodeLines(body, isLast: true, arrivalTime: IngestFixture.arrival, into: &decoded)
        }
        let digest = IdempotencyKey.body(of: "json lines")
        digest.update(body)
        return AppendRequest(
            decoded: decoded, source: "json", peer: "", requestID: "", bodyBytes: body.count,
            mark: RequestMark(key: key, lines: 0..<Int64(points), body: digest.current(), isLast: false))
    }
}
