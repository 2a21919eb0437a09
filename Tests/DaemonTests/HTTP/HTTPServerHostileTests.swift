import Synchronization
import Testing

@testable import Daemon

#if canImport(Glibc)
    import Glibc
#endif

private let echo = Route(["POST"], "/echo") { request, responder in
    responder.reply(Reply(status: 200, body: .bytes(request.body, contentType: "application/octet-stream")))
}

/// Refuses at the first byte.
private final class RefusingStream: BodyStream {
    private let responder: Responder
    init(_ responder: Responder) { self.responder = responder }
    func receive(_ bytes: UnsafeRawBufferPointer) -> StreamStep {
        responder.reply(.closing(.problem(413, "no more of this")))
        return .proceed
    }
    func finish() {}
    func abandon() {}
}

@Suite struct HTTPServerHostileTests {
    @Test(arguments: [
        ("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400),
        ("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400),
        ("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: -3\r\n\r\nabc", 400),
        ("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: +3\r\n\r\nabc", 400),
        ("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999999999999999999\r\n\r\nabc", 413),
        ("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\nabc\r\n0\r\n\r\n", 400),
        (
            "POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nabc\r\n0\r\n\r\n",
            413
        ),
        ("POST /echo HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 400),
        ("POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nHost: t\r\nHost: u\r\nContent-Length: 3\r\n\r\nabc", 400),
        ("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Type: a/b\r\ncontent-type: c/d\r\nContent-Length: 1\r\n\r\na", 400),
        ("POST /echo HTTP/1.1\r\nHost: t\r\nX-A: b\rc\r\nContent-Length: 1\r\n\r\na", 400),
        ("POST /echo HTTP/1.1\r\nHost: t\r\nX-A\u{1}: b\r\nContent-Length: 1\r\n\r\na", 400),
        ("POST /echo HTTP/1.1\nHost: t\nContent-Length: 1\n\na", 400),
        ("POST /echo /else HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\r\na", 400),
        ("POST /echo HTTP/1.1\r\nHost: t\r\nno colon\r\n\r\n", 400),
    ])
    func `a request whose end is doubtful is refused and its connection closed`(request: String, status: Int) throws {
        let server = try startServer([echo])
        defer { server.drain(limit: .seconds(1)) }
        let client = try RawClient(port: server.port)
        try client.send(request)
        // Ours, or libmicrohttpd's own, whose 0.9.75 writes the head twice when it refuses a Content-Length: but nothing
        // else is said, so what follows the doubtful end was never taken for a request.
        let answer = client.receiveAll()
        let said = answer.matches(of: #/HTTP/1\.1 ([0-9]{3}) /#).map { String($0.output.1) }
        #expect(Set(said) == ["\(status)"], "\(answer)")
        #expect(try RawClient(port: server.port).request("POST", "/echo", body: [65]).body == "A")
    }

    /// The rest of each would be a request of its own to a server that overlooks the length: then two answers come.
    @Test(arguments: [
        "Content-Length : 38", "Content-Length\t: 38", " Content-Length: 38", "Content-Length: 3\r\n 8",
        "X-A: b\r\n c\r\nContent-Length: 38", "Transfer-Encodin: chunked\r\n\tg", "Content-Length:\u{b}38",
        "Content-Length: 38\r\nX-Last: a\r\n b",
    ])
    func `a length that not everybody reads alike never makes a body into a request`(lines: String) throws {
        let server = try startServer([echo])
        defer { server.drain(limit: .seconds(1)) }
        let client = try RawClient(port: server.port)
        let hidden = "POST /echo HTTP/1.1\r\nHost: t\r\nX: y\r\n\r\n"
        try client.send("POST /echo HTTP/1.1\r\nHost: t\r\n\(lines)\r\n\r\n\(hidden)\(hidden)")
        let answer = client.receiveAll()
        let said = answer.matches(of: #/HTTP/1\.1 ([0-9]{3}) /#).map { String($0.output.1) }
        #expect(Set(said) == ["400"], "\(answer)")
        #expect(answer.contains("Connection: close"))
    }

    @Test func `a head is read alike however it is cut into packets, on a fresh connection and a kept one`() throws {
        let server = try startServer([echo])
        defer { server.drain(limit: .seconds(1)) }
        let head =
            "POST /echo?a=b HTTP/1.1\r\nHost:t\r\nX-Tight:1\r\nX-Wide:   2\r\nX-Empty:\r\nContent-Length: 1\r\n\r\n"
        let client = try RawClient(port: server.port)
        for size in [1, 7, 1000] {
            for piece in stride(from: 0, to: head.utf8.count, by: size) {
                try client.send(Array(head.utf8.dropFirst(piece).prefix(size)))
            }
            try client.send("A")
            #expect(try client.receive().body == "A")
        }
        // Several requests in one packet.
        try client.send(String(repeating: head + "B", count: 5))
        for _ in 0..<5 { #expect(try client.receive().body == "B") }
    }

    @Test func `both Content-Length and Transfer-Encoding are named in the 400`() throws {
        let server = try startServer([echo])
        defer { server.drain(limit: .seconds(1)) }
        let client = try RawClient(port: server.port)
        try client.send(
            "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        let response = try client.receive()
        #expect(response.status == 400)
        #expect(response.body.contains("not both"))
        #expect(client.isClosed())
    }

    @Test func `a body that is announced too large is refused before it is read`() throws {
        let server = try startServer([echo]) { $0.maximumBodyBytes = 1000 }
        defer { server.drain(limit: .seconds(1)) }
        let client = try RawClient(port: server.port)
        try client.send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 1001\r\n\r\n")
        let response = try client.receive()
        #expect(response.status == 413)
        #expect(response["connection"] == "close")
        #expect(client.isClosed())
    }

    @Test func `the 413 arrives although the sender keeps sending`() throws {
        let server = try startServer([echo]) { $0.maximumBodyBytes = 1000 }
        defer { server.drain(limit: .seconds(1)) }
        let client = try RawClient(port: server.port)
        try client.sendRequest("POST", "/echo", body: [UInt8](repeating: 1, count: 1 << 20))
        #expect(try client.receive().status == 413)
    }

    @Test func `a refused sender that does not read while it sends is let go`() throws {
        let refuse = Route(["POST"], "/refuse", body: .streamed { _, _, responder in RefusingStream(responder) })
        let server = try startServer([refuse]) { $0.maximumBodyBytes = 64 << 20 }
        defer { server.drain(limit: .seconds(1)) }
        let body = [UInt8](repeating: 1, count: 24 << 20)
        let started = ContinuousClock.now
        for _ in 0..<8 {
            let client = try RawClient(port: server.port)
            try? client.sendRequest("POST", "/refuse", body: body)
            #expect(try client.receive().status == 413)
        }
        // A sender that is left with a closed window waits for a minute.
        #expect(ContinuousClock.now - started < .seconds(30))
    }

    @Test func `a chunked body a little over the limit is drained and answered 413`() throws {
        let server = try startServer([echo]) { $0.maximumBodyBytes = 1000 }
        defer { server.drain(limit: .seconds(1)) }
        let client = try RawClient(port: server.port)
        try client.send("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
        try client.send("400\r\n" + String(repeating: "x", count: 1024) + "\r\n0\r\n\r\n")
        let response = try client.receive()
        #expect(response.status == 413)
        #expect(client.isClosed())
    }

    @Test func `a chunked body without end is cut with a 413`() throws {
        let server = try startServer([echo]) { $0.maximumBodyBytes = 1000 }
        defer { server.drain(limit: .seconds(1)) }
        let client = try RawClient(port: server.port)
        try client.send("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
        let chunk = "4000\r\n" + String(repeating: "x", count: 0x4000) + "\r\n"
        for _ in 0..<64 { if (try? client.send(chunk)) == nil { break } }
        let response = try client.receive()
        #expect(response.status == 413)
        #expect(response["content-type"] == "application/problem+json")
        #expect(client.isClosed())
    }

    @Test func `a small body is read out after a refusal and the connection kept`() throws {
        let guarded = Route(
            ["POST"], "/guarded", preflight: { _ in .refused(.problem(401, "a token is needed")) },
            handler: { _, responder in responder.reply(.noContent) })
        let server = try startServer([guarded])
        defer { server.drain(limit: .seconds(1)) }
        let client = try RawClient(port: server.port)
        for _ in 0..<3 {
            #expect(try client.request("POST", "/guarded", body: [UInt8](repeating: 1, count: 100_000)).status == 401)
        }
    }

    @Test func `a sender that asks first is refused without being told to go on`() throws {
        let server = try startServer([echo]) { $0.maximumBodyBytes = 10 }
        defer { server.drain(limit: .seconds(1)) }
        let client = try RawClient(port: server.port)
        try client.send("POST /echo HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n")
        #expect(try client.receive().status == 413)
        #expect(client.isClosed())
    }

    @Test func `headers that drip in are answered 408 when their time is over`() throws {
        let server = try startServer([echo]) { $0.headerTimeout = .milliseconds(200) }
        defer { server.drain(limit: .seconds(1)) }
        let client = try RawClient(port: server.port)
        // Activity alone must not help: a byte now and then until the server has had enough.
        let dripping = Thread {
            for byte in "POST /echo HTTP/1.1\r\nHost: t\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaa".utf8 {
                if (try? client.send([byte])) == nil { return }
                usleep(20_000)
            }
        }
        defer { dripping.join() }
        let response = try client.receive()
        #expect(response.status == 408)
        #expect(response.body.contains("\"status\":408"))
        #expect(client.isClosed())
    }

    @Test func `a body that drips in is answered 408 when its time is over`() throws {
        let server = try startServer([echo]) { $0.bodyTimeout = .milliseconds(200) }
        defer { server.drain(limit: .seconds(1)) }
        let client = try RawClient(port: server.port)
        try client.send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 10000\r\nX-Request-Id: slow-1\r\n\r\nabc")
        let response = try client.receive()
        #expect(response.status == 408)
        #expect(response["x-request-id"] == "slow-1")
        #expect(client.isClosed())
    }

    @Test func `a kept connection that stays silent is closed without a word`() throws {
        let server = try startServer([echo]) { $0.idleTimeout = .milliseconds(200) }
        defer { server.drain(limit: .seconds(1)) }
        let client = try RawClient(port: server.port)
        #expect(try client.request("POST", "/echo", body: [65]).body == "A")
        #expect(client.isClosed())
    }

    @Test func `headers beyond the limit are refused and the server lives`() throws {
        let server = try startServer([echo]) { $0.maximumHeaderBytes = 4096 }
        defer { server.drain(limit: .seconds(1)) }
        let client = try RawClient(port: server.port)
        try? client.send(
            "POST /echo HTTP/1.1\r\nHost: t\r\nX-Long: " + String(repeating: "a", count: 100_000) + "\r\n\r\n")
        // A reset may overtake the answer: what was sent beyond the limit is never read.
        if let response = try? client.receive() { #expect(response.status == 431) }
        #expect(client.isClosed())
        let many = (0..<200).map { "X-\($0): 1" }
        let second = try RawClient(port: server.port)
        #expect(try second.request("POST", "/echo", headers: many, body: [1]).status == 431)
        #expect(try RawClient(port: server.port).request("POST", "/echo", body: [65]).body == "A")
    }

    @Test func `a request line that is too long by itself is refused, and an answer shows little of it`() throws {
        let server = try startServer([echo]) { $0.maximumHeaderBytes = 32 << 10 }
        defer { server.drain(limit: .seconds(1)) }
        let long = "/" + String(repeating: "a", count: 40_000)
        let response = try RawClient(port: server.port).request("GET", long)
        #expect(response.status == 431)
        #expect(response.body.utf8.count < 1000)
        // One character of thirty thousand bytes.
        let marks = "/a" + String(repeating: "%CC%81", count: 5000)
        let unknown = try RawClient(port: server.port).request("GET", marks)
        #expect(unknown.status == 404)
        #expect(unknown.body.utf8.count < 1000)
    }

    @Test func `a sender that leaves in the middle of a body leaves nothing behind`() throws {
        let server = try startServer([echo])
        defer { server.drain(limit: .seconds(1)) }
        for _ in 0..<20 {
            let client = try RawClient(port: server.port)
            try client.send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 10000\r\n\r\nabc")
        }
        #expect(try RawClient(port: server.port).request("POST", "/echo", body: [65]).body == "A")
        let deadline = MonotonicTime.now() + 10_000_000_000
        while server.connections > 0, MonotonicTime.now() < deadline { usleep(10_000) }
        #expect(server.connections == 0)
    }
}
