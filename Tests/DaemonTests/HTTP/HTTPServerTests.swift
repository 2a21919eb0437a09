import Synchronization
import TestSupport
import Testing

@testable import Daemon

#if canImport(Glibc)
    import Glibc
#endif

/// A server on a free loopback port with the routes of a test.
func startServer(
    _ routes: [Route], _ change: (inout HTTPServerSettings) -> Void = { _ in }
) throws -> HTTPServer {
    var settings = HTTPServerSettings(address: .tcp(host: "127.0.0.1", port: 0))
    change(&settings)
    return try HTTPServer(settings: settings, routes: routes, events: { _ in })
}

private let echo = Route(["POST"], "/echo") { request, responder in
    responder.reply(Reply(status: 200, body: .bytes(request.body, contentType: "application/octet-stream")))
}
private let hello = Route(["GET"], "/hello") { _, responder in responder.reply(.text(200, "hello")) }

@Suite struct HTTPServerTests {
    @Test func `a body comes back as it was sent, and the connection stays open`() throws {
        let server = try startServer([echo])
        defer { server.drain(limit: .seconds(1)) }
        let client = try RawClient(port: server.port)
        for size in [0, 1, 5_000, 3_000_000] {
            let body = [UInt8](repeating: UInt8(ascii: "x"), count: size)
            let response = try client.request("POST", "/echo", body: body)
            #expect(response.status == 200)
            #expect(response.body.utf8.elementsEqual(body))
        }
    }

    @Test func `a request id is taken when it is harmless, made when it is not, and returned`() throws {
        let server = try startServer([hello])
        defer { server.drain(limit: .seconds(1)) }
        let client = try RawClient(port: server.port)
        #expect(try client.request("GET", "/hello", headers: ["X-Request-Id: abc-1"])["x-request-id"] == "abc-1")
        let bad = try client.request("GET", "/hello", headers: ["X-Request-Id: <script>"])["x-request-id"] ?? ""
        #expect(bad.count == 32)
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        #expect(try client.request("GET", "/hello", headers: ["traceparent: \(trace)"])["traceparent"] == trace)
        let made = try client.request("GET", "/hello", headers: ["traceparent: 00-0-0-00"])["traceparent"] ?? ""
        #expect(RequestIdentity.isTraceParent(made) && made != trace)
    }

    @Test func `an unknown path is 404, another method 405 with Allow, and both keep the connection`() throws {
        let server = try startServer([echo, hello])
        defer { server.drain(limit: .seconds(1)) }
        let client = try RawClient(port: server.port)
        let missing = try client.request("POST", "/nothing", body: Array("body".utf8))
        #expect(missing.status == 404)
        #expect(missing["content-type"] == "application/problem+json")
        #expect(missing.body.contains("\"status\":404"))
        let wrong = try client.request("GET", "/echo")
        #expect(wrong.status == 405)
        #expect(wrong["allow"] == "POST")
        #expect(try client.request("HEAD", "/hello").status == 200)
        #expect(try client.request("GET", "/hello").body == "hello")
    }

    @Test(arguments: ["http://example.org/hello", "HTTPS://[::1]:9009/hello?http://x", "/hello"])
    func `a target that names the host is answered by its path`(target: String) throws {
        let server = try startServer([hello])
        defer { server.drain(limit: .seconds(1)) }
        let client = try RawClient(port: server.port)
        try client.send("GET \(target) HTTP/1.1\r\nHost: t\r\n\r\n")
        #expect(try client.receive().body == "hello")
    }

    @Test func `a target that names nothing but the host asks for the root, and one with a hidden slash is refused`()
        throws
    {
        let root = Route(["GET"], "/") { _, responder in responder.reply(.text(200, "root")) }
        let server = try startServer([root, hello])
        defer { server.drain(limit: .seconds(1)) }
        for target in ["http://example.org", "http://example.org?a=b"] {
            let client = try RawClient(port: server.port)
            try client.send("GET \(target) HTTP/1.1\r\nHost: t\r\n\r\n")
            #expect(try client.receive().body == "root")
        }
        // To us its path would be /x/hello, and to whoever decodes later /hello.
        let client = try RawClient(port: server.port)
        try client.send("GET http://example.org%2Fx/hello HTTP/1.1\r\nHost: t\r\n\r\n")
        #expect(try client.receive().status == 400)
    }

