import Foundation
import TestSupport
import Testing

#if canImport(Glibc)
    import Glibc
#endif

/// Files of another owner, as a command leaves them that somebody ran as root: the node runs as a user who may not use
/// them, says so everywhere, serves everybody else, and goes on by itself once they are given back.
@Suite(.enabled(if: OtherUser.canBeUsed, "running as another user takes root and setpriv"))
struct WrongOwnerTests {
    private static let user = OtherUser.nobody

    private static func config(_ bench: Workbench) throws -> String {
        for tenant in ["one", "two"] { _ = try bench.write("\(tenant).token", "token-of-\(tenant)") }
        return """
            backends:
              gone: { type: influxdb, url: "http://127.0.0.1:9", database: "metrics" }
            tenants:
              one: { credentials: { tokens: ["file:\(bench.path("one.token"))"] } }
              two: { credentials: { tokens: ["file:\(bench.path("two.token"))"] } }
            log: { format: json }
            """
    }

    private static func node(_ bench: Workbench) throws -> HoldfastNode {
        try HoldfastNode(bench, config: config(bench), user: user)
    }

    private static func give(_ path: String, to id: UInt32, mode: mode_t) {
        #expect(chown(path, id, id) == 0 && chmod(path, mode) == 0)
    }

    private static func write(_ tenant: String, _ line: String, to node: HoldfastNode) async throws
        -> (status: Int, body: String)
    {
        let answer = try await Web.post(
            "\(node.url)/write?db=\(tenant)", line, headers: ["Authorization": "Bearer token-of-\(tenant)"])
        return (answer.status, String(decoding: answer.body, as: UTF8.self))
    }

    /// As the user the daemon runs as: the socket is that user's.
    private static func doctor(_ node: HoldfastNode) throws -> String {
        try user.run(["doctor", "--data-dir", node.dataFolder]).output
    }

