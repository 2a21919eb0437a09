import Foundation
import TestSupport
import Testing

/// The commands of the built binary, beside a node that runs and after it has stopped.
@Suite struct CommandTests {
    private struct Setting {
        let bench: Workbench
        let archive: String
        let bulk: BulkServer
        let config: String
    }

    /// One backend that takes everything, one that refuses us until an operator acts.
    private func setting(_ name: String) throws -> Setting {
        let bench = try Workbench(name)
        var behaviour = BulkServer.Behaviour()
        behaviour.authorization = "ApiKey aWQ6a2V5"
        let bulk = try BulkServer(behaviour)
        let archive = bench.path("files")
        let config = """
            backends:
              files: { type: archive, path: "\(archive)/{tenant}" }
              search: { type: elasticsearch, url: "\(bulk.url)", index: "metrics-{tenant}" }
            tenants:
              default: { backends: [files, search] }
            """
        return Setting(bench: bench, archive: archive, bulk: bulk, config: config)
    }

    private func holdfast(_ arguments: String...) throws -> (status: Int32, output: String, errors: String) {
        try run(Workbench.holdfast, arguments)
    }

    private func json(_ text: String) throws -> [String: Any] {
        try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any], "\(text)")
    }

    @Test func `status tells people why a lane is held, and doctor repeats it with advice`() async throws {
        let setting = try setting("status")
        let node = try HoldfastNode(setting.bench, config: setting.config)
        try await node.start()
        try await write("weather temperature=21.5,humidity=40", to: node)
        #expect(
            try await eventually(within: 30) {
                let status = try node.status()
                return try status.backend("files").delivered == 2 && !setting.bulk.requests.isEmpty
            })
        var text = ""
        #expect(
            try await eventually(within: 30) {
                text = try holdfast("status", "--data-dir", node.dataFolder).output
                return text.contains("default/search is held: ")
            }, "\(text)")
        #expect(text.hasPrefix("holdfast "))
        #expect(text.contains("listening on 127.0.0.1:\(node.port), data in \(node.dataFolder)"))
        let rows = text.split(separator: "\n").map { $0.split(separator: " ", omittingEmptySubsequences: true) }
        #expect(rows.contains { $0.starts(with: ["TENANT", "BACKEND", "STATE", "PENDING"]) })
        #expect(rows.contains { $0.starts(with: ["default", "search", "held", "2"]) }, "\(text)")
        #expect(rows.contains { $0.starts(with: ["default", "files", "ok", "0"]) }, "\(text)")

        let doctor = try holdfast("doctor", "--config", setting.bench.path("holdfast.yml"))
        #expect(doctor.status == 0, "\(doctor.output)")
        #expect(doctor.output.contains("process \(node.process.processID) holds the data folder"))
        #expect(doctor.output.contains("put right what the backend complains about"))
        let findings = try #require(
            try json(holdfast("doctor", "--json", "--config", setting.bench.path("holdfast.yml")).output)["findings"]
                as? [[String: Any]])
        let levels = Dictionary(
            findings.map { ($0["name"] as? String ?? "", $0["level"] as? String ?? "") }, uniquingKeysWith: { $1 })
        #expect(levels["fsync"] == "ok" || levels["fsync"] == "warning")
        #expect(levels["lock"] == "ok")
        _ = node.process.stop()

        // The node is gone: what it left still says what is owed.
        let left = try node.status()
        #expect(try left.backend("search").pending == 2)
        let stopped = try holdfast("status", "--data-dir", node.dataFolder).output
        #expect(stopped.contains("not running: as it was left in \(node.dataFolder)"))
        setting.bulk.stop()
    }

    @Test func `status of a node that does not answer says that it runs, and its process`() async throws {
        let setting = try setting("silent")
        let node = try HoldfastNode(setting.bench, config: setting.config)
        try await node.start()
        kill(node.process.processID, SIGSTOP)
        defer { kill(node.process.processID, SIGCONT) }
        let answer = try holdfast("status", "--data-dir", node.dataFolder)
        let report = try json(holdfast("status", "--json", "--data-dir", node.dataFolder).output)
        kill(node.process.processID, SIGCONT)
        #expect(answer.status == 0, "\(answer.errors)")
        let words = "runs (PID \(node.process.processID)) and does not answer: as it was last written in"
        #expect(answer.output.contains(words), "\(answer.output)")
        #expect(report["running"] as? Bool == true && report["answers"] as? Bool == false)
        _ = node.process.stop()
        setting.bulk.stop()
    }

    @Test func `a reload changes what it can, names what it cannot, and refuses a mistake whole`() async throws {
        let setting = try setting("reload")
        let node = try HoldfastNode(setting.bench, config: setting.config)
        try await node.start()
        let path = setting.bench.path("holdfast.yml")
        try await write("before v=1", to: node)
        // The credential that the backend wanted, one backend more, and a key that is read at start only.
        let key = setting.bench.path("key")
        let changed = """
            backends:
              files: { type: archive, path: "\(setting.archive)/{tenant}" }
              search: { type: elasticsearch, url: "\(setting.bulk.url)", index: "metrics-{tenant}", api_key: "file:\(key)" }
              more: { type: archive, path: "\(setting.archive)/more/{tenant}" }
            tenants:
              default: { backends: [files, search, more] }
            node: { max_bytes: 1GiB }
            """
        _ = try setting.bench.write("key", "id:key")
        try node.rewrite(config: changed)
        let answer = try holdfast("reload", "--config", path)
        #expect(answer.status == 0, "\(answer.errors)")
        let lines = Set(answer.output.split(separator: "\n").map(String.init))
        #expect(
            lines.isSuperset(of: [
                "backend search changed", "backend more added", "tenant default changed", "reloaded \(path)",
            ]), "\(lines)")
        #expect(lines.contains("node has changed and needs a restart"), "\(lines)")
        // The held lane tries at once.
        #expect(try await node.drain(within: 30).backend("search").delivered == 1)

        // Of another file the node reads nothing, and it must not look as if it had.
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let other = try setting.bench.write("other.yml", text + "alertmanager: { urls: [\"http://127.0.0.1:9\"] }\n")
        let elsewhere = try holdfast("reload", "--config", other)
        #expect(elsewhere.status == 1 && !elsewhere.output.contains("reloaded"), "\(elsewhere)")
        #expect(elsewhere.errors.contains("the node's config is \(path), not \(other)"), "\(elsewhere.errors)")

        try node.rewrite(config: setting.config + "\nnonsense: 1\n")
        let refused = try holdfast("reload", "--config", path)
        #expect(refused.status == 1)
        #expect(refused.errors.contains("nonsense"), "\(refused.errors)")
        // The config from before the mistake goes on: the new backend gets what comes now.
        try await write("after v=1", to: node)
        #expect(try await node.drain(within: 30).backend("more").delivered == 1)
        _ = node.process.stop()
        setting.bulk.stop()
    }

    @Test func `a backend whose type was changed is in the log at the start, and status says what to do`() async throws
    {
        let setting = try setting("type")
        let node = try HoldfastNode(setting.bench, config: setting.config)
        try await node.start()
        try await write("before v=1", to: node)
        _ = node.process.stop()
        try node.rewrite(
            config: setting.config.replacingOccurrences(of: "type: elasticsearch", with: "type: http")
                .replacingOccurrences(of: ", index: \"metrics-{tenant}\"", with: ""))
        try node.process.start()
        #expect(
            try await eventually(within: 30) {
                node.process.lastWords.contains("a backend has another type than the spool knows it with")
            }, "\(node.process.lastWords)")
        #expect(node.process.lastWords.contains("elasticsearch"), "\(node.process.lastWords)")
        var text = ""
        #expect(
            try await eventually(within: 30) {
                _ = try? await Web.post("\(node.url)/write?db=default", "after v=1")
                text = try holdfast("status", "--data-dir", node.dataFolder).output
                return text.contains("is known as elasticsearch, not http")
            }, "\(text)")
        #expect(text.contains("give the new one another name, or this one type elasticsearch again"), "\(text)")
        _ = node.process.stop()
        setting.bulk.stop()
    }

    @Test func `check says what a config means, and where a mistake is`() throws {
        let setting = try setting("check")
        let good = try setting.bench.write("good.yml", "data_dir: /srv/holdfast\n\(setting.config)\n")
        let text = try holdfast("check", good)
        #expect(text.status == 0, "\(text.errors)")
        #expect(text.output.hasPrefix("\(good) is valid.\n"))
        #expect(text.output.contains("  backend search: elasticsearch\n"))
        #expect(text.output.contains("  tenant default: to files, search; open to this machine\n"))
        let summary = try json(holdfast("check", "--json", good).output)
        #expect(summary["ok"] as? Bool == true)
        #expect(summary["data_dir"] as? String == "/srv/holdfast")
        #expect((summary["backends"] as? [[String: String]])?.map { $0["type"] } == ["archive", "elasticsearch"])

        let bad = try setting.bench.write("bad.yml", "data_dir: /srv/holdfast\ntenant: {}\n")
        let mistake = try holdfast("check", bad)
        #expect(mistake.status == 1)
        #expect(mistake.errors.contains("\(bad):2: "))
        #expect(mistake.errors.contains("tenants"))
        let told = try holdfast("check", "--json", bad)
        #expect(told.status == 1)
        #expect(try json(told.output)["line"] as? Int == 2)
        #expect(try holdfast("check", good, bad).status == 2)
        #expect(!FileManager.default.fileExists(atPath: "/srv/holdfast"))
        setting.bulk.stop()
    }

    @Test func `commands that need the daemon say that it does not run, and where they looked`() throws {
        let bench = try Workbench("absent")
        for command in ["status", "reload"] {
            let answer = try holdfast(command, "--data-dir", bench.path("nowhere"))
            #expect(answer.status == 1)
            #expect(answer.errors.contains(bench.path("nowhere")), "\(answer.errors)")
        }
        let doctor = try holdfast("doctor", "--data-dir", bench.path("nowhere"))
        #expect(doctor.status == 0, "\(doctor.output)")
        #expect(doctor.output.contains("does not exist yet"))
        let broken = try holdfast("doctor", "--config", bench.path("missing.yml"))
        #expect(broken.status == 1)
        #expect(broken.output.contains("missing.yml"))
    }

    @Test func `version names the libraries, and a wrong word is wrong usage`() throws {
        let version = try json(holdfast("version", "--json").output)
        let libraries = try #require(version["libraries"] as? [String: String])
        #expect(libraries["sqlite"]?.hasPrefix("3.") == true)
        #expect(Set(libraries.keys).isSuperset(of: ["sqlite", "libmicrohttpd", "libyaml", "zlib", "zstd"]))
        #expect(try holdfast("version").output.hasPrefix("holdfast \(version["version"] as? String ?? "?")\n"))
        let wrong = try holdfast("statsu")
        #expect(wrong.status == 2)
        #expect(wrong.errors.contains("status"))
        #expect(try holdfast("status", "--jsn").status == 2)
        for command in ["check", "doctor", "reload", "run", "status", "version", "bench"] {
            let help = try holdfast("help", command)
            #expect(help.status == 0)
            #expect(help.output.contains("holdfast \(command)"))
        }
    }

    private func write(_ line: String, to node: HoldfastNode) async throws {
        let answer = try await Web.post("\(node.url)/write?db=default", line)
        #expect(answer.status == 204, "\(String(decoding: answer.body, as: UTF8.self))")
    }
}
