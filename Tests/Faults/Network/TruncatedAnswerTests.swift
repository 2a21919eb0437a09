import Forwarder
import TestSupport
import Testing
import WALStore

/// Answers that begin well and do not end.
@Suite(.timeLimit(.minutes(3))) struct TruncatedAnswerTests {
    /// An answer whose first line says yes, cut at every byte before its end: only the whole of it settles anything.
    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nContent-Length: 12\r\nX-More: words\r\n\r\nabcdefghijkl",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n6\r\nghijkl\r\n0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n",
    ])
    func `an answer that is cut anywhere is no answer`(_ answer: String) async throws {
        let bytes = Array(answer.utf8)
        let transport = HTTPTransport()
        let server = try HTTPTestServer { request, _ in
            .raw(Array(bytes.prefix(Int(request.target.dropFirst()) ?? 0)))
        }
        defer {
            server.stop()
            transport.close()
        }
        // libcurl sees the end of the chunks in their last CR: nothing of the answer is missing without the LF.
        let needed = answer.contains("chunked") ? bytes.count - 1 : bytes.count
        for length in 0..<needed {
            let reply = await transport.perform(HTTPRequest(.post, "\(server.url)/\(length)", body: [1]))
            guard case .failure(let failure) = reply else {
                Issue.record("the first \(length) of \(bytes.count) bytes were taken for an answer: \(reply)")
                continue
            }
            #expect(failure.mayHaveArrived)
        }
        let whole = await transport.perform(HTTPRequest(.post, "\(server.url)/\(bytes.count)", body: [1]))
        guard case .response = whole else {
            Issue.record("the whole answer was not taken: \(whole)")
            return
        }
    }

    @Test func `points whose answers are cut stay owed, and are delivered by the first whole one`() async throws {
        let server = try PointServer { _, number in
            if number >= 40 { return .reply(204) }
            let head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
            return .raw(Array((head + String(repeating: "x", count: number)).utf8))
        }
        defer { server.stop() }
        let bench = try DeliveryBench()
        try await bench.start(["acme": [.init(name: "central", url: server.http.url)]])
        try await bench.append(100)
        try await bench.expectAllDelivered(to: server)
        #expect(server.requests.count == 41)
        await bench.stop()
    }
}
