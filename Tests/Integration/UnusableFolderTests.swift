import Foundation
import TestSupport
import Testing

#if canImport(Glibc)
    import Glibc
#endif

/// A data folder that cannot be used when the node starts: it waits, says why, and starts to work by itself.
@Suite struct UnusableFolderTests {
    private static let config = """
        backends: { files: { type: archive } }
        tenants: { default: { backends: [files] } }
        """

    private func answers(_ node: HoldfastNode, _ path: String) async -> (status: Int, body: String)? {
        guard let answer = try? await Web.get(node.url + path) else { return nil }
        return (answer.status, String(decoding: answer.body, as: UTF8.self))
    }

    /// Until the node waits, then `mend`, then until it takes data.
    private func waitAndMend(_ node: HoldfastNode, reason: String, mend: () throws -> Void) async throws {
        try node.process.start()
        var ready: (status: Int, body: String)?
        #expect(
            try await eventually(within: 60) {
                ready = await answers(node, "/-/ready")
                return ready != nil
            }, "\(node.process.lastWords)")
        #expect(ready?.status == 503)
        #expect(ready?.body.contains(reason) == true, "\(ready?.body ?? "")")
        #expect(await answers(node, "/-/healthy")?.status == 200)
        let refused = try await Web.post("\(node.url)/write?db=default", "a v=1")
        #expect(refused.status == 503)
        #expect(node.process.isRunning)
        try mend()
        #expect(try await eventually(within: 60) { await Web.isUp("\(node.url)/-/ready") }, "\(node.process.lastWords)")
        let taken = try await Web.post("\(node.url)/write?db=default", "a v=1")
        #expect(taken.status == 204)
        #expect(node.process.stop() == 0)
    }

    @Test(.enabled(if: SmallFileSystem.canBeMade, "mounting needs root"))
    func `a node on a read-only file system waits, and works when it is writable again`() async throws {
        let disk = try SmallFileSystem(bytes: 64 << 20)
        let bench = try Workbench("read-only")
        let node = try HoldfastNode(bench, name: "ro", config: Self.config, dataFolder: disk.path + "/data")
        #expect(mount(nil, disk.path, nil, UInt(MS_REMOUNT) | UInt(MS_RDONLY), nil) == 0)
        let doctor = try run(Workbench.holdfast, ["doctor", "--data-dir", disk.path])
        #expect(doctor.status == 1)
        #expect(doctor.output.contains("mounted read-only") && !doctor.output.contains("chown"), "\(doctor.output)")
        try await waitAndMend(node, reason: "Read-only file system") {
            #expect(mount(nil, disk.path, nil, UInt(MS_REMOUNT), nil) == 0)
        }
    }

    @Test func `a node whose folder is a file waits until that has gone`() async throws {
        let bench = try Workbench("in-the-way")
        let node = try HoldfastNode(bench, config: Self.config)
        try Data("mine".utf8).write(to: URL(fileURLWithPath: node.dataFolder))
        try await waitAndMend(node, reason: "it is no folder") {
            try FileManager.default.removeItem(atPath: node.dataFolder)
        }
    }

    @Test func `a waiting node ends when it is asked to`() async throws {
        let bench = try Workbench("waiting-end")
        let node = try HoldfastNode(bench, config: Self.config)
        try Data("mine".utf8).write(to: URL(fileURLWithPath: node.dataFolder))
        try node.process.start()
        #expect(try await eventually(within: 60) { await answers(node, "/-/healthy")?.status == 200 })
        #expect(node.process.stop() == 0, "\(node.process.lastWords)")
    }

    @Test func `a second node on a folder that is in use ends, and says who has it`() async throws {
        let bench = try Workbench("in-use")
        let node = try HoldfastNode(bench, config: Self.config)
        try await node.start()
        let second = try run(Workbench.holdfast, ["run", "--config", bench.path("holdfast.yml")])
        #expect(second.status == 1)
        #expect(second.errors.contains("process \(node.process.processID)"), "\(second.errors)")
        #expect(node.process.stop() == 0)
    }
}
