import Foundation
import TestSupport
import Testing

/// `holdfast audit verify`, as an operator uses it: beside the node, and after somebody was at its files.
@Suite(.serialized, .timeLimit(.minutes(3))) struct TamperTests {
    private func node(_ bench: Workbench, key: String) throws -> HoldfastNode {
        try HoldfastNode(
            bench,
            config: """
                chain: { key_file: "\(key)" }
                backends:
                  nobody: { type: prometheus_remote_write, url: "http://127.0.0.1:1/api/v1/write" }
                tenants:
                  default: { backends: [nobody] }
                """)
    }

    private func send(_ first: Int, to node: HoldfastNode) async throws {
        let lines = (first..<first + 20).map {
            #"{"name":"depth","labels":{"n":"\#($0 % 5)"},"value":\#($0),"timestamp_ms":\#(1000 + $0)}"#
        }
        let answer = try await Web.post(
            "\(node.url)/api/v1/json", lines.joined(separator: "\n"), headers: ["Content-Type": "application/x-ndjson"])
        #expect(answer.status == 200)
    }

    @Test func `what somebody changed with the sqlite3 shell is named, and a sound spool gives its anchor`()
        async throws
    {
        let bench = try Workbench("tamper")
        let key = bench.path("chain.key")
        #expect(try run(Workbench.holdfast, ["audit", "key", "--out", key]).status == 0)
        #expect(try run(Workbench.holdfast, ["audit", "key", "--out", key]).status == 2, "a key is not written over")
        let node = try node(bench, key: key)
        func verify(_ arguments: String...) throws -> (status: Int32, output: String, errors: String) {
            try run(
                Workbench.holdfast, ["audit", "verify", "--data-dir", node.dataFolder, "--key", key] + arguments)
        }
        try await node.start()
        for request in 0..<5 { try await send(request * 20, to: node) }
        let live = try verify()
        #expect(live.status == 0 && live.output.contains("no sign of tampering"), "\(live)")
        let anchor = try #require(live.output.firstMatch(of: /anchor (\d+:[0-9a-f]{64})/)).1
        let page = String(decoding: try await Web.get("\(node.url)/metrics").body, as: UTF8.self)
        #expect(page.contains("head=\"\(anchor.split(separator: ":")[1])\""))
        node.process.kill()
        #expect(try verify("--anchor", String(anchor)).status == 0)

        let spool = "\(node.dataFolder)/tenants/default/spool.db"
        let change = "UPDATE receipts SET peer = '10.0.0.1' WHERE id = 3; DELETE FROM batches WHERE sequence = 2;"
        #expect(try run("/usr/bin/sqlite3", [spool, change]).status == 0)
        let found = try verify()
        #expect(found.status == 1 && found.output.contains("default: ALTERED: receipts 3"), "\(found)")
        #expect(found.output.contains("default: REMOVED: batches"))
        let json = try verify("--json")
        #expect(json.status == 1 && json.output.contains(#""sound":false"#), "\(json)")

        let other = bench.path("other.key")
        #expect(try run(Workbench.holdfast, ["audit", "key", "--out", other]).status == 0)
        let stranger = try run(
            Workbench.holdfast, ["audit", "verify", "--data-dir", node.dataFolder, "--key", other])
        #expect(stranger.status == 2 && stranger.errors.contains("does not belong"), "\(stranger)")
    }

    @Test func `what was printed is an anchor, a backup is verified, and a chain or a spool that is gone is missed`()
        async throws
    {
        let bench = try Workbench("remember")
        let key = bench.path("chain.key")
        #expect(try run(Workbench.holdfast, ["audit", "key", "--out", key]).status == 0)
        let node = try node(bench, key: key)
        func holdfast(_ arguments: String...) throws -> (status: Int32, output: String, errors: String) {
            try run(Workbench.holdfast, arguments + ["--data-dir", node.dataFolder])
        }
        func verify(_ arguments: String...) throws -> (status: Int32, output: String, errors: String) {
            try run(
                Workbench.holdfast, ["audit", "verify", "--data-dir", node.dataFolder, "--key", key] + arguments)
        }
        try await node.start()
        for request in 0..<5 { try await send(request * 20, to: node) }

        var files: [String] = []
        for (name, text) in [
            ("lines", try verify().output), ("json", try verify("--json").output),
            ("status", try holdfast("status", "--json").output),
            ("metrics", String(decoding: try await Web.get("\(node.url)/metrics").body, as: UTF8.self)),
        ] {
            files.append(bench.path(name))
            try Data(text.utf8).write(to: URL(fileURLWithPath: bench.path(name)))
        }
        #expect(try holdfast("backup", bench.path("copy")).status == 0)
        let copy = try run(
            Workbench.holdfast, ["audit", "verify", "--key", key, "--file", bench.path("copy/spools/default.db")])
        #expect(copy.status == 0 && copy.output.contains("no sign of tampering"), "\(copy)")
        #expect(node.process.stop() == 0)
        for file in files {
            let found = try verify("--all", "--anchor", file)
            #expect(
                found.status == 0 && found.output.contains("1 of 1 anchor is a link of this chain"), "\(file): \(found)"
            )
        }

        let spool = "\(node.dataFolder)/tenants/default/spool.db"
        var change = "UPDATE spool SET chain_state = NULL; DELETE FROM links;"
        for table in ["batches", "receipts", "deliveries", "dead_letters", "losses", "events", "bases", "base_copies"] {
            change += "UPDATE \(table) SET tag = NULL;"
        }
        #expect(try run("/usr/bin/sqlite3", [spool, change]).status == 0)
        let found = try verify()
        #expect(found.status == 1 && found.output.contains("default: REMOVED: links"), "\(found)")
        try FileManager.default.moveItem(
            atPath: "\(node.dataFolder)/tenants/default", toPath: bench.path("away"))
        let missing = try verify("--all")
        #expect(missing.status == 1 && missing.output.contains("default: REMOVED: spool"), "\(missing)")
    }
}
