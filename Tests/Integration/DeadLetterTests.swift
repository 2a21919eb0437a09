import Foundation
import TestSupport
import Testing

/// Points that a real Prometheus refuses, and what an operator does with them.
@Suite(.serialized, .timeLimit(.minutes(5))) struct DeadLetterTests {
    private static let shops = 40

    private func holdfast(_ arguments: String...) throws -> (status: Int32, output: String, errors: String) {
        try run(Workbench.holdfast, arguments)
    }

    private func lines(_ text: String) throws -> [[String: Any]] {
        try text.split(separator: "\n").map { line in
            try #require(JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any], "\(line)")
        }
    }

    /// One point of each shop.
    private func send(_ value: Int, at seconds: Int, to node: HoldfastNode) async throws {
        let lines = (0..<DeadLetterTests.shops).map { shop in
            #"{"name":"till_total","labels":{"shop":"s\#(shop)"},"value":\#(value),"timestamp_ms":\#(seconds * 1000)}"#
        }
        let answer = try await Web.post(
            "\(node.url)/api/v1/json", lines.joined(separator: "\n"), headers: ["Content-Type": "application/x-ndjson"])
        #expect(answer.status == 200, "\(String(decoding: answer.body, as: UTF8.self))")
    }

    @Test func `what a Prometheus refuses is listed, shown, exported, and purged`() async throws {
        let bench = try Workbench("dead-letters")
        let receiver = try PrometheusServer(
            bench, name: "receiver", config: "global: {}\n", arguments: ["--web.enable-remote-write-receiver"])
        let node = try HoldfastNode(
            bench,
            config: """
                backends:
                  central: { type: prometheus_remote_write, url: "\(receiver.url)/api/v1/write" }
                tenants:
                  default: { backends: [central] }
                """)
        try await receiver.start()
        try await node.start()
        let now = Int(Date().timeIntervalSince1970)
        try await send(2, at: now, to: node)
        #expect(try await node.drain(within: 60).backend("central").delivered == Self.shops)
        // Behind what it has, by more than its head takes.
        try await send(1, at: now - 3 * 3600, to: node)
        let refused = try await node.drain(within: 120).backend("central")
        #expect(refused.dead == Self.shops && refused.delivered == Self.shops && refused.balances, "\(refused)")

        let folder = ["--data-dir", node.dataFolder]
        let table = try holdfast("dead", "list", folder[0], folder[1])
        #expect(table.status == 0, "\(table.errors)")
        #expect(table.output.split(separator: "\n").count == Self.shops + 1)
        #expect(table.output.contains(#"till_total{shop="s0"}"#), "\(table.output)")
        #expect(table.errors == "\(Self.shops) dead letters\n")
        let few = try holdfast("dead", "list", "--limit", "3", folder[0], folder[1])
        #expect(few.errors == "3 dead letters; there are more\n")

        let match = #"till_total{shop=~"s[12]"}"#
        let two = try lines(holdfast("dead", "list", "--json", "--match", match, folder[0], folder[1]).output)
        #expect(two.count == 2)
        #expect(two.allSatisfy { $0["status"] as? Int == 400 && $0["backend"] as? String == "central" })
        let id = try #require(two.first?["id"] as? String)
        let shown = try holdfast("dead", "show", id, folder[0], folder[1])
        #expect(shown.status == 0, "\(shown.errors)")
        #expect(shown.output.contains("status 400"), "\(shown.output)")
        #expect(try holdfast("dead", "show", "default/99999", folder[0], folder[1]).status == 1)
        try mistakes(folder)
        #expect(try holdfast("dead", "list", "--from", "1h", folder[0], folder[1]).errors == "0 dead letters\n")

        // What is exported can be taken in again, by a node that takes it.
        let export = try holdfast("dead", "export", folder[0], folder[1])
        #expect(export.errors == "\(Self.shops) points exported\n")
        let other = try HoldfastNode(
            bench, name: "other",
            config: "backends: { files: { type: archive } }\ntenants: { default: { backends: [files] } }")
        try await other.start()
        let taken = try await Web.post(
            "\(other.url)/api/v1/json", export.output, headers: ["Content-Type": "application/x-ndjson"])
        #expect(taken.status == 200)
        #expect(try await other.drain(within: 60).backend("files").delivered == Self.shops)
        #expect(other.process.stop() == 0)

        try await purge(match, of: node)
        try await redrive(of: node, receiver)
        #expect(node.process.stop() == 0, "\(node.process.lastWords)")
        // The stopped node's spool is read as it was left.
        let left = try holdfast("dead", "list", folder[0], folder[1])
        #expect(left.errors == "\(Self.shops - 12) dead letters\n", "\(left.errors)")
        try mistakes(folder)
        let refusal = try holdfast("dead", "purge", "--yes", folder[0], folder[1])
        #expect(refusal.status == 1)
        #expect(refusal.errors.contains("no daemon answers"), "\(refusal.errors)")
    }

    /// Of a running node, and of one that has stopped.
    private func mistakes(_ folder: [String]) throws {
        let list = ["dead", "list"] + folder
        let strange = try run(Workbench.holdfast, list + ["--backend", "centrl"])
        #expect(strange.status == 1 && strange.errors.contains("did you mean central?"), "\(strange)")
        let small = try run(Workbench.holdfast, list + ["--reason", "refusd"])
        #expect(small.status == 2 && small.errors.split(separator: "\n").count == 2, "\(small.errors)")
        #expect(small.errors.hasSuffix("`holdfast dead --help` says how it is used.\n"), "\(small.errors)")
    }

    private func purge(_ match: String, of node: HoldfastNode) async throws {
        let folder = node.dataFolder
        let unasked = try holdfast("dead", "purge", "--match", match, "--data-dir", folder)
        #expect(unasked.status == 2)
        #expect(unasked.errors.contains("--yes"), "\(unasked.errors)")
        let dry = try holdfast("dead", "purge", "--dry-run", "--match", match, "--data-dir", folder)
        #expect(dry.output == "2 dead letters would be purged\n", "\(dry.errors)")
        let before = try node.status().backend("central")
        let purged = try holdfast("dead", "purge", "--yes", "--match", match, "--data-dir", folder)
        #expect(purged.output == "2 dead letters were purged\n", "\(purged.errors)")
        let after = try node.status().backend("central")
        #expect(after.dead == before.dead - 2 && after.lost == before.lost + 2 && after.balances, "\(after)")
    }

    /// What was too old goes to the same server as of now, under another label.
    private func redrive(of node: HoldfastNode, _ receiver: PrometheusServer) async throws {
        let words = [
            "dead", "redrive", "--backend", "central", "--match", #"till_total{shop=~"s1[0-9]"}"#, "--rename",
            "shop=store",
            "--earliest", "0s", "--data-dir", node.dataFolder,
        ]
        let dry = try run(Workbench.holdfast, words + ["--dry-run"])
        #expect(dry.output == "10 dead letters would be sent again to central\n", "\(dry.errors)")
        // With what the repair leaves, and to whom.
        let spoiled = try run(Workbench.holdfast, words + ["--dry-run", "--drop-label", "__name__,store,shop"])
        #expect(spoiled.output.hasPrefix("0 dead letters would be") && spoiled.status == 1, "\(spoiled)")
        #expect(spoiled.errors.contains("10 dead letters would stay"), "\(spoiled.errors)")
        let nowhere = try run(Workbench.holdfast, words + ["--dry-run", "--send-to", "nobody"])
        #expect(nowhere.status == 1 && nowhere.errors.contains("no backend \"nobody\""), "\(nowhere.errors)")
        let before = try node.status().backend("central")
        let unknown = try run(Workbench.holdfast, words + ["--send-to", "nobody"])
        #expect(unknown.status == 1 && unknown.errors.contains("no backend \"nobody\""), "\(unknown.errors)")
        let sent = try run(Workbench.holdfast, words + ["--json"])
        #expect(sent.status == 0, "\(sent.errors)")
        let answer = try #require(try lines(sent.output.replacing("\n", with: "") + "\n").first)
        #expect(answer["points"] as? Int == 10 && answer["unfit_points"] as? Int == 0, "\(sent.output)")
        let after = try await node.drain(within: 60).backend("central")
        #expect(after.dead == before.dead - 10 && after.delivered == before.delivered + 10, "\(after)")
        #expect(after.excluded == before.excluded + 10 && after.balances, "\(after)")
        #expect(try await receiver.dump(#"till_total{store=~"s1[0-9]",shop=""}"#).samples == 10)
        // Nothing is left for it to take.
        #expect(try run(Workbench.holdfast, words).output == "0 dead letters are sent again\n")
    }
}
