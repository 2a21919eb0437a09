import Forwarder
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(10)))
struct HTTPTransportTests {
    let transport = HTTPTransport()

    @Test func `a POST arrives as it was written and its answer comes back`() async throws {
        let server = try HTTPTestServer { _, _ in .reply(200, headers: [("X-Seen", "yes")], body: Array("fine".utf8)) }
        let body = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let answer = await transport.perform(
            HTTPRequest(.post, server.url + "/write?a=1", headers: [("X-Name", "value"), ("X-Empty", "")], body: body))
        guard case .response(let response) = answer else {
            Issue.record("no answer: \(answer)")
            return
        }
        #expect(response.status == 200)
        #expect(response.headers["x-seen"] == "yes")
        #expect(response.body == Array("fine".utf8))
        let request = try #require(server.requests.first)
        #expect(request.method == "POST")
        #expect(request.target == "/write?a=1")
        #expect(request.headers["x-name"] == "value")
        #expect(request.headers["x-empty"] == "")
        #expect(request.headers["expect"] == nil)
        #expect(request.headers["user-agent"] == HTTPRequest.defaultUserAgent)
        #expect(request.body == body)
        server.stop()
    }

    @Test(arguments: [HTTPRequest.Method.get, .put, .delete, .post])
    func `every method reaches the server under its name`(_ method: HTTPRequest.Method) async throws {
        let server = try HTTPTestServer()
        _ = await transport.perform(HTTPRequest(method, server.url))
        #expect(server.requests.map(\.method) == [method.rawValue])
        server.stop()
    }

    @Test func `a connection is used again`() async throws {
        let server = try HTTPTestServer()
        for _ in 0..<5 { _ = await transport.perform(HTTPRequest(.post, server.url, body: [1])) }
        #expect(server.requests.count == 5)
        #expect(server.connections == 1)
        server.stop()
    }

    @Test func `credentials go out and stay out of errors`() async throws {
        let server = try HTTPTestServer()
        var request = HTTPRequest(.get, server.url, authentication: .bearer(Secret("tok")))
        _ = await transport.perform(request)
        request.authentication = .basic(user: "u", password: Secret("p"))
        _ = await transport.perform(request)
        #expect(server.requests.map { $0.headers["authorization"] } == ["Bearer tok", "Basic dTpw"])
        server.stop()
        let failure = await transport.perform(HTTPRequest(.get, "http://root:geheim@127.0.0.1:\(server.port)/"))
        #expect(!"\(failure)".contains("geheim"))
        #expect(!"\(failure)".contains("root"))
    }

    @Test func `a redirect is an answer and is not followed`() async throws {
        let server = try HTTPTestServer { _, _ in .reply(302, headers: [("Location", "/elsewhere")]) }
        let answer = await transport.perform(HTTPRequest(.post, server.url, body: [1]))
        #expect(status(answer) == 302)
        #expect(server.requests.count == 1)
        server.stop()
    }

    @Test func `a header that would start another one is never sent`() async throws {
        let server = try HTTPTestServer()
        let answer = await transport.perform(HTTPRequest(.get, server.url, headers: [("X-Tenant", "a\r\nX-Admin: 1")]))
        #expect(failure(answer)?.mayHaveArrived == false)
        #expect(server.connections == 0)
        server.stop()
    }

    @Test func `a Unix socket is spoken over`() async throws {
        let path = "/tmp/holdfast-transport-\(UInt64.random(in: 0 ... .max)).sock"
        let server = try HTTPTestServer(unixSocket: path) { _, _ in .text(200, "local") }
        let answer = await transport.perform(HTTPRequest(.get, "http://localhost/status", unixSocket: path))
        #expect(status(answer) == 200)
        server.stop()
    }

    // MARK: Faults

    @Test func `nothing has arrived at a port nobody listens on`() async throws {
        let server = try HTTPTestServer()
        server.stop()
        let answer = await transport.perform(HTTPRequest(.post, server.url, body: [1]))
        #expect(failure(answer)?.mayHaveArrived == false)
    }

