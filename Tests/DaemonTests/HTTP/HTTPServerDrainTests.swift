import Synchronization
import Testing

@testable import Daemon

@Suite struct HTTPServerDrainTests {
    @Test func `a drain answers every request that is under way`() async throws {
        let parked = Mailbox<Responder>()
        let slow = Route(["POST"], "/slow") { _, responder in parked.put(responder) }
        let server = try startServer([slow])
        let clients = try (0..<50).map { _ in try RawClient(port: server.port) }
        for client in clients { try client.sendRequest("POST", "/slow", body: [1]) }
        let responders = clients.compactMap { _ in parked.take() }
        let drain = Thread { server.drain(limit: .seconds(20)) }
        for responder in responders { responder.reply(.noContent) }
        for client in clients {
            #expect(try client.receive().status == 204)
            #expect(client.isClosed())
        }
        drain.join()
        #expect(throws: RawClient.ClientError.self) { try RawClient(port: server.port) }
    }

    @Test func `a drain ends requests that nobody answers with 503, and does not hang on them`() throws {
        let parked = Mailbox<Responder>()
        let slow = Route(["POST"], "/slow") { _, responder in parked.put(responder) }
        let server = try startServer([slow])
        let clients = try (0..<20).map { _ in try RawClient(port: server.port) }
        for client in clients { try client.sendRequest("POST", "/slow", body: [1]) }
        let responders = clients.compactMap { _ in parked.take() }
        server.drain(limit: .milliseconds(50))
        for client in clients { #expect(try client.receive().status == 503) }
        for responder in responders { responder.reply(.noContent) }
    }

    @Test func `a request on a kept connection during a drain is told to come back`() throws {
        let parked = Mailbox<Responder>()
        let slow = Route(["POST"], "/slow") { _, responder in parked.put(responder) }
        let quick = Route(["GET"], "/quick") { _, responder in responder.reply(.noContent) }
        let server = try startServer([slow, quick])
        let waiting = try RawClient(port: server.port)
        let kept = try RawClient(port: server.port)
        #expect(try kept.request("GET", "/quick").status == 204)
        try waiting.sendRequest("POST", "/slow", body: [1])
        let responder = parked.take()
        let drain = Thread { server.drain(limit: .seconds(20)) }
        // The drain begins a moment after its thread.
        var refused = try kept.request("GET", "/quick")
        while refused.status == 204 { refused = try kept.request("GET", "/quick") }
        #expect(refused.status == 503)
        #expect(refused["retry-after"] == "5")
        responder?.reply(.noContent)
        #expect(try waiting.receive().status == 204)
        drain.join()
    }

    @Test func `a full server drains with a crowd at its door, and never ends the process`() throws {
        for round in 0..<40 {
            let server = try startServer([]) {
                $0.maximumConnections = 4
                $0.maximumConnectionsPerAddress = 100_000
                $0.threads = 2
            }
            // Places become free and are taken again while it drains, now of this thread, now of that.
            var crowd = try (0..<60).map { _ in try RawClient(port: server.port) }
            crowd.removeFirst(1 + round % 20)
            server.drain(limit: .zero)
            // Nobody is left in the queue either.
            for client in crowd { #expect(client.isClosed()) }
        }
    }

    @Test func `a drain under fire answers or refuses, and never ends the process`() throws {
        let quick = Route(["GET"], "/quick") { _, responder in responder.reply(.noContent) }
        for _ in 0..<30 {
            let server = try startServer([quick]) { $0.threads = 4 }
            let answered = Mailbox<Int>()
            let clients = (0..<4).map { _ in
                Thread {
                    // Until the port refuses: each request on a connection of its own keeps every thread's loop turning.
                    while let client = try? RawClient(port: server.port) {
                        guard let response = try? client.request("GET", "/quick") else { continue }
                        answered.put(response.status)
                    }
                }
            }
            for _ in 0..<20 { _ = answered.take() }
            server.drain(limit: .seconds(20))
            for client in clients { client.join() }
            while answered.count > 0 {
                let status = answered.take()
                #expect(status == 204 || status == 503)
            }
            #expect(server.connections == 0)
        }
    }

    @Test func `a paused stream reads nothing more until it proceeds`() throws {
        let pieces = Mailbox<(Int, Responder)>()
        let route = Route(
            ["POST"], "/stream", maximumBodyBytes: .max,
            body: .streamed { _, _, responder in PausingStream(responder, pieces) })
        let server = try startServer([route])
        defer { server.drain(limit: .seconds(1)) }
        let client = try RawClient(port: server.port)
        try client.send("POST /stream HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in 1...5 {
            try client.send("3\r\nabc\r\n")
            let (count, responder) = try #require(pieces.take())
            #expect(count == number * 3)
            responder.proceed()
        }
        try client.send("0\r\n\r\n")
        #expect(try client.receive().body == "15 bytes")
    }

    @Test func `a stream whose sender leaves is told so once`() throws {
        let ends = Mailbox<String>()
        let route = Route(
            ["POST"], "/stream", maximumBodyBytes: .max,
            body: .streamed { _, _, _ in WatchedStream(ends) })
        let server = try startServer([route])
        defer { server.drain(limit: .seconds(1)) }
        do {
            let client = try RawClient(port: server.port)
            try client.send("POST /stream HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
            #expect(ends.take() == "received 3")
        }
        #expect(ends.take() == "abandoned")
    }
}

/// Pauses after every piece.
private final class PausingStream: BodyStream {
    private let responder: Responder
    private let pieces: Mailbox<(Int, Responder)>
    private let total = Atomic<Int>(0)

    init(_ responder: Responder, _ pieces: Mailbox<(Int, Responder)>) {
        self.responder = responder
        self.pieces = pieces
    }
    func receive(_ bytes: UnsafeRawBufferPointer) -> StreamStep {
        pieces.put((total.add(bytes.count, ordering: .relaxed).newValue, responder))
        return .pause
    }
    func finish() { responder.reply(.text(200, "\(total.load(ordering: .relaxed)) bytes")) }
    func abandon() {}
}

private final class WatchedStream: BodyStream {
    private let ends: Mailbox<String>
    init(_ ends: Mailbox<String>) { self.ends = ends }
    func receive(_ bytes: UnsafeRawBufferPointer) -> StreamStep {
        ends.put("received \(bytes.count)")
        return .proceed
    }
    func finish() { ends.put("finished") }
    func abandon() { ends.put("abandoned") }
}
