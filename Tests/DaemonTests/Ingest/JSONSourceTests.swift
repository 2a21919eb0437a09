import Metrics
import Synchronization
import Testing
import WALStore

@testable import Daemon

@Suite struct JSONSourceTests {
    private func record(_ name: String, _ value: Int) -> String {
        "{\"name\":\"\(name)\",\"labels\":{\"a\":\"b\"},\"value\":\(value),\"timestamp_ms\":1800000000000}"
    }
    private let lines = ["Content-Type: application/x-ndjson"]

    @Test func `a document is stored whole or not at all`() async throws {
        let fixture = try await IngestFixture()
        let client = try fixture.client()
        let json = ["Content-Type: application/json"]
        let one = try await client.request("POST", "/api/v1/json", headers: json, body: Array(record("one", 1).utf8))
        #expect(one.status == 200)
        #expect(one.body == "{\"accepted\":1,\"rejected\":0,\"errors\":[]}\n")
        let many = "[\(record("two", 2)),\(record("three", 3))]"
        #expect(try await client.request("POST", "/api/v1/json", headers: json, body: Array(many.utf8)).status == 200)
        for bad in ["", "[", "[\(record("four", 4)),]", "{\"name\":4}", "nonsense"] {
            let response = try await client.request("POST", "/api/v1/json", headers: json, body: Array(bad.utf8))
            #expect(response.status == 400, "\(bad)")
            #expect(response["content-type"] == "application/problem+json")
        }
        #expect(try await fixture.stored().map(\.name) == ["one", "two", "three"])
        await fixture.close()
    }