    @Test func `pipelined requests are answered in their order`() throws {
        let server = try startServer([echo])
        defer { server.drain(limit: .seconds(1)) }
        let client = try RawClient(port: server.port)
        for number in 0..<20 { try client.sendRequest("POST", "/echo", body: Array("number \(number)".utf8)) }
        for number in 0..<20 { #expect(try client.receive().body == "number \(number)") }
    }

    @Test func `a chunked body is put together`() throws {
        let server = try startServer([echo])
        defer { server.drain(limit: .seconds(1)) }
        let client = try RawClient(port: server.port)
        try client.send("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
        try client.send("5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\n\r\n")
        #expect(try client.receive().body == "hello world")
        #expect(try client.request("POST", "/echo", body: [65]).body == "A")
    }

    @Test func `a late answer from another thread resumes the connection once`() throws {
        let parked = Mailbox<Responder>()
        let slow = Route(["POST"], "/slow") { _, responder in parked.put(responder) }
        let server = try startServer([slow])
        defer { server.drain(limit: .seconds(1)) }
        let client = try RawClient(port: server.port)
        for number in 0..<50 {
            try client.sendRequest("POST", "/slow", body: [1])
            let responder = parked.take()
            responder?.reply(.text(200, "answer \(number)"))
            responder?.reply(.text(500, "a second answer"))
            let response = try client.receive()
            #expect(response.status == 200)
            #expect(response.body == "answer \(number)")
        }
    }

    @Test func `a handler that never answers is answered for with 503, and its late answer is harmless`() throws {
        let parked = Mailbox<Responder>()
        let slow = Route(["POST"], "/slow") { _, responder in parked.put(responder) }
        let server = try startServer([slow, hello]) { $0.answerTimeout = .milliseconds(100) }
        defer { server.drain(limit: .seconds(1)) }
        let client = try RawClient(port: server.port)
        let response = try client.request("POST", "/slow", body: [1])
        #expect(response.status == 503)
        #expect(response["retry-after"] == "5")
        parked.take()?.reply(.noContent)
        #expect(try client.request("GET", "/hello").body == "hello")
    }

    @Test func `two hundred connections at once are all answered`() throws {
        // Two hundred in one thread take their time on a busy machine.
        let server = try startServer([echo]) { $0.headerTimeout = .seconds(60) }
        defer { server.drain(limit: .seconds(1)) }
        let clients = try (0..<200).map { _ in try RawClient(port: server.port) }
        for (number, client) in clients.enumerated() {
            try client.sendRequest("POST", "/echo", body: Array("client \(number)".utf8))
        }
        for (number, client) in clients.enumerated() { #expect(try client.receive().body == "client \(number)") }
        #expect(server.connections == 200)
    }

    @Test func `a Unix socket has mode 0600, replaces a stale file and is gone after the drain`() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/admin.sock"
        var settings = HTTPServerSettings(address: .unix(path: path))
        settings.threads = 1
        let stale = try HTTPServer(settings: settings, routes: [hello], events: { _ in })
        #expect(throws: HTTPServerError.self) {
            try HTTPServer(settings: settings, routes: [hello], events: { _ in })
        }
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
        #expect(try RawClient(unixPath: path).request("GET", "/hello").body == "hello")
        stale.drain(limit: .seconds(1))
        #expect(stat(path, &status) != 0)
    }
}

/// Hands values from a server's threads to a test, which waits for them.
final class Mailbox<Value: Sendable>: Sendable {
    private let values = Mutex<[Value]>([])
    private let arrivals = EventCounter()

    func put(_ value: Value) {
        values.withLock { $0.append(value) }
        arrivals.raise()
    }

    /// How many nobody has taken.
    var count: Int { values.withLock { $0.count } }

    /// The oldest value; nil after twenty seconds without one.
    func take() -> Value? {
        while true {
            if let value = values.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) { return value }
            guard arrivals.wait(limit: .seconds(20)) else { return nil }
            arrivals.reset()
        }
    }
}
