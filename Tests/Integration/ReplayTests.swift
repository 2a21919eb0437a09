import Foundation
import TestSupport
import Testing

/// Backends that lost what they had, or never had it, and a node that still keeps it.
@Suite(.serialized, .timeLimit(.minutes(5))) struct ReplayTests {
    private static let shops = 40
    private static let minutes = 30

    private func holdfast(_ node: HoldfastNode, _ arguments: String...) throws -> (
        status: Int32, output: String, errors: String
    ) {
        try run(Workbench.holdfast, arguments + ["--data-dir", node.dataFolder])
    }

    private func json(_ text: String) throws -> [String: Any] {
        try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any], "\(text)")
    }

    /// A point of each shop for each of the last minutes, oldest first.
    private func fill(_ node: HoldfastNode, until now: Int) async throws {
        for minute in 0..<ReplayTests.minutes {
            let time = (now - (ReplayTests.minutes - minute) * 60) * 1000
            let lines = (0..<ReplayTests.shops).map { shop in
                #"{"name":"till_total","labels":{"shop":"s\#(shop)"},"value":\#(minute),"timestamp_ms":\#(time)}"#
            }
            let answer = try await Web.post(
                "\(node.url)/api/v1/json", lines.joined(separator: "\n"),
                headers: ["Content-Type": "application/x-ndjson"])
            #expect(answer.status == 200, "\(String(decoding: answer.body, as: UTF8.self))")
        }
    }

    private func node(_ bench: Workbench, _ url: String) throws -> HoldfastNode {
        try HoldfastNode(
            bench,
            config: """
                backends:
                  central: { type: prometheus_remote_write, url: "\(url)/api/v1/write" }
                tenants:
                  default: { backends: [central] }
                """)
    }

    @Test func `a VictoriaMetrics that lost its folder is refilled, series by series`() async throws {
        let bench = try Workbench("replay-refill")
        let central = try VictoriaMetrics(bench)
        let node = try node(bench, central.url)
        try await central.start()
        try await node.start()
        try await fill(node, until: Int(Date().timeIntervalSince1970))
        let all = ReplayTests.shops * ReplayTests.minutes
        let before = try await node.drain(within: 60).backend("central")
        #expect(before.delivered == all)
        let held = try await central.dump("till_total")
        #expect(held.samples == all)

        #expect(central.process.stop() == 0)
        try FileManager.default.removeItem(atPath: bench.path("victoria-metrics-data"))
        try await central.start()
        #expect(try await central.dump("till_total").samples == 0)

        let dry = try json(holdfast(node, "replay", "--backend", "central", "--dry-run", "--json").output)
        #expect(dry["points"] as? Int == all && dry["series"] as? Int == ReplayTests.shops, "\(dry)")
        #expect(dry["is_whole"] as? Bool == true && (dry["bytes"] as? Int ?? 0) > 0, "\(dry)")
        #expect(try await central.dump("till_total").samples == 0, "a dry run sends nothing")

        // Some of it first, across a restart of the node.
        let some = try holdfast(
            node, "replay", "--backend", "central", "--match", #"till_total{shop=~"s1[0-9]"}"#, "--rate", "100",
            "--detach")
        #expect(some.output == "replay default/1 has begun\n", "\(some.errors)")
        #expect(
            try await eventually(within: 30) {
                let sent = try json(holdfast(node, "replay", "show", "default/1", "--json").output)["sent_points"]
                return (sent as? Int ?? 0) > 0
            })
        #expect(node.process.stop() == 0, "\(node.process.lastWords)")
        try await node.start()
        var job: [String: Any] = [:]
        let isDone = try await eventually(within: 60) {
            job = try json(holdfast(node, "replay", "show", "default/1", "--json").output)
            return job["state"] as? String == "done"
        }
        #expect(isDone && job["sent_points"] as? Int == 10 * ReplayTests.minutes, "\(job)")
        #expect(job["selected_points"] as? Int == 10 * ReplayTests.minutes, "\(job)")

        let rest = try holdfast(node, "replay", "--backend", "central")
        #expect(rest.status == 0, "\(rest.errors)")
        #expect(rest.output == "replay default/2 is done: 1,200 selected = 1,200 sent\n", "\(rest.output)")
        // What it took in a moment ago it shows in a moment.
        let isRefilled = try await eventually(within: 30) {
            let refilled = try await central.dump("till_total")
            return held.missing(from: refilled).count == 0 && refilled.missing(from: held).count == 0
        }
        #expect(isRefilled)
        // The node's own books are as they were.
        let after = try node.status().backend("central")
        #expect(after.delivered == before.delivered && after.pending == 0 && after.balances, "\(after)")
        let list = try holdfast(node, "replay", "list")
        #expect(list.errors == "2 replays\n" && list.output.split(separator: "\n").count == 3, "\(list.output)")
        #expect(node.process.stop() == 0, "\(node.process.lastWords)")
        #expect(central.process.stop() == 0)
    }

    @Test func `a Prometheus that refuses old points stops the job before it is asked for each`() async throws {
        let bench = try Workbench("replay-refused")
        let receiver = try PrometheusServer(
            bench, name: "receiver", config: "global: {}\n", arguments: ["--web.enable-remote-write-receiver"])
        let node = try node(bench, receiver.url)
        try await receiver.start()
        try await node.start()
        try await fill(node, until: Int(Date().timeIntervalSince1970))
        #expect(try await node.drain(within: 60).backend("central").balances)
        // It has them, and later ones of each series: every point is out of order.
        let replay = try holdfast(node, "replay", "--backend", "central", "--json")
        #expect(replay.status == 1)
        let job = try json(replay.output)
        #expect(job["state"] as? String == "paused", "\(job)")
        #expect((job["problem"] as? String ?? "").contains("refused"), "\(job)")
        #expect((job["dead_points"] as? Int ?? 0) < ReplayTests.shops * ReplayTests.minutes, "\(job)")
        let shown = try json(holdfast(node, "replay", "show", "default/1", "--json").output)
        let refusals = try #require(shown["refusals"] as? [[String: Any]])
        #expect(refusals.first?["series"] as? String == #"till_total{shop="s0"}"#, "\(refusals.prefix(2))")
        #expect(refusals.allSatisfy { $0["status"] as? Int == 400 })
        #expect(try node.status().backend("central").dead == 0)

        let resumed = try holdfast(node, "replay", "resume", "default/1")
        #expect(resumed.output.hasPrefix("replay default/1 is running: "), "\(resumed.errors)")
        let cancelled = try holdfast(node, "replay", "cancel", "default/1")
        #expect(cancelled.output.hasPrefix("replay default/1 is cancelled: "), "\(cancelled.errors)")
        let again = try holdfast(node, "replay", "resume", "default/1")
        #expect(again.status == 1 && again.errors.contains("is over"), "\(again.errors)")
        let nobody = try holdfast(node, "replay", "--backend", "nobody")
        #expect(nobody.status == 1 && nobody.errors.contains("no backend \"nobody\""), "\(nobody.errors)")
        #expect(try holdfast(node, "replay", "show", "default/9").status == 1)
        #expect(node.process.stop() == 0, "\(node.process.lastWords)")
        let stopped = try holdfast(node, "replay", "list")
        #expect(stopped.status == 1 && stopped.errors.contains("no daemon answers"), "\(stopped.errors)")
    }
}