    @Test func `nothing has arrived at a name that does not resolve`() async {
        let answer = await transport.perform(HTTPRequest(.post, "http://nowhere.invalid/", body: [1]))
        #expect(failure(answer)?.mayHaveArrived == false)
    }

    @Test func `nothing has arrived when the TLS handshake fails`() async throws {
        // Whatever follows a ClientHello is no HTTP: the server never has a request, and closes on the first bytes.
        let server = try HTTPTestServer()
        server.admit(.reset)
        let answer = await transport.perform(HTTPRequest(.post, "https://127.0.0.1:\(server.port)/", body: [1]))
        #expect(failure(answer)?.mayHaveArrived == false)
        #expect(server.requests.isEmpty)
        server.stop()
    }

    @Test func `a reset after the request leaves the outcome unknown`() async throws {
        let server = try HTTPTestServer { _, _ in .reset }
        let answer = await transport.perform(HTTPRequest(.post, server.url, body: [1, 2, 3]))
        #expect(failure(answer)?.mayHaveArrived == true)
        server.stop()
    }

    @Test func `a timeout after the request leaves the outcome unknown`() async throws {
        let gate = HTTPTestGate()
        let server = try HTTPTestServer { _, _ in .wait(gate, then: .reply(204)) }
        let answer = await transport.perform(
            HTTPRequest(.post, server.url, body: [1], timeout: .milliseconds(200)))
        #expect(failure(answer)?.mayHaveArrived == true)
        server.stop()
    }

    @Test func `cancelling the task aborts the transfer`() async throws {
        let server = try HTTPTestServer { _, _ in .wait(HTTPTestGate(), then: .reply(204)) }
        let task = Task { await transport.perform(HTTPRequest(.post, server.url, body: [1])) }
        await server.received(1)
        task.cancel()
        let stopped = try #require(failure(await task.value))
        #expect(stopped.reason == "cancelled")
        #expect(stopped.mayHaveArrived)
        server.stop()
    }

    @Test func `garbage for an answer is a failure`() async throws {
        let server = try HTTPTestServer { _, _ in .raw(Array("%%% nonsense\r\n\r\n".utf8)) }
        let answer = await transport.perform(HTTPRequest(.post, server.url, body: [1]))
        #expect(failure(answer)?.mayHaveArrived == true)
        server.stop()
    }

    @Test func `a huge answer is cut and said to be`() async throws {
        let server = try HTTPTestServer { _, _ in .huge(200, bytes: 8 << 20) }
        let answer = await transport.perform(HTTPRequest(.get, server.url, maximumResponseBytes: 1000))
        guard case .response(let response) = answer else {
            Issue.record("no answer: \(answer)")
            return
        }
        #expect(response.status == 200)
        #expect(response.body.count == 1000)
        #expect(response.isCut)
        server.stop()
    }

    @Test func `an answer of just the allowed size is whole`() async throws {
        let server = try HTTPTestServer { _, _ in .chunked(200, [[1, 2], [3]]) }
        let answer = await transport.perform(HTTPRequest(.get, server.url, maximumResponseBytes: 3))
        #expect(
            answer == .response(HTTPResponse(status: 200, headers: ["transfer-encoding": "chunked"], body: [1, 2, 3])))
        server.stop()
    }

    @Test func `closing answers what is running and refuses what comes later`() async throws {
        let server = try HTTPTestServer { _, _ in .wait(HTTPTestGate(), then: .reply(204)) }
        let task = Task { await transport.perform(HTTPRequest(.post, server.url, body: [1])) }
        await server.received(1)
        transport.close()
        #expect(failure(await task.value)?.mayHaveArrived == true)
        #expect(failure(await transport.perform(HTTPRequest(.get, server.url)))?.mayHaveArrived == false)
        server.stop()
    }

    private func status(_ answer: Answer) -> Int? {
        if case .response(let response) = answer { response.status } else { nil }
    }

    private func failure(_ answer: Answer) -> TransportFailure? {
        if case .failure(let failure) = answer { failure } else { nil }
    }
}