    @Test func `a body counts as one request with its answer's status, however many slices it came in`() async throws {
        let fixture = try await IngestFixture(limits: { $0.sliceBytes = 4 << 10 })
        let client = try fixture.client()
        let many = (0..<1000).map { record("m\($0)", $0) }.joined(separator: "\n")
        #expect(
            try await client.request("POST", "/api/v1/json", headers: lines, body: Array(many.utf8)).status == 200)
        let json = ["Content-Type: application/json"]
        #expect(
            try await client.request("POST", "/api/v1/json", headers: json, body: Array(record("one", 1).utf8)).status
                == 200)
        #expect(try await client.request("POST", "/api/v1/json", headers: json, body: Array("[".utf8)).status == 400)
        await fixture.close()
        #expect(fixture.observed.count > 5, "the stream was committed in parts")
        let telemetry = Telemetry()
        while fixture.observed.count > 0, let record = fixture.observed.take() { telemetry.ingested(record) }
        let counted = telemetry.ingestRequests.all.map { ($0.values, $0.instrument.total) }
        #expect(counted.map(\.0) == [["default", "json", "200"], ["default", "json", "400"]], "\(counted)")
        #expect(counted.map(\.1) == [2, 1])
        #expect(telemetry.ingestPoints.with("default", "json").total == 1001)
        #expect(telemetry.ingestLatency.with("json").snapshot.count == 3)
    }

    @Test(arguments: [
        ("application/x-ndjson", 200), ("application/jsonl", 200), ("application/stream+json; charset=utf-8", 200),
        ("text/plain", 415), ("", 415), ("application/x-www-form-urlencoded", 415),
    ])
    func `the content type decides`(type: String, status: Int) async throws {
        let fixture = try await IngestFixture()
        let response = try await fixture.client().request(
            "POST", "/api/v1/json", headers: ["Content-Type: \(type)"], body: Array(record("m", 1).utf8))
        #expect(response.status == status)
        await fixture.close()
    }

    @Test func `gzip, deflate and zstd are taken, other encodings are 415`() async throws {
        let fixture = try await IngestFixture()
        let client = try fixture.client()
        let plain = Array((record("m", 1) + "\n").utf8)
        var zstd: [UInt8] = []
        plain.withUnsafeBytes { Zstd.compress($0, into: &zstd) }
        for (coding, body) in [
            ("gzip", packed(plain)), ("deflate", zlibStored(plain)), ("zstd", zstd), ("identity", plain),
        ] {
            let response = try await client.request(
                "POST", "/api/v1/json", headers: lines + ["Content-Encoding: \(coding)"], body: body)
            #expect(response.status == 200, "\(coding)")
        }
        for coding in ["br", "snappy", "gzip, gzip"] {
            let response = try await client.request(
                "POST", "/api/v1/json", headers: lines + ["Content-Encoding: \(coding)"], body: plain)
            #expect(response.status == 415, "\(coding)")
        }
        // Deflate without zlib's header is another format, which some senders call by the same name.
        let bare = Array(zlibStored(plain).dropFirst(2).dropLast(4))
        let response = try await client.request(
            "POST", "/api/v1/json", headers: lines + ["Content-Encoding: deflate"], body: bare)
        #expect(response.status == 400)
        #expect(try await fixture.stored().count == 4)
        await fixture.close()
    }

    @Test func `the answer to a stream names the committed lines and the first bad one`() async throws {
        let fixture = try await IngestFixture()
        let body = [record("a", 1), "", "{oops", record("b", 2), record("c", 3)].joined(separator: "\n")
        let response = try await fixture.client().request(
            "POST", "/api/v1/json", headers: lines, body: Array(body.utf8))
        #expect(response.status == 200)
        #expect(response.body.hasPrefix("{\"committed_lines\":5,\"accepted\":3,\"rejected\":1,\"first_bad_line\":3,"))
        #expect(response["x-holdfast-refused-points"] == "1")
        #expect(try await fixture.stored().map(\.name) == ["a", "b", "c"])
        await fixture.close()
    }

    @Test func `a stream of nothing but bad lines is 400`() async throws {
        let fixture = try await IngestFixture()
        let response = try await fixture.client().request(
            "POST", "/api/v1/json", headers: lines, body: Array("{oops\nnonsense\n".utf8))
        #expect(response.status == 400)
        #expect(response.body.contains("\"first_bad_line\":1"))
        await fixture.close()
    }

    @Test func `a long stream is committed in slices while it arrives, one at a time`() async throws {
        let underWay = Mutex((now: 0, most: 0, commits: 0))
        let fixture = try await IngestFixture(
            append: { store in
                { request, tenant, completion in
                    underWay.withLock {
                        $0.now += 1
                        $0.commits += 1
                        $0.most = max($0.most, $0.now)
                    }
                    store.append(request, tenant: tenant) { result in
                        underWay.withLock { $0.now -= 1 }
                        completion(result)
                    }
                }
            }, limits: { $0.sliceBytes = 16 << 10 })
        let client = try fixture.client()
        try await client.send(
            "POST /api/v1/json HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n"
                + "Content-Type: application/x-ndjson\r\n\r\n")
        let count = 5000
        for start in stride(from: 0, to: count, by: 100) {
            let text = (start..<start + 100).map { record("m", $0) + "\n" }.joined()
            try await client.send(String(text.utf8.count, radix: 16) + "\r\n" + text + "\r\n")
        }
        try await client.send("0\r\n\r\n")
        let response = try await client.receive()
        #expect(response.status == 200)
        #expect(response.body.hasPrefix("{\"committed_lines\":5000,\"accepted\":5000,\"rejected\":0,"))
        #expect(try await fixture.stored().map { Int($0.value) } == Array(0..<count))
        underWay.withLock {
            #expect($0.most == 1)
            #expect($0.commits > 10)
        }
        await fixture.close()
        #expect(try await fixture.gateEmpties())
    }

    @Test func `a cut stream leaves a committed prefix`() async throws {
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
            }, limits: { $0.sliceBytes = 4 << 10 })
        var committed = 0
        do {
            let client = try fixture.client()
            try await client.send(
                "POST /api/v1/json HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n"
                    + "Content-Type: application/x-ndjson\r\n\r\n")
            let text = (0..<100).map { record("m", $0) + "\n" }.joined()
            try await client.send(String(text.utf8.count, radix: 16) + "\r\n" + text + "\r\n")
            committed += try #require(await commits.next())
        }
        let values = try await fixture.stored().map { Int($0.value) }
        #expect(values.count >= committed && committed > 0)
        #expect(values == Array(0..<values.count))
        await fixture.close()
    }

    @Test func `a slice that cannot be stored ends the stream with what was committed before`() async throws {
        let calls = Mutex(0)
        let fixture = try await IngestFixture(
            append: { store in
                { request, tenant, completion in
                    let call = calls.withLock { calls -> Int in
                        calls += 1
                        return calls
                    }
                    if call < 3 { return store.append(request, tenant: tenant, completion: completion) }
                    completion(.failure(SpoolError(.full, "the spool is full")))
                }
            }, limits: { $0.sliceBytes = 4 << 10 })
        let client = try fixture.client()
        let text = (0..<1000).map { record("m", $0) + "\n" }.joined()
        let response = try await client.request("POST", "/api/v1/json", headers: lines, body: Array(text.utf8))
        #expect(response.status == 503)
        #expect(response["retry-after"] == "30")
        let stored = try await fixture.stored().count
        #expect(stored > 0 && response.body.contains("\"committed_lines\":\(stored),"))
        await fixture.close()
    }

    @Test func `a line beyond the limit is refused alone, however it is cut on its way`() async throws {
        let fixture = try await IngestFixture(limits: {
            $0.sliceBytes = 4 << 10
            $0.wire.lineBytes = 8 << 10
        })
        let client = try fixture.client()
        let long = String(repeating: "[", count: 100_000)
        let text = record("m", 1) + "\n" + long + "\n" + record("m", 2) + "\n"
        let response = try await client.request("POST", "/api/v1/json", headers: lines, body: Array(text.utf8))
        #expect(response.status == 200)
        #expect(response.body.contains("\"committed_lines\":3,\"accepted\":2,\"rejected\":1,\"first_bad_line\":2,"))
        let endless = try await client.request("POST", "/api/v1/json", headers: lines, body: Array(long.utf8))
        #expect(endless.status == 400)
        #expect(endless.body.contains("line of more than 8192 bytes"))
        await fixture.close()
    }
}

/// HTTP's `deflate`: a zlib stream (RFC 1950) of one stored block (RFC 1951, 3.2.4), written by hand so that no code of
/// ours says what the format is.
private func zlibStored(_ plain: [UInt8]) -> [UInt8] {
    precondition(plain.count <= 0xffff, "a stored block holds no more")
    let count = UInt16(plain.count)
    var bytes: [UInt8] = [0x78, 0x01, 0x01]
    for number in [count, ~count] { bytes += [UInt8(number & 0xff), UInt8(number >> 8)] }
    bytes += plain
    // Adler-32 (RFC 1950, 8.2).
    var (low, high): (UInt32, UInt32) = (1, 0)
    for byte in plain {
        low = (low + UInt32(byte)) % 65521
        high = (high + low) % 65521
    }
    return bytes + [UInt8(high >> 8), UInt8(high & 0xff), UInt8(low >> 8), UInt8(low & 0xff)]
}