    @Test func `a node whose data folder is another user's waits, says how to mend it, and starts by itself`()
        async throws
    {
        let bench = try Workbench("owner-folder")
        let node = try Self.node(bench)
        mkdir(node.dataFolder, 0o700)
        try node.process.start()
        #expect(
            try await eventually(within: 60) { (try? await Web.get("\(node.url)/-/healthy"))?.status == 200 },
            "\(node.process.lastWords)")
        let ready = try await Web.get("\(node.url)/-/ready")
        #expect(ready.status == 503)
        #expect(String(decoding: ready.body, as: UTF8.self).contains("Permission denied"))
        #expect(try await Self.write("one", "a v=1", to: node).status == 503)
        let findings = try Self.doctor(node)
        #expect(findings.contains("chown -R \(Self.user.id) \(node.dataFolder)"), "\(findings)")
        Self.give(node.dataFolder, to: Self.user.id, mode: 0o700)
        #expect(try await eventually(within: 60) { await Web.isUp("\(node.url)/-/ready") }, "\(node.process.lastWords)")
        #expect(try await Self.write("one", "a v=1", to: node).status == 204)
        #expect(node.process.stop() == 0)
    }

    /// All that it has used before is its own still, down to the lock: only new names cannot be made.
    @Test func `a node whose data folder became another user's waits, whatever the mode, and starts by itself`()
        async throws
    {
        let bench = try Workbench("owner-again")
        let node = try Self.node(bench)
        mkdir(node.dataFolder, 0o700)
        Self.give(node.dataFolder, to: Self.user.id, mode: 0o700)
        try await node.start()
        #expect(try await Self.write("one", "a v=1", to: node).status == 204)
        #expect(node.process.stop() == 0)
        for mode: mode_t in [0o755, 0o700] {
            Self.give(node.dataFolder, to: 0, mode: mode)
            try node.process.start()
            #expect(
                try await eventually(within: 60) { (try? await Web.get("\(node.url)/-/healthy"))?.status == 200 },
                "\(node.process.lastWords)")
            let refused = try await Self.write("one", "a v=2", to: node)
            #expect(refused.status == 503 && refused.body.contains("Permission denied"), "\(refused)")
            #expect(refused.body.contains("chown -R \(Self.user.id) \(node.dataFolder)"), "\(refused)")
            Self.give(node.dataFolder, to: Self.user.id, mode: 0o700)
            #expect(
                try await eventually(within: 60) { await Web.isUp("\(node.url)/-/ready") }, "\(node.process.lastWords)")
            #expect(try await Self.write("one", "a v=3", to: node).status == 204)
            #expect(node.process.stop() == 0, "\(node.process.lastWords)")
        }
    }

    @Test func `who may not open what the node has is told so, and not that it does not run`() async throws {
        let bench = try Workbench("owner-asks")
        let node = try HoldfastNode(bench, config: "backends: { files: { type: archive } }")
        try bench.letOthersIn()
        try await node.start()
        #expect(try await Web.post("\(node.url)/write?db=default", "a v=1").status == 204)
        for command in [["status"], ["reload"], ["dead", "list"], ["sql", "SELECT 1"], ["audit", "reconcile"]] {
            let answer = try Self.user.run(command + ["--data-dir", node.dataFolder])
            #expect(answer.status == 1, "\(command)")
            #expect(answer.errors.contains("you may not open \(node.dataFolder)/"), "\(command): \(answer.errors)")
            #expect(answer.errors.contains("sudo -u 'root'"), "\(command): \(answer.errors)")
            #expect(!answer.errors.contains("no daemon answers") && !answer.errors.contains("has no spool"))
        }
        let doctor = try Self.user.run(["doctor", "--data-dir", node.dataFolder])
        #expect(doctor.output.contains("it is not known whether a daemon runs: you may not open"), "\(doctor.output)")
        #expect(node.process.stop() == 0)
    }

    /// What is another's, below the data folder.
    struct Stranger: Sendable, CustomTestStringConvertible {
        var path: String
        var mode: mode_t
        var testDescription: String { path }
    }

    @Test(arguments: [
        Stranger(path: "tenants/one", mode: 0o700), Stranger(path: "tenants/one/spool.db", mode: 0o600),
        Stranger(path: "sequences/one", mode: 0o600),
    ])
    func `a tenant whose files are another user's is named with the command that mends it, and nobody else is touched`(
        _ stranger: Stranger
    ) async throws {
        let bench = try Workbench("owner-tenant")
        let node = try Self.node(bench)
        mkdir(node.dataFolder, 0o700)
        Self.give(node.dataFolder, to: Self.user.id, mode: 0o700)
        try await node.start()
        for tenant in ["one", "two"] { #expect(try await Self.write(tenant, "a v=1", to: node).status == 204) }
        #expect(node.process.stop() == 0)
        let path = "\(node.dataFolder)/\(stranger.path)"
        Self.give(path, to: 0, mode: stranger.mode)
        let asRoot = try run(Workbench.holdfast, ["doctor", "--data-dir", node.dataFolder])
        #expect(asRoot.status == 1)
        #expect(asRoot.output.contains("\(path) belongs to user 0"), "\(asRoot.output)")
        #expect(asRoot.output.contains("chown -R \(Self.user.id) \(node.dataFolder)"))

        try await node.start()
        let refused = try await Self.write("one", "a v=2", to: node)
        #expect(refused.status == 503 && refused.body.contains("cannot"), "\(refused)")
        #expect(try await Self.write("two", "a v=2", to: node).status == 204)
        let status = try Self.user.run(["status", "--data-dir", node.dataFolder])
        #expect(status.output.contains("one: its spool cannot be opened"), "\(status.output)")
        #expect(node.process.lastWords.contains("a spool cannot be opened"), "\(node.process.lastWords)")
        let findings = try Self.doctor(node)
        #expect(findings.contains("one: its spool cannot be opened"), "\(findings)")
        #expect(findings.contains("\(path) belongs to user 0"), "\(findings)")

        let processID = node.process.processID
        // The command that doctor named.
        #expect(try run("/bin/chown", ["-R", "\(Self.user.id)", node.dataFolder]).status == 0)
        #expect(
            try await eventually(within: 60) { try await Self.write("one", "a v=3", to: node).status == 204 },
            "\(node.process.lastWords)")
        #expect(node.process.processID == processID && node.process.isRunning)
        let json = try Self.user.run(["status", "--json", "--data-dir", node.dataFolder]).output
        for tenant in ["one", "two"] {
            let found = try NodeStatus(json: json, tenant: tenant)
            #expect(found.accepted == 2 && found.backends.allSatisfy { $0.balances && $0.pending == 2 }, "\(json)")
        }
        #expect(!json.contains("cannot be opened"))
        let left = try FileManager.default.contentsOfDirectory(atPath: "\(node.dataFolder)/tenants/one")
        #expect(left.allSatisfy { !$0.contains("set-aside") }, "\(left)")
        #expect(node.process.stop() == 0)
    }
}
