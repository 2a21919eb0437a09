import Forwarder
import Metrics
import TestSupport
import Testing

@testable import Daemon

/// What is asked again, what is not, and what an answer may weigh.
@Suite struct GrafanaClientTests {
    private static func failure(_ body: () async throws(GrafanaFailure) -> GrafanaAnswer) async -> GrafanaFailure? {
        do throws(GrafanaFailure) {
            _ = try await body()
            return nil
        } catch { return error }
    }

    @Test(arguments: [429, 500, 502, 503, 504])
    func `a busy Grafana is asked again, ever later`(status: Int) async throws {
        let grafana = try GrafanaFixture()
        grafana.server.change { $0.fault = { $0 < 3 ? .answer(status) : nil } }
        let answer = try await grafana.client.ask(.get, "/api/folders/x")
        #expect(answer.status == 404)
        #expect(grafana.pauses.elements == [.milliseconds(500), .seconds(1), .seconds(2)])
    }

    @Test func `it is asked five times at most`() async throws {
        let grafana = try GrafanaFixture()
        grafana.server.change { $0.fault = { _ in .answer(503) } }
        let answer = try await grafana.client.ask(.get, "/api/folders/x")
        #expect(answer.status == 503 && grafana.server.requests.count == 5)
        #expect(GrafanaFailure(answer, to: "read it").code == .unreachable)
    }

    @Test func `Retry-After is heard, up to twenty seconds`() async throws {
        let grafana = try GrafanaFixture()
        grafana.server.change {
            $0.fault = {
                [("3"), ("86400")].indices.contains($0)
                    ? .answer(429, headers: [("Retry-After", ["3", "86400"][$0])]) : nil
            }
        }
        _ = try await grafana.client.ask(.get, "/api/folders/x")
        #expect(grafana.pauses.elements == [.seconds(3), .seconds(20)])
    }

    @Test(arguments: [400, 401, 403, 404, 409, 412, 422])
    func `what Grafana has decided is not asked again`(status: Int) async throws {
        let grafana = try GrafanaFixture()
        grafana.server.change { $0.fault = { _ in .answer(status) } }
        #expect(try await grafana.client.ask(.get, "/api/folders/x").status == status)
        #expect(grafana.server.requests.count == 1)
    }

    @Test func `nobody at the address is said with the address, and no secret`() async throws {
        let grafana = try GrafanaFixture()
        grafana.token = "geheim"
        let client = grafana.client
        grafana.server.stop()
        let failure = await Self.failure { () async throws(GrafanaFailure) in
            try await client.ask(.get, "/api/folders/x")
        }
        #expect(failure?.code == .unreachable)
        #expect(failure?.message.contains(client.access.url) == true)
        #expect(failure?.message.contains("geheim") == false)
    }

    @Test func `a page for people, a way elsewhere and an endless answer are no Grafana`() async throws {
        let server = try HTTPTestServer()
        let transport = HTTPTransport()
        defer { transport.close(); server.stop() }
        let access = GrafanaAccess(url: server.url, authentication: .none)
        let client = GrafanaClient(access: access, transport: transport, pause: { _ in })
        server.answer { _, _ in .text(200, "<html>log in</html>") }
        let page = await Self.failure { () async throws(GrafanaFailure) in try await client.ask(.get, "/api/folders/x")
        }
        #expect(page?.code == .unreachable && page?.message.contains("no JSON") == true)
        server.answer { _, _ in .reply(302, headers: [("Location", "https://sso.example/\u{1B}[2J")]) }
        let answer = try await client.ask(.get, "/api/folders/x")
        let away = GrafanaFailure(answer, to: "read it")
        #expect(away.message.contains("https://sso.example/") && !away.message.contains("\u{1B}"))
        server.answer { _, _ in .huge(200, bytes: GrafanaClient.maximumResponseBytes + 1) }
        let endless = await Self.failure { () async throws(GrafanaFailure) in
            try await client.ask(.get, "/api/folders/x")
        }
        #expect(endless?.message.contains("longer than 32 MiB") == true)
        let deep = String(repeating: "[", count: 100_000)
        server.answer { _, _ in .text(200, deep) }
        let nested = await Self.failure { () async throws(GrafanaFailure) in
            try await client.ask(.get, "/api/folders/x")
        }
        #expect(nested?.message.contains("no JSON") == true)
    }

    @Test func `Grafana below a path is asked there, in its organisation`() async throws {
        var behaviour = GrafanaServer.Behaviour()
        behaviour.basePath = "/grafana"
        behaviour.organisations = ["7"]
        let grafana = try GrafanaFixture(behaviour)
        var client = grafana.client
        client.access.organisation = 7
        client.access.authentication = .basic(user: "admin", password: Secret("secret"))
        #expect(try await client.ask(.get, "/api/folders/x").status == 404)
        client.access.organisation = 8
        #expect(try await client.ask(.get, "/api/folders/x").status == 401)
        #expect(grafana.server.requests.allSatisfy { $0.target == "/grafana/api/folders/x" })
    }
}
