import Foundation
import TestSupport
import Testing

/// `holdfast backup` and `restore` of the built binary: a node under load, its disk lost, and what comes after.
@Suite(.timeLimit(.minutes(5))) struct BackupTests {
    private func config(_ archive: String) -> String {
        """
        backends:
          files: { type: archive, path: "\(archive)/{tenant}" }
        """
    }

    private func holdfast(_ arguments: String...) throws -> (status: Int32, output: String, errors: String) {
        try run(Workbench.holdfast, arguments)
    }

    private func json(_ text: String) throws -> [String: Any] {
        try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any], "\(text)")
    }

    @Test func `what was acknowledged before a backup reaches the backend, though the disk is lost after it`()
        async throws
    {
        let bench = try Workbench("backup")
        let (first, second) = (bench.path("first"), bench.path("second"))
        let node = try HoldfastNode(bench, config: config(first))
        let file = bench.path("holdfast.yml")
        try await node.start()
        let ledger = LoadLedger()
        let url = node.url
        async let load: Void = ledger.run(clients: 4, url: url)
        #expect(try await eventually(within: 120) { await ledger.acknowledged.count > 50 })
        let before = await ledger.acknowledged
        let backup = bench.path("copy")
        let begun = Date().timeIntervalSince1970
        let made = try holdfast("backup", backup, "--config", file)
        #expect(made.status == 0, "\(made.errors)")
        #expect(made.output.contains("1 tenant, ") && made.output.contains(backup))
        let asked = try json(holdfast("backup", "--progress", "--json", "--config", file).output)
        #expect(asked["phase"] as? String == "done")
        let page = String(decoding: try await Web.get("\(url)/metrics").body, as: UTF8.self)
        let moment = page.split(separator: "\n").first {
            $0.hasPrefix("holdfast_backup_last_success_timestamp_seconds{tenant=\"default\"} ")
        }?.split(separator: " ").last.flatMap { Double($0) }
        #expect(moment.map { begun < $0 && $0 <= Date().timeIntervalSince1970 } == true, "\(moment ?? 0)")
        #expect(await ledger.acknowledged.count >= before.count)
        // The disk goes, with the node and all it took in since.
        await ledger.stop()
        await load
        node.process.kill()
        try FileManager.default.removeItem(atPath: node.dataFolder)

        #expect(try holdfast("backup", "--verify", backup).output.contains("whole and sound"))
        try node.rewrite(config: config(second))
        let dry = try holdfast("restore", backup, "--dry-run", "--config", file)
        #expect(dry.status == 0 && dry.output.contains("default: would be restored"), "\(dry)")
        #expect(!FileManager.default.fileExists(atPath: node.dataFolder))
        let restored = try holdfast("restore", backup, "--config", file)
        #expect(restored.status == 0 && restored.output.contains("default: restored"), "\(restored)")
        #expect(try holdfast("doctor", "--config", file).output.contains("1 spools are sound"))
        try await node.start()
        // A running node is not restored into, and says what to do.
        let refused = try holdfast("restore", backup, "--replace", "--config", file)
        #expect(refused.status == 1 && refused.errors.contains("must be stopped"), "\(refused)")
        let beside = try holdfast("restore", backup, "--replace", "--dry-run", "--config", file)
        #expect(beside.status == 0 && beside.errors.contains("must be stopped before this is done"), "\(beside)")
        #expect(beside.output.contains("it has a spool, which would be renamed and kept"), "\(beside)")
        let status = try await node.drain()
        #expect(node.process.stop() == 0, "\(node.process.lastWords)")
        #expect(try status.backend("files").balances)
        let there = try LoadLedger.values(archive: first).values.union(LoadLedger.values(archive: second).values)
        let whole = LoadLedger.perRequest(there)
        let lost = before.filter { whole[$0] != LoadLedger.pointsPerRequest }
        #expect(lost.isEmpty, "\(lost.count) of \(before.count) requests are not whole")
    }

    @Test func `a backup is cancelled, refused twice at once, and made of a node that was killed`() async throws {
        let bench = try Workbench("backup-cancel")
        let node = try HoldfastNode(bench, config: config(bench.path("files")))
        let file = bench.path("holdfast.yml")
        try await node.start()
        for number in 0..<20 {
            let lines = (0..<500).map { "m,n=\(number),p=\($0) v=\(Double.random(in: 0...1))" }
            let answer = try await Web.post("\(node.url)/write?db=default", lines.joined(separator: "\n"))
            #expect(answer.status == 204)
        }
        // Some four kibibytes a second: it is under way for as long as this takes.
        let slow = bench.program(
            Workbench.holdfast, ["backup", bench.path("slow"), "--rate", "4KiB", "--config", file], name: "slow")
        try slow.start()
        #expect(
            try await eventually(within: 30) {
                FileManager.default.fileExists(atPath: bench.path("slow.partial/spools/default.db"))
            })
        let second = try holdfast("backup", bench.path("second"), "--config", file)
        #expect(second.status == 1 && second.errors.contains("under way"), "\(second)")
        let cancelled = try holdfast("backup", "--cancel", "--config", file)
        #expect(cancelled.status == 0, "\(cancelled)")
        #expect(try await eventually(within: 30) { !slow.isRunning })
        #expect(!FileManager.default.fileExists(atPath: bench.path("slow.partial")))
        #expect(!FileManager.default.fileExists(atPath: bench.path("slow")))
        #expect(
            try holdfast("backup", "\(node.dataFolder)/inside", "--config", file).errors.contains("in the data folder"))

        node.process.kill()
        #expect(try await eventually(within: 30) { !node.process.isRunning })
        let made = try holdfast("backup", bench.path("dead"), "--json", "--config", file)
        #expect(made.status == 0, "\(made)")
        #expect(try json(made.output)["tenants_done"] as? Int == 1)
        // One flipped bit is found, by the command that only looks and by the one that would use it.
        let spool = URL(fileURLWithPath: bench.path("dead/spools/default.db"))
        var bytes = try Data(contentsOf: spool)
        bytes[bytes.count / 2] ^= 1
        try bytes.write(to: spool)
        let verified = try holdfast("backup", "--verify", bench.path("dead"))
        #expect(verified.status == 1 && verified.errors.contains("default: "), "\(verified)")
        let restored = try holdfast("restore", bench.path("dead"), "--replace", "--config", file)
        #expect(restored.status == 1 && restored.errors.contains("nothing was changed"), "\(restored)")
        #expect(try holdfast("backup", "--config", file).status == 2)
        #expect(try holdfast("restore").status == 2)
    }
}
