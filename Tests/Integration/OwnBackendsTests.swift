import Foundation
import TestSupport
import Testing

/// A node that feeds another node over `http` and a program over `exec`, and what of it is killed in the middle.
@Suite(.serialized) struct OwnBackendsTests {
    private static func example(_ name: String) -> String {
        let suffix = "Tests/Integration/OwnBackendsTests.swift"
        return String(#filePath.dropLast(suffix.count)) + "ops/examples/" + name
    }

    @Test func `another node and a program have all that was acknowledged, through kills of each of them`() async throws
    {
        var random = SeededGenerator.fresh()
        let bench = try Workbench("own-backends")
        let second = try HoldfastNode(
            bench, name: "second",
            config: "backends:\n  archive: { type: archive }\ntenants:\n  default: { backends: [archive] }")
        try await second.start()
        let database = bench.path("points.db")
        let first = try HoldfastNode(
            bench, name: "first",
            config: """
                backends:
                  next: { type: http, url: "\(second.url)/api/v1/json", timeout: 5s, max_points: 400 }
                  program:
                    type: exec
                    command: ["\(Self.example("exec_sqlite.py"))", "\(database)"]
                    restart_after: 100ms
                    timeout: 5s
                    max_points: 400
                tenants:
                  default: { backends: [next, program] }
                """)
        try await first.start()

        let ledger = LoadLedger()
        let url = first.url
        async let load: Void = ledger.run(clients: 4, url: url)
        for round in 0..<6 {
            try await Task.sleep(for: .milliseconds(Int.random(in: 200...900, using: &random)))
            switch round % 3 {
            case 0:
                first.process.kill()
                try await first.start()
            case 1:
                second.process.kill()
                try await second.start()
            default: try await Self.killProgram(of: first)
            }
        }
        let beforeTheEnd = await ledger.acknowledged.count
        #expect(try await eventually(within: 30) { await ledger.acknowledged.count > beforeTheEnd + 10 })
        await ledger.stop()
        await load

        let status = try await first.drain()
        _ = try await second.drain()
        for node in [first, second] { #expect(node.process.stop() == 0, "\(node.process.lastWords)") }
        for backend in status.backends {
            #expect(backend.balances, "\(backend), seed \(random.seed)")
            #expect(backend.dead == 0 && backend.lost == 0 && backend.excluded == 0, "\(backend), seed \(random.seed)")
        }
        let archived = try LoadLedger.values(archive: second.archiveFolder)
        let kept = try Self.values(database)
        for (place, values) in [("the second node", archived.values), ("the program", Set(kept))] {
            let perRequest = LoadLedger.perRequest(values)
            let lost = await ledger.acknowledged.filter { perRequest[$0] != LoadLedger.pointsPerRequest }
            #expect(lost.isEmpty, "\(place) has not all of \(lost.count) requests, seed \(random.seed)")
        }
        #expect(kept.count == Set(kept).count, "the program's database has a point twice, seed \(random.seed)")
        #expect(kept.count == status.accepted, "seed \(random.seed)")
        print(
            "own backends: \(status.accepted) points, second node \(archived.values.count) (\(archived.lines) lines), "
                + "program \(kept.count), lost 0, seed \(random.seed)")
    }

    @Test func `a point that a program refuses is a dead letter, and its neighbours are delivered`() async throws {
        let bench = try Workbench("own-verdicts")
        let database = bench.path("points.db")
        let command = "[\"\(Self.example("exec_sqlite.py"))\", \"\(database)\"]"
        let node = try HoldfastNode(
            bench,
            config: """
                backends:
                  program: { type: exec, command: \(command) }
                tenants:
                  default: { backends: [program] }
                """)
        try await node.start()
        let lines = [
            #"{"name":"load","value":1}"#, #"{"name":"word","string":"x"}"#, #"{"name":"load","value":3}"#,
        ]
        let answer = try await Web.post(
            "\(node.url)/api/v1/json", lines.joined(separator: "\n"), headers: ["Content-Type": "application/x-ndjson"])
        #expect(answer.status == 200)
        let program = try await node.drain().backend("program")
        #expect(program.delivered == 2 && program.dead == 1 && program.balances, "\(program)")
        let letters = try run(Workbench.holdfast, ["dead", "list", "--json", "--data-dir", node.dataFolder])
        #expect(letters.output.contains("only numbers are kept here"), "\(letters)")
        #expect(node.process.stop() == 0, "\(node.process.lastWords)")
        #expect(Set(try Self.values(database)) == [1, 3])
    }

    private static func values(_ database: String) throws -> [Int] {
        let result = try ChildProcess.run(
            "/usr/bin/sqlite3", [database, "SELECT CAST(value AS INTEGER) FROM points WHERE name = 'load'"])
        guard result.exit == .exited(0) else { throw TestFailure(result.errors) }
        return result.output.split(separator: "\n").compactMap { Int($0) }
    }

    /// SIGKILL to the one child that the node has, once it has one.
    private static func killProgram(of node: HoldfastNode) async throws {
        let parent = node.process.processID
        var child: pid_t?
        let found = try await eventually(within: 30, every: 0.02) {
            child = Self.child(of: parent)
            return child != nil
        }
        guard found, let child else { throw TestFailure("the node runs no program: \(node.process.lastWords)") }
        kill(child, SIGKILL)
    }

    /// <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>
    private static func child(of parent: pid_t) -> pid_t? {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.lazy.compactMap { pid_t($0) }.first { id in
            guard let stat = FileManager.default.contents(atPath: "/proc/\(id)/stat") else { return false }
            let text = String(decoding: stat, as: UTF8.self)
            guard let name = text.lastIndex(of: ")") else { return false }
            let fields = text[name...].split(separator: " ")
            return fields.count > 2 && fields[1] != "Z" && pid_t(fields[2]) == parent
        }
    }
}
