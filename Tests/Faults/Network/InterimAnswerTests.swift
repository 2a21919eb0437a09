import Forwarder
import TestSupport
import Testing
import WALStore

/// 1xx answers: said before the answer, and never in place of it. <https://www.rfc-editor.org/rfc/rfc9110#section-15.2>
@Suite(.timeLimit(.minutes(2))) struct InterimAnswerTests {
    @Test(arguments: [
        "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 102 Processing\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nRetry-After: 3000\r\nLink: </a>; rel=preload\r\n\r\n",
    ])
    func `whatever is said in between, the last answer counts`(_ interim: String) async throws {
        let refusal = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
        let yes = "HTTP/1.1 204 No Content\r\n\r\n"
        let server = try PointServer { _, number in
            .raw(Array((String(repeating: interim, count: number) + (number < 4 ? refusal : yes)).utf8))
        }
        defer { server.stop() }
        let bench = try DeliveryBench()
        try await bench.start(["acme": [.init(name: "central", url: server.http.url)]])
        try await bench.append(20)
        try await bench.expectAllDelivered(to: server)
        #expect(server.requests.count == 5)
        // The header of an interim answer is not one of the answer's.
        #expect(bench.waits.elements.allSatisfy { $0 < .seconds(100) })
        await bench.stop()
    }

    @Test func `interim answers without an end are no answer`() async throws {
        let endless = Array(String(repeating: "HTTP/1.1 100 Continue\r\n\r\n", count: 20_000).utf8)
        let server = try PointServer { _, number in number < 2 ? .raw(endless) : .reply(204) }
        defer { server.stop() }
        let bench = try DeliveryBench()
        try await bench.start(["acme": [.init(name: "central", url: server.http.url)]])
        try await bench.append(20)
        try await bench.expectAllDelivered(to: server)
        #expect(server.requests.count == 3)
        await bench.stop()
    }

    @Test func `no request waits to be told to go on`() async throws {
        let server = try PointServer()
        defer { server.stop() }
        let bench = try DeliveryBench()
        try await bench.start(["acme": [.init(name: "central", url: server.http.url)]])
        // Above a MiB libcurl would ask first.
        for _ in 0..<4 { try await bench.append(20_000) }
        try await bench.expectAllDelivered(to: server)
        #expect(server.http.requests.allSatisfy { $0.headers["expect"] == nil })
        await bench.stop()
    }
}
