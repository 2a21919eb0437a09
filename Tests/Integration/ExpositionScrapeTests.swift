import Foundation
import TestSupport
import Testing

/// A real Prometheus scrapes a page of the built binary.
@Suite(.timeLimit(.minutes(5)))
struct ExpositionScrapeTests {
    @Test func `a Prometheus that scrapes has each series as it is now, of its tenant, and notices the end of one`()
        async throws
    {
        let bench = try Workbench("exposition")
        let node = try HoldfastNode(
            bench,
            config: """
                backends: { page: { type: prometheus_exposition, expiry: 10m } }
                tenants: { acme: { credentials: { tokens: ["file:\(try bench.write("acme.token", "acme-token"))"] } },
                  beta: { credentials: { tokens: ["file:\(try bench.write("beta.token", "beta-token"))"] } } }
                """)
        try await node.start()
        func write(_ lines: String, _ token: String) async throws {
            let answer = try await Web.post(
                "\(node.url)/api/v1/json", lines,
                headers: ["Authorization": "Bearer \(token)", "Content-Type": "application/x-ndjson"])
            #expect(answer.status == 200 || answer.status == 204, "\(String(decoding: answer.body, as: UTF8.self))")
        }
        // A backlog of which the last is shown.
        let now = Int(Date().timeIntervalSince1970)
        try await write(
            (0..<20).map {
                "{\"name\":\"depth\",\"labels\":{\"job\":\"ship\"},\"timestamp_ms\":\((now - 100 + $0) * 1000),\"value\":\($0)}"
            }
            .joined(separator: "\n"), "acme-token")
        try await write("{\"name\":\"depth\",\"labels\":{\"job\":\"other\"},\"value\":7}", "beta-token")
        let prometheus = try PrometheusServer(
            bench, name: "prometheus",
            config: """
                scrape_configs:
                  - job_name: holdfast
                    metrics_path: /api/v1/exposition/page
                    scrape_interval: 1s
                    honor_labels: true
                    authorization: { credentials: acme-token }
                    static_configs: [{ targets: ["127.0.0.1:\(node.port)"] }]
                """)
        try await prometheus.start()
        func depth() async throws -> [[String: Any]] {
            let answer = try await Web.json("\(prometheus.url)/api/v1/query?query=depth")
            return (answer["data"] as? [String: Any])?["result"] as? [[String: Any]] ?? []
        }
        let isThere = try await eventually(within: 60) { try await depth().count == 1 }
        #expect(isThere)
        let series = try #require(try await depth().first)
        #expect((series["metric"] as? [String: String])?["job"] == "ship")
        #expect((series["value"] as? [Any])?.last as? String == "19")
        let up = try await prometheus.dump("up{job=\"holdfast\"}")
        #expect(up.series.values.allSatisfy { $0.values.allSatisfy { $0 == 1.0.bitPattern } })

        let status = try await node.drain(tenant: "acme").backend("page")
        #expect(status.delivered == 1 && status.excluded == 19 && status.balances)

        node.process.kill()
        try await node.start()
        // Nothing is replayed: the page is empty until something comes, and Prometheus marks the series as stale.
        let isGone = try await eventually(within: 60) { try await depth().isEmpty }
        #expect(isGone)
        try await write("{\"name\":\"depth\",\"labels\":{\"job\":\"ship\"},\"value\":42}", "acme-token")
        let isBack = try await eventually(within: 60) {
            (try await depth().first?["value"] as? [Any])?.last as? String == "42"
        }
        #expect(isBack)
        #expect(node.process.stop() == 0)
    }
}
