import Foundation
import TestSupport
import Testing

/// The built binary and Debian's `prometheus-alertmanager`.
@Suite(.timeLimit(.minutes(5)))
struct AlertTests {
    private final class AlertmanagerServer {
        let url: String
        let process: ServerProcess

        init(_ bench: Workbench) throws {
            let port = try Workbench.freePort()
            url = "http://127.0.0.1:\(port)"
            let config = try bench.write(
                "alertmanager.yml", "route: { receiver: none }\nreceivers: [{ name: none }]\n")
            process = bench.program(
                "/usr/bin/prometheus-alertmanager",
                [
                    "--config.file=\(config)", "--storage.path=\(bench.path("alertmanager"))",
                    "--web.listen-address=127.0.0.1:\(port)", "--cluster.listen-address=",
                ], name: "alertmanager")
        }

        func start() async throws {
            try process.start()
            guard try await eventually(within: 30, { await Web.isUp("\(url)/-/ready") }) else {
                throw TestFailure("the Alertmanager does not get ready: \(process.lastWords)")
            }
        }

        func alerts() async throws -> [String: [String: String]] {
            let answer = try await Web.get("\(url)/api/v2/alerts")
            let all = try JSONSerialization.jsonObject(with: answer.body) as? [[String: Any]] ?? []
            let labels = all.compactMap { $0["labels"] as? [String: String] }
            return Dictionary(labels.map { ($0["alertname"] ?? "?", $0) }) { first, _ in first }
        }
    }

    @Test func `a backend that fails is an alert until it is back, also where the Alertmanager was down at first`()
        async throws
    {
        let bench = try Workbench("alerts")
        let alertmanager = try AlertmanagerServer(bench)
        let backend = try HTTPTestServer { _, _ in .text(503, "not now") }
        let node = try HoldfastNode(
            bench,
            config: """
                backends: { central: { type: influxdb, url: "\(backend.url)", database: metrics } }
                alertmanager:
                  urls: ["\(alertmanager.url)"]
                  interval: 1s
                  external_labels: { instance: ship-7 }
                """)
        try await node.start()
        #expect(try await Web.post("\(node.url)/write?db=default", "a v=1").status == 204)
        let isFailing = try await eventually(within: 60) { try await node.metric("holdfast_alerts_firing") == 1 }
        #expect(isFailing)
        let status = try run(Workbench.holdfast, ["status", "--data-dir", node.dataFolder])
        #expect(status.output.contains("Alertmanager \(alertmanager.url) does not take alerts"), "\(status.output)")
        // Nobody waits for it.
        #expect(try await Web.post("\(node.url)/write?db=default", "a v=2").status == 204)

        try await alertmanager.start()
        let isTold = try await eventually(within: 30) {
            try await alertmanager.alerts()["HoldfastBackendFailing"] != nil
        }
        #expect(isTold)
        let labels = try await alertmanager.alerts()["HoldfastBackendFailing"]
        #expect(
            labels == [
                "alertname": "HoldfastBackendFailing", "severity": "warning", "tenant": "default", "backend": "central",
                "instance": "ship-7",
            ])

        backend.answer { _, _ in .reply(204) }
        let isOver = try await eventually(within: 120) { try await alertmanager.alerts().isEmpty }
        #expect(isOver)
        _ = try await node.drain()

        try node.rewrite(config: "backends: { central: { type: nothing } }")
        node.process.signal(SIGHUP)
        let isRefused = try await eventually(within: 30) {
            try await alertmanager.alerts()["HoldfastConfigRefused"] != nil
        }
        #expect(isRefused)
        #expect(node.process.stop() == 0)
    }
}
