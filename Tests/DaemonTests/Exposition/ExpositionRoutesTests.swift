import Forwarder
import Metrics
import TestSupport
import Testing
import WALStore

@testable import Daemon

/// Whose page a request gets, and in which form.
@Suite(.timeLimit(.minutes(2)))
struct ExpositionRoutesTests {
    private static let rules = [
        AccessRule(tenant: "acme", tokens: [Secret("acme-token")], users: [.init(name: "ann", password: Secret("pw"))]),
        AccessRule(tenant: "beta", tokens: [Secret("beta-token")], users: []),
    ]

    /// A listener with backend `page`, which both tenants have, and `own`, which is beta's; on a page stands whose it is.
    private final class PageNode {
        let server: HTTPServer

        init(access: [AccessRule] = ExpositionRoutesTests.rules) async throws {
            let tenants = access.isEmpty ? ["acme"] : access.map(\.tenant)
            let configuration = try ConfigurationTests.parse(
                """
                backends: { page: { type: prometheus_exposition }, own: { type: prometheus_exposition }, files: { type: archive } }
                tenants: { acme: { backends: [page, files] }, beta: { backends: [own, page] } }
                """)
            for tenant in tenants {
                let page = try #require(configuration.exposition("page", of: tenant))
                try await ExpositionRoutesTests.expose(page, tenant)
            }
            var settings = IngestSettings(
                tenants: tenants, openTenant: access.isEmpty ? tenants[0] : nil, version: "test")
            settings.access = access
            // Nothing is written: there is no store.
            let none = SpoolError(.unavailable, "there is none")
            let ingest = Ingest(
                settings: settings, append: { $2(.failure(none)) }, progress: { $2(.failure(none)) })
            let routes = ExpositionRoutes(ingest) { configuration.exposition($0, of: $1) }
            server = try startServer(routes.routes)
        }

        func close() async {
            let server = server
            await Blocking.run { server.drain(limit: .seconds(5)) }
        }

        func get(_ path: String, _ headers: [String] = []) async throws -> RawClient.Response {
            try await PatientClient(port: server.port).request("GET", path, headers: headers)
        }
    }

    private static func expose(_ backend: PrometheusExposition, _ tenant: String) async throws {
        var batch = Batch()
        var builder = LabelBuilder()
        builder.add("__name__", "owner")
        builder.add("of", tenant)
        try builder.finish()
        let id = builder.canonical.withUnsafeBytes { batch.series.intern($0) }
        batch.points.appendFloat64(series: id, time: TimeSource.system.wall(), bits: 1.0.bitPattern)
        let piece = LeasedPiece(
            places: PlaceRange(sequence: 1, ordinals: 0..<1), batch: batch, ordinals: 0..<1, maybeSent: false)
        let chunk = Chunk(tenant: tenant, pieces: [piece], runs: [LeasedRun(piece: 0, ordinals: 0..<1)])
        var request = EncodedRequest()
        backend.encode(chunk, into: &request)
        #expect(await backend.send(request, of: chunk, attempt: 1, over: HTTPTransport()) == .said(.delivered))
    }

    @Test(arguments: [
        ("/api/v1/exposition/page", "Authorization: Bearer acme-token", 200, "owner{of=\"acme\"} 1\n"),
        ("/api/v1/exposition/page", "Authorization: Bearer beta-token", 200, "owner{of=\"beta\"} 1\n"),
        // ann:pw
        ("/api/v1/exposition/page", "Authorization: Basic YW5uOnB3", 200, "owner{of=\"acme\"} 1\n"),
        ("/api/v1/exposition/own", "Authorization: Bearer beta-token", 200, ""),
        ("/api/v1/exposition/own", "Authorization: Bearer acme-token", 404, nil),
        ("/api/v1/exposition/files", "Authorization: Bearer acme-token", 404, nil),
        ("/api/v1/exposition/nothing", "Authorization: Bearer acme-token", 404, nil),
        ("/api/v1/exposition/", "Authorization: Bearer acme-token", 404, nil),
        ("/api/v1/exposition/page", "Authorization: Bearer wrong", 401, nil),
        ("/api/v1/exposition/page", "X-Nothing: x", 401, nil),
        ("/api/v1/exposition/page", "Authorization: Bearer acme-token\r\nX-Scope-OrgID: beta", 403, nil),
    ])
    func `a page is that of the tenant whose credential asks, and of no other`(
        path: String, header: String, status: Int, body: String?
    ) async throws {
        let node = try await PageNode()
        let response = try await node.get(path, [header])
        #expect(response.status == status)
        if let body { #expect(response.body == body) }
        await node.close()
    }

    @Test func `a node that is open shows its tenant's page to this machine`() async throws {
        let node = try await PageNode(access: [])
        let response = try await node.get("/api/v1/exposition/page")
        #expect(response.status == 200)
        #expect(response["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
        #expect(response["cache-control"] == "no-store")
        await node.close()
    }

    @Test func `a page goes out packed to who can unpack it`() async throws {
        let node = try await PageNode(access: [])
        let request = HTTPRequest(
            .get, "http://127.0.0.1:\(node.server.port)/api/v1/exposition/page",
            headers: [("Accept-Encoding", "gzip"), ("Accept", "application/openmetrics-text;version=1.0.0")])
        guard case .response(let response) = await HTTPTransport().perform(request) else {
            Issue.record("no answer")
            return
        }
        #expect(response.headers["content-encoding"] == "gzip")
        #expect(
            response.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8")
        var plain: [UInt8] = []
        var decompressor = Decompressor(.gzip, limit: 1 << 20)
        try decompressor.feedAll(response.body, into: &plain)
        #expect(String(decoding: plain, as: UTF8.self) == "owner{of=\"acme\"} 1\n# EOF\n")
        #expect(try await node.get("/api/v1/exposition/page", ["Accept-Encoding: gzip;q=0"])["content-encoding"] == nil)
        await node.close()
    }
}
