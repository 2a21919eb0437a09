import Foundation
import Testing

/// The built binary over files that an operator, or somebody else, made odd while it was away.
@Suite final class OddFileNodeTests {
    private static let config = """
        backends:
          gone: { type: influxdb, url: "http://127.0.0.1:9", database: "metrics" }
        tenants:
          default: { backends: [gone] }
        log: { format: json }
        """

    private func write(_ lines: Range<Int>, to node: HoldfastNode) async throws {
        let body = lines.map { "weather,place=p\($0) temperature=\($0)" }.joined(separator: "\n")
        let answer = try await Web.post("\(node.url)/write?db=default", body)
        #expect(answer.status == 204, "\(String(decoding: answer.body, as: UTF8.self))")
    }

    private func spool(_ node: HoldfastNode) -> String { "\(node.dataFolder)/tenants/default/spool.db" }

    /// With 300 points in its spool, killed.
    private func killedNode(_ bench: Workbench) async throws -> HoldfastNode {
        let node = try HoldfastNode(bench, config: OddFileNodeTests.config)
        try await node.start()
        for part in 0..<3 { try await write(part * 100..<part * 100 + 100, to: node) }
        #expect(
            try await eventually(within: 60) { FileManager.default.fileExists(atPath: "\(node.dataFolder)/summary") })
        node.process.kill()
        return node
    }

    /// Starts it, takes ten points more, and stops it: nothing is lost.
    private func goesOn(_ node: HoldfastNode) async throws {
        try await node.start()
        try await write(300..<310, to: node)
        #expect(try await eventually(within: 60) { try node.status().backend("gone").pending == 310 })
        let backend = try node.status().backend("gone")
        #expect(backend.lost == 0 && backend.balances)
        #expect(node.process.stop() == 0, "\(node.process.lastWords)")
    }

    @Test func `pipes in the places of its small files stop no node, no status and no doctor`() async throws {
        let bench = try Workbench("odd-pipes")
        let node = try await killedNode(bench)
        let places = ["summary", "LOCK", "sequences/default", "tenants/default/salvage", "tenants/default/set-aside"]
        for place in places {
            let path = "\(node.dataFolder)/\(place)"
            unlink(path)
            #expect(mkfifo(path, 0o600) == 0)
        }
        for command in ["status", "doctor"] {
            _ = try run(Workbench.holdfast, [command, "--data-dir", node.dataFolder])
        }
        try await goesOn(node)
        for place in places {
            let folder = URL(fileURLWithPath: "\(node.dataFolder)/\(place)").deletingLastPathComponent().path
            let name = URL(fileURLWithPath: place).lastPathComponent
            let names = try FileManager.default.contentsOfDirectory(atPath: folder)
            #expect(names.contains { $0.hasPrefix("\(name).in-the-way-") }, "\(names)")
        }
    }

    @Test func `a spool moved to another disk, behind a link, goes on with its log`() async throws {
        let bench = try Workbench("odd-link")
        let node = try await killedNode(bench)
        let files = FileManager.default
        for part in ["", "-wal"] {
            try files.moveItem(atPath: spool(node) + part, toPath: bench.path("moved.db") + part)
        }
        try files.createSymbolicLink(atPath: spool(node), withDestinationPath: bench.path("moved.db"))
        let doctor = try run(Workbench.holdfast, ["doctor", "--data-dir", node.dataFolder])
        #expect(doctor.output.contains("default: its spool was not closed"), "\(doctor.output)")
        try await goesOn(node)
        #expect(try files.destinationOfSymbolicLink(atPath: spool(node)) == bench.path("moved.db"))
        let names = try files.contentsOfDirectory(atPath: "\(node.dataFolder)/tenants/default")
        #expect(!names.contains { $0.contains("set-aside") }, "\(names)")
    }

    @Test func `files made longer than any disk cost nothing, and the node ends when asked`() async throws {
        let bench = try Workbench("odd-length")
        let node = try await killedNode(bench)
        #expect(truncate(spool(node), 60 << 30) == 0)
        #expect(truncate(spool(node) + "-wal", 300 << 30) == 0)
        let doctor = try run(Workbench.holdfast, ["doctor", "--data-dir", node.dataFolder])
        for part in ["", "-wal"] { #expect(doctor.output.contains("spool.db\(part) is "), "\(doctor.output)") }
        try await goesOn(node)
    }
}
