import Foundation
import Metrics
import TestSupport
import Testing

/// `holdfast grafana` of the built binary, with a strict Grafana, Grafana's own models, and a real Prometheus.
@Suite struct GrafanaTests {
    private static let config = """
        backends:
          files: { type: archive }
        tenants:
          acme: { backends: [files], max_bytes: 1GiB, credentials: { tokens: ["env:ACME_TOKEN"] } }
          other: { backends: [files], credentials: { tokens: ["env:OTHER_TOKEN"] } }
        """

    private let bench: Workbench
    private let server: GrafanaServer

    init() throws {
        bench = try Workbench("grafana")
        server = try GrafanaServer()
        _ = try bench.write("holdfast.yml", Self.config)
    }

    private func grafana(
        _ words: [String], token: String? = "good", url: String? = nil
    ) throws -> (status: Int32, output: String, errors: String) {
        var environment = Self.tokens
        if let token { environment["HOLDFAST_GRAFANA_TOKEN"] = token }
        let answer = try ChildProcess.run(
            Workbench.holdfast,
            ["grafana", words[0], "--url", url ?? server.url, "--config", bench.path("holdfast.yml")]
                + words.dropFirst(),
            environment: environment)
        return (answer.exit.status, answer.output, answer.errors)
    }

    private static let tokens = ["ACME_TOKEN": "a", "OTHER_TOKEN": "o"]
    private static let source = [
        "--data-source-url", "http://metrics.example/{tenant}", "--tenant-header", "X-Scope-OrgID",
    ]

    @Test func `apply, diff and destroy say what they do, and end as diff does`() throws {
        let before = try grafana(["diff"] + Self.source)
        #expect(before.status == 1, "\(before.errors)")
        #expect(before.output.contains("acme") && before.output.contains("to create"), "\(before.output)")
        #expect(server.writes == [])

        let applied = try grafana(["apply"] + Self.source)
        #expect(applied.status == 0, "\(applied.errors)\(applied.output)")
        #expect(server.folders.keys.sorted() == ["hf-folder-acme", "hf-folder-other"])
        #expect(server.secrets["hf-source-other"] == ["httpHeaderValue1": "other"])
        let after = try grafana(["diff"] + Self.source)
        #expect(after.status == 0)
        #expect(after.output == "\(server.writes.count) unchanged\n", "\(after.output)")

        let moved = try grafana(["diff", "--data-source-url", "http://new.example", "--tenant", "acme", "--json"])
        #expect(moved.status == 1)
        let report = try JSONValue.parse(Array(moved.output.utf8))
        let changed = report["objects"]?.array?.filter { $0["action"]?.string == "changed" } ?? []
        #expect(changed.map { $0["uid"]?.string } == ["hf-source-acme"])
        #expect(
            changed.first?["differences"]?.array?.compactMap { $0["path"]?.string } == [
                "url", "jsonData.httpHeaderName1",
            ])

