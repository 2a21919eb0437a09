import Foundation
import Testing

/// The built binary over files that went bad while it was away.
@Suite final class RottenNodeTests {
    /// Its folder lives as long as the test.
    private var bench: Workbench?

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

    /// A node with 300 points in its spool, killed.
    private func killedNode(_ name: String) async throws -> (Workbench, HoldfastNode) {
        let bench = try Workbench(name)
        self.bench = bench
        let node = try HoldfastNode(bench, config: RottenNodeTests.config)
        try await node.start()
        for part in 0..<3 { try await write(part * 100..<part * 100 + 100, to: node) }
        // The summary is written once a second.
        #expect(
            try await eventually(within: 60) {
                try Self.tenant(holdfast("status", "--json", "--data-dir", node.dataFolder).output)["accepted_points"]
                    as? Int == 300 && FileManager.default.fileExists(atPath: "\(node.dataFolder)/summary")
            })
        node.process.kill()
        return (bench, node)
    }

    private func holdfast(_ arguments: String...) throws -> (status: Int32, output: String, errors: String) {
        try run(Workbench.holdfast, arguments)
    }

    private static func tenant(_ json: String) throws -> [String: Any] {
        let object = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any]
        return (object?["tenants"] as? [[String: Any]])?.first ?? [:]
    }

    @Test func `after a kill, status shows the last numbers and says that they may be old`() async throws {
        let (_, node) = try await killedNode("rotten-status")
        let answer = try holdfast("status", "--data-dir", node.dataFolder)
        #expect(answer.status == 0, "\(answer.errors)")
        #expect(answer.output.contains("not running: as it was left in \(node.dataFolder) at 20"), "\(answer.output)")
        #expect(answer.output.contains("default: its spool was not closed"), "\(answer.output)")
        let json = try Self.tenant(holdfast("status", "--json", "--data-dir", node.dataFolder).output)
        #expect(json["current"] as? Bool == false)
    }

    @Test func `a header that was overwritten costs nothing, and doctor finds it before the start`() async throws {
        let (_, node) = try await killedNode("rotten-header")
        let handle = try FileHandle(forUpdating: URL(fileURLWithPath: spool(node)))
        try handle.write(contentsOf: Data(repeating: 0x5a, count: 4096))
        try handle.close()
        try FileManager.default.removeItem(atPath: spool(node) + "-shm")
        let doctor = try holdfast("doctor", "--data-dir", node.dataFolder)
        #expect(doctor.output.contains("default: its spool was not closed"), "\(doctor.output)")
        try await node.start()
        try await write(300..<310, to: node)
        #expect(try await eventually(within: 60) { try node.status().backend("gone").pending == 310 })
        let backend = try node.status().backend("gone")
        #expect(backend.lost == 0 && backend.balances)
        #expect(node.process.stop() == 0)
    }

    @Test func `a spool that is gone is counted lost by what the node remembers of it`() async throws {
        let (_, node) = try await killedNode("rotten-gone")
        try FileManager.default.removeItem(atPath: "\(node.dataFolder)/tenants/default")
        let doctor = try holdfast("doctor", "--data-dir", node.dataFolder)
        #expect(doctor.status == 1)
        #expect(doctor.output.contains("default: its spool is gone, and it had one"), "\(doctor.output)")
        try await node.start()
        try await write(300..<310, to: node)
        #expect(try await eventually(within: 60) { try node.status().backend("gone").lost == 300 })
        let backend = try node.status().backend("gone")
        #expect(backend.pending == 10 && backend.balances)
        let tenant = try Self.tenant(holdfast("status", "--json", "--data-dir", node.dataFolder).output)
        #expect(tenant["set_aside_files"] as? Int == 0)
        #expect(node.process.stop() == 0)
    }

    @Test func `a file in the admin socket's place, and a folder in the spool's, do not end the start`() async throws {
        let (_, node) = try await killedNode("rotten-places")
        try FileManager.default.removeItem(atPath: spool(node))
        try FileManager.default.createDirectory(atPath: spool(node), withIntermediateDirectories: false)
        try FileManager.default.removeItem(atPath: "\(node.dataFolder)/admin.sock")
        try Data("mine".utf8).write(to: URL(fileURLWithPath: "\(node.dataFolder)/admin.sock"))
        try await node.start()
        try await write(300..<310, to: node)
        #expect(
            try await eventually(within: 60) {
                let backend = try node.status().backend("gone")
                return backend.balances && backend.pending + backend.lost == 310
            })
        let kept = try FileManager.default.contentsOfDirectory(atPath: node.dataFolder)
        #expect(kept.contains { $0.hasPrefix("admin.sock.in-the-way-") }, "\(kept)")
        let tenant = try Self.tenant(holdfast("status", "--json", "--data-dir", node.dataFolder).output)
        #expect(tenant["set_aside_files"] as? Int ?? 0 >= 1, "\(tenant)")
        #expect(node.process.stop() == 0)
    }

    @Test func `status and doctor look at the data also when the config has a mistake`() async throws {
        let (bench, node) = try await killedNode("rotten-config")
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
