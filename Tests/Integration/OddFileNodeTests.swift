import Foundation
import Testing

/// The built binary over files that an operator, or somebody else, made odd while it was away.
@Suite final class OddFileNodeTests {
    /// Starts it, takes ten points more, and stops it: nothing is lost.
    private func goesOn(_ node: HoldfastNode) async throws {
        try await node.start()
        try await node.write(300..<310)
        #expect(try await eventually(within: 60) { try node.status().backend("gone").pending == 310 })
        let backend = try node.status().backend("gone")
        #expect(backend.lost == 0 && backend.balances)
        #expect(node.process.stop() == 0, "\(node.process.lastWords)")
    }

    @Test func `pipes in the places of its small files stop no node, no status and no doctor`() async throws {
        let bench = try Workbench("odd-pipes")
        let node = try await HoldfastNode.killed(bench)
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
        let node = try await HoldfastNode.killed(bench)
        let files = FileManager.default
        for part in ["", "-wal"] {
            try files.moveItem(atPath: node.spool + part, toPath: bench.path("moved.db") + part)
        }
        try files.createSymbolicLink(atPath: node.spool, withDestinationPath: bench.path("moved.db"))
        let doctor = try run(Workbench.holdfast, ["doctor", "--data-dir", node.dataFolder])
        #expect(doctor.output.contains("default: its spool was not closed"), "\(doctor.output)")
        try await goesOn(node)
        #expect(try files.destinationOfSymbolicLink(atPath: node.spool) == bench.path("moved.db"))
        let names = try files.contentsOfDirectory(atPath: "\(node.dataFolder)/tenants/default")
        #expect(!names.contains { $0.contains("set-aside") }, "\(names)")
    }

    @Test func `files made longer than any disk cost nothing, and the node ends when asked`() async throws {
        let bench = try Workbench("odd-length")
        let node = try await HoldfastNode.killed(bench)
        #expect(truncate(node.spool, 60 << 30) == 0)
        #expect(truncate(node.spool + "-wal", 300 << 30) == 0)
        let doctor = try run(Workbench.holdfast, ["doctor", "--data-dir", node.dataFolder])
        for part in ["", "-wal"] { #expect(doctor.output.contains("spool.db\(part) is "), "\(doctor.output)") }
        try await goesOn(node)
    }
}