        let unasked = try grafana(["destroy"])
        #expect(unasked.status == 2 && unasked.errors.contains("--yes"), "\(unasked.errors)")
        let planned = try grafana(["destroy", "--dry-run", "--tenant", "acme"])
        #expect(planned.status == 0 && planned.output.contains("to delete"))
        #expect(server.folders.count == 2)
        #expect(try grafana(["destroy", "--yes", "--tenant", "acme"]).status == 0)
        #expect(server.folders.keys.sorted() == ["hf-folder-other"])
        #expect(!server.rules.keys.contains { $0.hasSuffix("-acme") } && !server.rules.isEmpty)
        #expect(server.faults == [])
    }

    @Test func `trouble is 1 of apply and 2 of diff, and says what to do`() throws {
        let unknownToken = try grafana(["diff"] + Self.source, token: "stranger")
        #expect(unknownToken.status == 2 && unknownToken.output == "", "\(unknownToken.output)")
        let metrics = try HTTPTestServer()
        metrics.answer { _, _ in .reply(404, headers: [], body: Array("404 page not found".utf8)) }
        let other = try grafana(["diff"] + Self.source, url: metrics.url)
        #expect(other.status == 2 && other.output == "" && other.errors.contains("is no Grafana"), "\(other)")
        metrics.stop()
        let unnamed = try grafana(["diff", "--data-source", "main"])
        #expect(unnamed.status == 2 && unnamed.output == "" && unnamed.errors.contains("uid \"main\""), "\(unnamed)")
        let stranger = try grafana(["apply"] + Self.source, token: "stranger")
        #expect(stranger.status == 1 && stranger.errors.contains("does not know this token"), "\(stranger.errors)")
        #expect(!stranger.errors.contains("stranger"), "a token is not shown")
        let editor = try grafana(["apply"] + Self.source, token: "editor")
        #expect(
            editor.status == 1 && editor.output.contains("read the data source hf-source-acme (403)"),
            "\(editor.output)")
        let nobody = try grafana(["apply"] + Self.source, token: nil)
        #expect(nobody.status == 2 && nobody.errors.contains("--token-file"), "\(nobody.errors)")
        let unknown = try grafana(["apply", "--tenant", "acne"] + Self.source)
        #expect(unknown.status == 1 && unknown.errors.contains("did you mean \"acme\"?"), "\(unknown.errors)")
        #expect(server.faults == [])
    }

    @Test
    func `Grafana's own models know every member, a node exports every metric, and Prometheus takes every expression`()
        async throws
    {
        #expect(try grafana(["apply", "--tenant", "acme"] + Self.source).status == 0)
        let rules = server.rules.values.map { $0 }
        let document = JSONValue.map([
            "dashboards": .array(server.dashboards.values.compactMap { $0["dashboard"] }), "rules": .array(rules),
        ])
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Support/grafana_models.py"
        let file = try bench.write("grafana.json", document.rendered)
        let models = try ChildProcess.run(PythonTool.program("python3"), [script, file])
        #expect(models.exit == .exited(0), "\(models.errors)")
        let expressions = models.output.split(separator: "\n").map { Self.filled(String($0)) }
        #expect(expressions.count > 30)

        let node = try HoldfastNode(
            bench, name: "node",
            config: """
                backends:
                  files: { type: archive }
                tenants:
                  acme: { backends: [files], max_bytes: 1GiB }
                """)
        try await node.start()
        let sent = try await Web.post("\(node.url)/write?db=acme", "weather temperature=21.5,humidity=40")
        #expect(sent.status == 204)
        _ = try await node.drain(tenant: "acme")
        let page = String(decoding: try await Web.get("\(node.url)/metrics").body, as: UTF8.self)
        let exported = Set(
            page.split(separator: "\n").filter { $0.hasPrefix("# TYPE ") }.map { String($0.split(separator: " ")[2]) })
        for expression in expressions {
            for name in expression.matches(of: #/(?:holdfast|process)_[a-z_]+/#).map({ String($0.0) }) {
                let family = name.hasSuffix("_bucket") ? String(name.dropLast("_bucket".count)) : name
                #expect(exported.contains(family), "no node exports \(name)")
            }
        }

        let prometheus = try PrometheusServer(
            bench, name: "prometheus",
            config: """
                global: { scrape_interval: 1s }
                scrape_configs:
                  - job_name: holdfast
                    static_configs: [{ targets: ["127.0.0.1:\(node.port)"] }]
                """)
        try await prometheus.start()
        #expect(
            try await eventually(within: 30) {
                try await Self.count(prometheus, "count_over_time(holdfast_build_info[5m]) >= 3") == 1
            })
        for expression in expressions { _ = try await Self.count(prometheus, expression) }
        // What a healthy node says of itself; the others speak only when something is wrong, or grows.
        let silent = ["absent(", "deriv(", "holdfast_seconds_to_full"]
        for rule in rules {
            let expression = rule["data"]?.array?.first?["model"]?["expr"]?.string ?? ""
            let isSilent = silent.contains { expression.hasPrefix($0) }
            let count = try await Self.count(prometheus, expression)
            #expect((count == 0) == isSilent, "\(expression) finds \(count) series")
        }
        _ = node.process.stop()
    }

    /// As Grafana fills it in.
    private static func filled(_ expression: String) -> String {
        [("$__rate_interval", "1m"), ("$instance", ".*"), ("$backend", ".*"), ("$metric", "up")].reduce(expression) {
            $0.replacingOccurrences(of: $1.0, with: $1.1)
        }
    }

    /// How many series a query finds. Prometheus answers 400 to what is no query.
    private static func count(_ prometheus: PrometheusServer, _ expression: String) async throws -> Int {
        let answer = try await Web.json("\(prometheus.url)/api/v1/query?query=\(Web.escape(expression))")
        let data = answer["data"] as? [String: Any]
        return (data?["result"] as? [Any])?.count ?? 0
    }
}
