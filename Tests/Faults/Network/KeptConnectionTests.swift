import Forwarder
import TestSupport
import Testing

/// A kept connection that ends under the next request, which is when libcurl sends that request again by itself.
@Suite(.timeLimit(.minutes(2))) struct KeptConnectionTests {
    @Test(arguments: [1, 300, 70_000, 3_000_000])
    func `a request whose kept connection ends under it is sent again whole, or fails at once`(_ bytes: Int)
        async throws
    {
        let transport = HTTPTransport()
        // Every second request on a connection finds its end, after it was read.
        let server = try HTTPTestServer { _, number in number % 2 == 1 ? .raw([]) : .reply(204) }
        defer {
            server.stop()
            transport.close()
        }
        let body = (0..<bytes).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        var answers = 0
        for _ in 0..<12 {
            let answer = await transport.perform(
                HTTPRequest(.post, server.url, body: body, timeout: .seconds(30)))
            if case .failure(let failure) = answer {
                #expect(!failure.reason.lowercased().contains("timed out"), "\(failure)")
            } else {
                answers += 1
            }
        }
        #expect(answers > 0)
        #expect(server.requests.allSatisfy { $0.body == body })
    }
}
