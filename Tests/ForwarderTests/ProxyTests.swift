import Forwarder
import TestSupport
import Testing

/// The proxy is a server that writes down what it is asked for: RFC 9112 section 3.2.2, RFC 9110 section 11.7.
@Suite(.timeLimit(.minutes(10)))
struct ProxyTests {
    let transport = HTTPTransport()

    @Test func `a request goes to the proxy whole, and the backend's name is never looked up here`() async throws {
        let proxy = try HTTPTestServer()
        let answer = await transport.perform(
            HTTPRequest(.post, "http://backend.invalid:9090/write?a=1", body: [7], proxy: proxy.url))
        guard case .response(let response) = answer else {
            Issue.record("the proxy answered: \(answer)")
            return
        }
        #expect(response.status == 204)
        let request = try #require(proxy.requests.first)
        #expect(request.target == "http://backend.invalid:9090/write?a=1")
        #expect(request.headers["host"] == "backend.invalid:9090")
        #expect(request.body == [7])
        proxy.stop()
    }

    @Test func `the proxy gets its own credentials and not the backend's, which no error shows`() async throws {
        let proxy = try HTTPTestServer()
        let named = "http://proxyuser:proxypass@127.0.0.1:\(proxy.port)"
        var request = HTTPRequest(.post, "http://backend.invalid/", body: [1], proxy: named)
        request.authentication = .bearer(Secret("backendtoken"))
        _ = await transport.perform(request)
        let seen = try #require(proxy.requests.first)
        // "proxyuser:proxypass" in Base64.
        #expect(seen.headers["proxy-authorization"] == "Basic cHJveHl1c2VyOnByb3h5cGFzcw==")
        #expect(seen.headers["authorization"] == "Bearer backendtoken")
        proxy.stop()
        // On the connection that was kept the request may have arrived.
        let other = HTTPTransport()
        defer { other.close() }
        let answer = await other.perform(request)
        guard case .failure(let failure) = answer else {
            Issue.record("nobody listens: \(answer)")
            return
        }
        #expect(!failure.mayHaveArrived)
        for secret in ["proxyuser", "proxypass", "backendtoken"] { #expect(!failure.reason.contains(secret)) }
    }

    @Test func `nothing has arrived when the proxy refuses the tunnel`() async throws {
        let proxy = try HTTPTestServer { _, _ in .reply(407) }
        let answer = await transport.perform(
            HTTPRequest(.post, "https://backend.invalid/write", body: [1], proxy: proxy.url))
        guard case .failure(let failure) = answer else {
            Issue.record("a refused tunnel is no answer of the backend: \(answer)")
            return
        }
        #expect(!failure.mayHaveArrived)
        #expect(proxy.requests.map(\.method) == ["CONNECT"])
        #expect(proxy.requests.first?.body == [])
        proxy.stop()
    }

    @Test func `nothing has arrived when the tunnel breaks before its TLS stands`() async throws {
        let proxy = try HTTPTestServer { _, _ in .raw(Array("HTTP/1.1 200 Connection established\r\n\r\n".utf8)) }
        let answer = await transport.perform(
            HTTPRequest(.post, "https://backend.invalid/write", body: [1], proxy: proxy.url))
        guard case .failure(let failure) = answer else {
            Issue.record("there is nobody at the other end: \(answer)")
            return
        }
        #expect(!failure.mayHaveArrived, "\(failure.reason)")
        proxy.stop()
    }

    @Test func `a proxy that dies after it took the request leaves the outcome unknown`() async throws {
        let proxy = try HTTPTestServer { _, _ in .reset }
        let answer = await transport.perform(
            HTTPRequest(.post, "http://backend.invalid/write", body: [1], proxy: proxy.url))
        guard case .failure(let failure) = answer else {
            Issue.record("a reset is no answer: \(answer)")
            return
        }
        #expect(failure.mayHaveArrived, "\(failure.reason)")
        proxy.stop()
    }
}
