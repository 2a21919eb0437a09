import Foundation
import Testing

/// What a running node answers about itself, to whom.
@Suite(.timeLimit(.minutes(2))) struct AdminTests {
    /// `name{...} value` lines of a page, by all but their value.
    private func samples(_ body: Data) -> [String: Double] {
        var samples: [String: Double] = [:]
        for line in String(decoding: body, as: UTF8.self).split(separator: "\n") where !line.hasPrefix("#") {
            guard let blank = line.lastIndex(of: " ") else { continue }
            samples[String(line[..<blank])] = Double(line[line.index(after: blank)...])
        }
        return samples
    }

    /// Asked by curl: Foundation's client wants to talk about a 401.
    private func statusOf(_ url: String, _ arguments: [String] = []) throws -> String {
        try run("/usr/bin/curl", ["-s", "-m", "20", "-o", "/dev/null", "-w", "%{http_code}"] + arguments + [url]).output
    }

    @Test func `the metrics page has every term of the ledger, and the sums agree`() async throws {
        let bench = try Workbench("metrics")
        let node = try HoldfastNode(bench, config: "backends: { files: { type: archive } }\nnode: { max_bytes: 1GiB }")
        try await node.start()
        let answer = try await Web.post("\(node.url)/write?db=default", "weather temperature=21.5,humidity=40\n")
        #expect(answer.status == 204)
        _ = try await node.drain(within: 30)
        let page = try await Web.get("\(node.url)/metrics")
        #expect(page.status == 200)
        let samples = samples(page.body)
        func points(_ term: String) throws -> Double {
            let found = samples.filter { $0.key.hasPrefix("holdfast_\(term)") && $0.key.contains("backend=\"files\"") }
            return try #require(found.isEmpty ? nil : found.values.reduce(0, +), "no holdfast_\(term)")
        }
        let ended = try ["delivered_points", "pending_points", "dead_points", "lost_points", "excluded_points"].map(
            points)
        #expect(try points("owed_points") == ended.reduce(0, +))
        #expect(try points("delivered_points") == 2)
        #expect(samples["holdfast_disk_free_bytes"] ?? 0 > 0)
        let answers = samples.filter { $0.key.hasPrefix("holdfast_delivery_seconds_bucket") }
        #expect(!answers.isEmpty)
        // Buckets only rise, and the last one is the count.
        let last = try #require(answers.first { $0.key.contains("le=\"+Inf\"") })
        #expect(answers.values.allSatisfy { $0 <= last.value } && last.value >= 1)
        #expect(node.process.stop() == 0)
    }

    @Test func `an admin listener over TCP asks for its token, and drains the node when told to`() async throws {
        let bench = try Workbench("admin")
        let port = try Workbench.freePort()
        let token = try bench.write("token", "s3cret")
        let node = try bench.write(
            "node.yml",
            """
            data_dir: \(bench.path("data"))
            server: { listen: "127.0.0.1:\(try Workbench.freePort())", admin: "127.0.0.1:\(port)", admin_token: "file:\(token)" }
            backends: { files: { type: archive } }
            tenants:
              one: { credentials: { tokens: ["file:\(token)"] } }
            """)
        let process = bench.program(Workbench.holdfast, ["run", "--config", node], name: "node")
        try process.start()
        let admin = "http://127.0.0.1:\(port)"
        #expect(try await eventually(within: 30, every: 0.02) { try statusOf("\(admin)/v1/version") != "000" })
        for path in ["/v1/status", "/v1/config", "/v1/version", "/metrics"] {
            #expect(try statusOf(admin + path) == "401", "\(path)")
        }
        #expect(try statusOf("\(admin)/v1/drain", ["-X", "POST", "-H", "Authorization: Bearer wrong"]) == "401")
        // The command finds address and token in the config.
        let status = try run(Workbench.holdfast, ["status", "--config", node])
        #expect(status.status == 0, "\(status.errors)")
        #expect(status.output.contains("one "))
        #expect(!status.output.contains("s3cret"))
        #expect(try statusOf("\(admin)/v1/drain", ["-X", "POST", "-H", "Authorization: Bearer s3cret"]) == "200")
        #expect(try await eventually(within: 30) { !process.isRunning })
        #expect(process.stop() == 0)
    }

    @Test func `SIGHUP takes over a changed config, and a wrong one changes nothing`() async throws {
        let bench = try Workbench("sighup")
        let node = try HoldfastNode(bench, config: "backends: { files: { type: archive } }")
        try await node.start()
        // The spool, and with it its ledger, is made by the first request.
        #expect(try await Web.post("\(node.url)/write?db=default", "a v=1\n").status == 204)
        func reloads(_ outcome: String) async throws -> Double {
            samples(try await Web.get("\(node.url)/metrics").body).first {
                $0.key.hasPrefix("holdfast_config_reloads") && $0.key.contains(outcome)
            }?.value ?? 0
        }
        try node.rewrite(config: "backends: { files: { type: archive }, more: { type: archive } }")
        node.process.signal(SIGHUP)
        #expect(try await eventually(within: 30) { try await reloads("ok") == 1 })
        #expect(try node.status().backends.map(\.name).sorted() == ["files", "more"])
        try node.rewrite(config: "backends: { files: { type: archiv } }")
        node.process.signal(SIGHUP)
        #expect(try await eventually(within: 30) { try await reloads("refused") == 1 })
        #expect(node.process.lastWords.contains("archive"), "the log names the nearest type")
        #expect(try node.status().backends.map(\.name).sorted() == ["files", "more"])
        #expect(node.process.stop() == 0)
    }
}
