import Foundation
import TestSupport
import Testing

/// A spool that cannot be opened, on a node that runs: what a monitoring system and an operator see.
@Suite struct UnusableSpoolTests {
    private static let backends = """
        backends:
          gone: { type: influxdb, url: "http://127.0.0.1:9", database: "metrics" }
        """

    private func sample(_ name: String, _ node: HoldfastNode) async throws -> Double? {
        let page = String(decoding: try await Web.get("\(node.url)/metrics").body, as: UTF8.self)
        let line = page.split(separator: "\n").first { $0.hasPrefix("\(name){") }
        return line?.split(separator: " ").last.flatMap { Double($0) }
    }

    private func readiness(_ node: HoldfastNode) async -> (status: Int, body: String) {
        guard let answer = try? await Web.get("\(node.url)/-/ready") else { return (0, "") }
        return (answer.status, String(decoding: answer.body, as: UTF8.self))
    }

    private func status(_ node: HoldfastNode) throws -> String {
        try run(Workbench.holdfast, ["status", "--data-dir", node.dataFolder]).output
    }

    /// In the place of the spool: a link to a disk that is not mounted.
    private func hide(_ spool: String, in bench: Workbench) throws {
        try FileManager.default.moveItem(atPath: spool, toPath: bench.path("kept.db"))
        try FileManager.default.createSymbolicLink(atPath: spool, withDestinationPath: bench.path("disk.db"))
    }

    private func bringBack(_ spool: String, in bench: Workbench) throws {
        try FileManager.default.removeItem(atPath: spool)
        try FileManager.default.moveItem(atPath: bench.path("kept.db"), toPath: spool)
    }

    @Test func `a spool that cannot be opened shows in metrics, readiness and status until it can`() async throws {
        let bench = try Workbench("unusable-spool")
        let node = try HoldfastNode(bench, config: Self.backends)
        try await node.start()
        #expect(try await Web.post("\(node.url)/write?db=default", "weather temperature=21\n").status == 204)
        #expect(try await sample("holdfast_spool_unusable", node) == 0)
        #expect(await readiness(node) == (200, "ready\n"))
        #expect(node.process.stop() == 0)
        let spool = "\(node.dataFolder)/tenants/default/spool.db"
        try hide(spool, in: bench)

        try node.process.start()
        #expect(
            try await eventually(within: 60) { await readiness(node).body.contains("1 of 1 spools cannot be opened") },
            "\(node.process.lastWords)")
        #expect(await readiness(node).status == 503, "there is nobody whom it serves")
        #expect(try await Web.get("\(node.url)/-/healthy").status == 200)
        #expect(try await sample("holdfast_spool_unusable", node) == 1)
        let age = try #require(try await sample("holdfast_oldest_pending_seconds", node))
        #expect(
            try await eventually(within: 60) {
                try await sample("holdfast_oldest_pending_seconds", node) ?? 0 >= age + 1
            })
        let shown = try status(node)
        #expect(shown.contains("default: its spool cannot be opened") && shown.contains("backing_off"), "\(shown)")
        #expect(!shown.contains("was not closed"), "\(shown)")

        // Nobody asks for it, and nothing is restarted.
        try bringBack(spool, in: bench)
        #expect(try await eventually(within: 60) { await readiness(node) == (200, "ready\n") })
        #expect(try await sample("holdfast_spool_unusable", node) == 0)
        #expect(try node.status().backend("gone").pending == 1)
        #expect(node.process.stop() == 0)
    }

    @Test func `one spool that cannot be opened does not take the node from the other tenants`() async throws {
        let bench = try Workbench("unusable-one")
        for tenant in ["one", "two"] { _ = try bench.write("\(tenant).token", "token-of-\(tenant)") }
        let node = try HoldfastNode(
            bench,
            config: Self.backends + """

                tenants:
                  one: { credentials: { tokens: ["file:\(bench.path("one.token"))"] } }
                  two: { credentials: { tokens: ["file:\(bench.path("two.token"))"] } }
                """)
        func write(_ tenant: String) async throws -> Int {
            try await Web.post(
                "\(node.url)/write?db=\(tenant)", "a v=1", headers: ["Authorization": "Bearer token-of-\(tenant)"]
            ).status
        }
        try await node.start()
        for tenant in ["one", "two"] { #expect(try await write(tenant) == 204) }
        #expect(node.process.stop() == 0)
        let spool = "\(node.dataFolder)/tenants/one/spool.db"
        try hide(spool, in: bench)

        try await node.start()
        #expect(
            try await eventually(within: 60) {
                await readiness(node)
                    == (200, "ready, but 1 of 2 spools cannot be opened; `holdfast status` says why\n")
            }, "\(node.process.lastWords)")
        #expect(try await write("one") == 503)
        #expect(try await write("two") == 204)
        let shown = try status(node)
        #expect(shown.contains("one: its spool cannot be opened") && !shown.contains("two: "), "\(shown)")
        #expect(node.process.stop() == 0)

        // It was closed, and what kept it from being opened has gone.
        try bringBack(spool, in: bench)
        let left = try status(node)
        #expect(!left.contains("cannot be opened") && !left.contains("two: "), "\(left)")
        try await node.start()
        #expect(try await write("one") == 204)
        #expect(node.process.stop() == 0)
    }
}
