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

    @Test func `a node whose folder a command reads waits for it, and says who reads`() async throws {
        let bench = try Workbench("read-folder")
        let node = try HoldfastNode(bench, config: Self.config)
        try await node.start()
        #expect(node.process.stop() == 0)
        let lock = open(node.dataFolder + "/LOCK", O_RDWR)
        defer { close(lock) }
        #expect(flock(lock, LOCK_EX | LOCK_NB) == 0 && ftruncate(lock, 0) == 0)
        let holder = "4711\nreader\n"
        #expect(write(lock, holder, holder.utf8.count) == holder.utf8.count)
        try await waitAndMend(node, reason: "is being read by process 4711") {
            #expect(flock(lock, LOCK_UN) == 0)
        }
    }

    /// As a disk that begins to fail does to an ext4 with open files: the kernel stops writing.
    @Test(.enabled(if: LoopFileSystem.canBeMade, "it takes root, loop devices and ext4"))
    func `a file system that stops taking writes under a running node costs nothing that was acknowledged`()
        async throws
    {
        let disk = try LoopFileSystem()
        let bench = try Workbench("stopped-disk")
        let node = try HoldfastNode(bench, config: Self.config, dataFolder: disk.path + "/data")
        try await node.start()
        for value in 0..<20 {
            let taken = try await Web.post("\(node.url)/write?db=default", "a,n=\(value) v=\(value)")
            #expect(taken.status == 204)
        }
        try disk.fail()
        // Each of them is answered, none with success, and the process lives.
        for value in 20..<24 {
            let refused = try await Web.post("\(node.url)/write?db=default", "a,n=\(value) v=\(value)")
            #expect(refused.status == 503, "\(String(decoding: refused.body, as: UTF8.self))")
        }
        #expect(await answers(node, "/-/healthy")?.status == 200)
        let doctor = try run(Workbench.holdfast, ["doctor", "--data-dir", node.dataFolder])
        #expect(doctor.status == 1)
        #expect(doctor.output.contains("stopped writing to after an error") && doctor.output.contains("fsck"))
        let status = try run(Workbench.holdfast, ["status", "--data-dir", node.dataFolder])
        #expect(status.output.contains("default: its spool cannot be opened"), "\(status.output)")
        let page = String(decoding: try await Web.get("\(node.url)/metrics").body, as: UTF8.self)
        #expect(page.contains(#"holdfast_spool_unusable{tenant="default"} 1"#))
        #expect(node.process.isRunning)
        _ = node.process.stop()

        try disk.unmount()
        try disk.check()
        try disk.mount()
        try await node.start()
        let more = try await Web.post("\(node.url)/write?db=default", "a,n=24 v=24")
        #expect(more.status == 204)
        let drained = try await node.drain()
        // What was refused is there whole or not at all: a request that failed at its sync may be.
        #expect((21...25).contains(drained.accepted), "\(drained)")
        #expect(drained.backends.allSatisfy { $0.balances && $0.lost == 0 && $0.delivered == drained.accepted })
        let left = try FileManager.default.contentsOfDirectory(atPath: "\(node.dataFolder)/tenants/default")
        #expect(left.allSatisfy { !$0.contains("set-aside") }, "\(left)")
        #expect(node.process.stop() == 0)
        withExtendedLifetime(disk) {}
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

    @Test func `with LOCK deleted beside it a node keeps its folder, and every command knows`() async throws {
        let bench = try Workbench("lock-deleted")
        let node = try HoldfastNode(bench, config: Self.config)
        try await node.start()
        #expect(unlink(node.dataFolder + "/LOCK") == 0)
        func output(_ arguments: String...) throws -> (status: Int32, text: String) {
            let result = try run(Workbench.holdfast, arguments + ["--config", bench.path("holdfast.yml")])
            return (result.status, result.output + result.errors)
        }
        let second = try output("run")
        #expect(second.status == 1 && second.text.contains("is in use by another process"), "\(second)")
        // As if it did not answer: what is left is to look at the lock.
        #expect(unlink(node.dataFolder + "/admin.sock") == 0)
        let status = try output("status")
        #expect(status.text.contains("runs (PID not known) and does not answer"), "\(status)")
        #expect(try output("doctor").text.contains("holds the data folder"))
        let taken = try await Web.post("\(node.url)/write?db=default", "a v=1")
        #expect(taken.status == 204)
        #expect(node.process.stop() == 0)
    }

    @Test func `a data folder that is moved away beside a running node is said loudly, and not made anew`() async throws
    {
        let bench = try Workbench("moved-folder")
        let node = try HoldfastNode(bench, config: Self.config)
        try await node.start()
        #expect(try await Web.post("\(node.url)/write?db=default", "a v=1").status == 204)
        _ = try await node.drain()
        let away = bench.path("away")
        #expect(rename(node.dataFolder, away) == 0)
        #expect(try await Web.post("\(node.url)/write?db=default", "a v=2").status == 503)
        var ready: (status: Int, body: String)?
        #expect(
            try await eventually(within: 30) {
                ready = await answers(node, "/-/ready")
                return ready?.status == 503
            })
        #expect(ready?.body.contains("was moved away or deleted") == true, "\(ready?.body ?? "")")
        #expect(!FileManager.default.fileExists(atPath: node.dataFolder))
        #expect(rename(away, node.dataFolder) == 0)
        #expect(
            try await eventually(within: 30) {
                try await Web.post("\(node.url)/write?db=default", "a v=3").status == 204
            })
        let drained = try await node.drain()
        #expect(drained.accepted >= 2 && drained.backends.allSatisfy { $0.balances && $0.lost == 0 }, "\(drained)")
        #expect(node.process.stop() == 0)
    }
}
