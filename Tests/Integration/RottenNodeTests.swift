import Foundation
import Testing

/// The built binary over files that went bad while it was away.
@Suite final class RottenNodeTests {
    private func holdfast(_ arguments: String...) throws -> (status: Int32, output: String, errors: String) {
        try run(Workbench.holdfast, arguments)
    }

    @Test func `after a kill, status shows the last numbers and says that they may be old`() async throws {
        let node = try await HoldfastNode.killed(Workbench("rotten-status"))
        let answer = try holdfast("status", "--data-dir", node.dataFolder)
        #expect(answer.status == 0, "\(answer.errors)")
        #expect(answer.output.contains("not running: as it was left in \(node.dataFolder) at 20"), "\(answer.output)")
        #expect(answer.output.contains("default: its spool was not closed"), "\(answer.output)")
        let json = try HoldfastNode.tenant(holdfast("status", "--json", "--data-dir", node.dataFolder).output)
        #expect(json["current"] as? Bool == false)
    }

    @Test func `a header that was overwritten costs nothing, and doctor finds it before the start`() async throws {
        let node = try await HoldfastNode.killed(Workbench("rotten-header"))
        let handle = try FileHandle(forUpdating: URL(fileURLWithPath: node.spool))
        try handle.write(contentsOf: Data(repeating: 0x5a, count: 4096))
        try handle.close()
        try FileManager.default.removeItem(atPath: node.spool + "-shm")
        let doctor = try holdfast("doctor", "--data-dir", node.dataFolder)
        #expect(doctor.output.contains("default: its spool was not closed"), "\(doctor.output)")
        try await node.start()
        try await node.write(300..<310)
        #expect(try await eventually(within: 60) { try node.status().backend("gone").pending == 310 })
        let backend = try node.status().backend("gone")
        #expect(backend.lost == 0 && backend.balances)
        #expect(node.process.stop() == 0)
    }

    @Test func `a spool that is gone is counted lost by what the node remembers of it`() async throws {
        let node = try await HoldfastNode.killed(Workbench("rotten-gone"))
        try FileManager.default.removeItem(atPath: "\(node.dataFolder)/tenants/default")
        let doctor = try holdfast("doctor", "--data-dir", node.dataFolder)
        #expect(doctor.status == 1)
        #expect(doctor.output.contains("default: its spool is gone, and it had one"), "\(doctor.output)")
        try await node.start()
        try await node.write(300..<310)
        #expect(try await eventually(within: 60) { try node.status().backend("gone").lost == 300 })
        let backend = try node.status().backend("gone")
        #expect(backend.pending == 10 && backend.balances)
        let tenant = try HoldfastNode.tenant(holdfast("status", "--json", "--data-dir", node.dataFolder).output)
        #expect(tenant["set_aside_files"] as? Int == 0)
        #expect(node.process.stop() == 0)
    }

    @Test func `a file in the admin socket's place, and a folder in the spool's, do not end the start`() async throws {
        let node = try await HoldfastNode.killed(Workbench("rotten-places"))
        try FileManager.default.removeItem(atPath: node.spool)
        try FileManager.default.createDirectory(atPath: node.spool, withIntermediateDirectories: false)
        try FileManager.default.removeItem(atPath: "\(node.dataFolder)/admin.sock")
        try Data("mine".utf8).write(to: URL(fileURLWithPath: "\(node.dataFolder)/admin.sock"))
        try await node.start()
        try await node.write(300..<310)
        #expect(
            try await eventually(within: 60) {
                let backend = try node.status().backend("gone")
                return backend.balances && backend.pending + backend.lost == 310
            })
        let kept = try FileManager.default.contentsOfDirectory(atPath: node.dataFolder)
        #expect(kept.contains { $0.hasPrefix("admin.sock.in-the-way-") }, "\(kept)")
        let tenant = try HoldfastNode.tenant(holdfast("status", "--json", "--data-dir", node.dataFolder).output)
        #expect(tenant["set_aside_files"] as? Int ?? 0 >= 1, "\(tenant)")
        #expect(node.process.stop() == 0)
    }

    @Test func `status and doctor look at the data also when the config has a mistake`() async throws {
        let bench = try Workbench("rotten-config")
        let node = try await HoldfastNode.killed(bench)
        let path = try bench.write("bad.yml", "data_dir: \(node.dataFolder)\nnonsense: 1\n")
        let status = try holdfast("status", "--config", path)
        #expect(status.status == 0, "\(status.errors)")
        #expect(status.errors.contains("nonsense"))
        #expect(status.output.contains("default"))
        let doctor = try holdfast("doctor", "--config", path)
        #expect(doctor.status == 1)
        #expect(doctor.output.contains("nonsense") && doctor.output.contains("default: its spool was not closed"))
    }
}
