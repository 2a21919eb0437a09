import Synchronization
import Testing

@testable import Daemon

/// A full listener, with real sockets.
@Suite(.timeLimit(.minutes(2))) struct HTTPServerCrowdTests {
    private static let echo = Route(["POST"], "/echo") { request, responder in
        responder.reply(Reply(status: 200, body: .bytes(request.body, contentType: "text/plain")))
    }

    /// More silent connections than there are places and reserve, so that without the rule nobody new is ever heard: the
    /// time-outs are an hour.
    private func startFullServer(places: Int) throws -> HTTPServer {
        try startServer([HTTPServerCrowdTests.echo]) {
            $0.maximumConnections = places
            $0.maximumConnectionsPerAddress = 100_000
            ($0.headerTimeout, $0.bodyTimeout, $0.idleTimeout) = (.seconds(3600), .seconds(3600), .seconds(3600))
        }
    }

    @Test(arguments: [
        "", "POST /echo HTTP/1.1\r\nHost: t\r\n", "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nab",
    ])
    func `whoever sends a whole request is served, however many others sit on every place`(silent: String) throws {
        let server = try startFullServer(places: 20)
        defer { server.drain(limit: .seconds(1)) }
        let crowd = try (0..<80).map { _ in try RawClient(port: server.port) }
        if !silent.isEmpty { for client in crowd { try client.send(silent) } }
        for _ in 0..<5 {
            let client = try RawClient(port: server.port)
            #expect(try client.request("POST", "/echo", body: [65]).body == "A")
        }
        #expect(server.connections <= 20 + Crowd.reserve(of: 20))
        #expect(server.displacedConnections > 0)
    }

    @Test func `a kept connection that was used before makes room too`() throws {
        let server = try startFullServer(places: 20)
        defer { server.drain(limit: .seconds(1)) }
        var kept: [RawClient] = []
        for _ in 0..<60 {
            let client = try RawClient(port: server.port)
            #expect(try client.request("POST", "/echo", body: [65]).body == "A")
            kept.append(client)
        }
        #expect(server.connections <= 20 + Crowd.reserve(of: 20))
    }

    @Test func `a slow sender that has to go is told to send again`() throws {
        let server = try startFullServer(places: 16)
        defer { server.drain(limit: .seconds(1)) }
        let slow = try RawClient(port: server.port)
        try slow.send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nab")
        // Enough of them that room is still asked for when a body counts as slow.
        let crowd = try (0..<300).map { _ in try RawClient(port: server.port) }
        let answer = try slow.receive()
        #expect(answer.status == 503)
        #expect(answer["retry-after"] == "1")
        #expect(slow.isClosed())
        withExtendedLifetime(crowd) {}
    }

    @Test func `a request that is being answered is never cut, and busy senders take turns`() throws {
        let parked = Mailbox<Responder>()
        let park = Route(["POST"], "/park") { _, responder in parked.put(responder) }
        let server = try startServer([park]) {
            $0.maximumConnections = 16
            $0.maximumConnectionsPerAddress = 100_000
            $0.answerTimeout = .seconds(3600)
        }
        defer { server.drain(limit: .seconds(1)) }
        // As many as places and reserve, all of them waiting for an answer; the next is heard when one has left.
        let busy = try (0..<32).map { _ in try RawClient(port: server.port) }
        var late: RawClient?
        var told = 0
        // Who is to leave is found out by another thread, and a round may be over before that.
        for _ in 0..<200 where told == 0 {
            for client in busy { try client.sendRequest("POST", "/park", body: [1]) }
            var responders: [Responder] = []
            for _ in busy { responders.append(try #require(parked.take())) }
            if late == nil {
                late = try RawClient(port: server.port)
                try late?.sendRequest("POST", "/park", body: [1])
            }
            for responder in responders { responder.reply(.noContent) }
            for client in busy {
                let answer = try client.receive()
                #expect(answer.status == 204)
                if answer["connection"] == "close" { told += 1 }
            }
        }
        #expect(told > 0)
        try #require(parked.take()).reply(.noContent)
        #expect(try late?.receive().status == 204)
    }
}
