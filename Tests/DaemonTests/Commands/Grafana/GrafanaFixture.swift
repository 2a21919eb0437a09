import Forwarder
import Metrics
import Synchronization
import TestSupport

@testable import Daemon

/// A strict Grafana, and our hands on it.
final class GrafanaFixture {
    let server: GrafanaServer
    private let transport = HTTPTransport()
    /// How long it would have waited, each time.
    let pauses = Recorder<Duration>()
    let tenant = GrafanaTenant(tenant: "acme")
    var sources = GrafanaTenant.Sources(made: GrafanaDataSource(url: "http://metrics.example/{tenant}"))
    var token = "good"

    init(_ behaviour: GrafanaServer.Behaviour = GrafanaServer.Behaviour()) throws {
        server = try GrafanaServer(behaviour)
    }

    deinit {
        transport.close()
        server.stop()
    }

    var client: GrafanaClient {
        var client = GrafanaClient(
            access: GrafanaAccess(url: server.url, authentication: .bearer(Secret(token))), transport: transport)
        client.pause = { [pauses] in pauses.record($0) }
        client.jitter = { 1 }
        return client
    }

    func run(isDry: Bool = false, editable: Bool = false) -> GrafanaRun {
        GrafanaRun(client: client, isDry: isDry, editable: editable)
    }

    @discardableResult func apply(isDry: Bool = false, editable: Bool = false) async throws -> [GrafanaResult] {
        var results: [GrafanaResult] = []
        try await run(isDry: isDry, editable: editable).apply(tenant, tenant.objects(sources), into: &results)
        return results
    }

    @discardableResult func destroy(isDry: Bool = false) async throws -> [GrafanaResult] {
        var results: [GrafanaResult] = []
        try await run(isDry: isDry).destroy(tenant, tenant.objects(sources), into: &results)
        return results
    }
}

extension [GrafanaResult] {
    func uids(_ action: GrafanaResult.Action) -> [String] { filter { $0.action == action }.map(\.uid) }
    var failures: [String] { filter { $0.action == .failed }.compactMap(\.reason) }
}
