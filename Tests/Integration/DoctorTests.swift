import Foundation
import TestSupport
import Testing

#if canImport(Glibc)
    import Glibc
#endif

/// `doctor` on the folder of a stopped node whose files, or whose folder, came to belong to somebody else: one finding a
/// cause, whoever looks, and no advice that makes it worse.
@Suite(.enabled(if: OtherUser.canBeUsed, "running as another user takes root and setpriv"))
struct DoctorTests {
    private static let user = OtherUser.nobody

    /// The folder of a node of `user`'s with a point in its spool, stopped.
    private func stoppedNode(_ bench: Workbench) async throws -> String {
        let node = try HoldfastNode(
            bench, config: "backends: { gone: { type: influxdb, url: \"http://127.0.0.1:9\", database: \"metrics\" } }",
            user: Self.user)
        #expect(mkdir(node.dataFolder, 0o700) == 0 && chown(node.dataFolder, Self.user.id, Self.user.id) == 0)
        try await node.start()
        #expect(try await Web.post("\(node.url)/write?db=default", "a v=1").status == 204)
        #expect(node.process.stop() == 0)
        return node.dataFolder
    }

    /// What `doctor` says of a data folder to the daemon's user, and to root.
    private func doctors(_ folder: String) throws -> [(status: Int32, lines: [Substring], output: String)] {
        let arguments = ["doctor", "--data-dir", folder]
        return try [Self.user.run(arguments), run(Workbench.holdfast, arguments)].map {
            ($0.status, $0.output.split(separator: "\n"), $0.output)
        }
    }

    /// What is wrong with the files; how fast the disk is, or how full, is another matter.
    private func wrong(_ lines: [Substring]) -> [Substring] {
        lines.filter { line in
            ["error", "warning"].contains { line.hasPrefix($0) }
                && ["data_dir:", "owner:", "lock:", "spool:"].contains { line.contains(" \($0)") }
        }
    }

    @Test(
        arguments: ["LOCK", "tenants", "tenants/default", "tenants/default/spool.db", "sequences", "sequences/default"])
    func `what belongs to root is named once, with its owner, and nothing is called gone or damaged`(
        name: String
    ) async throws {
        let bench = try Workbench("doctor")
        let folder = try await stoppedNode(bench)
        for doctor in try doctors(folder) {
            #expect(wrong(doctor.lines).isEmpty && doctor.output.contains("1 spools are sound"), "\(doctor.output)")
        }
        #expect(chown("\(folder)/\(name)", 0, 0) == 0)
        for doctor in try doctors(folder) {
            #expect(doctor.status == 1)
            let wrong = wrong(doctor.lines)
            #expect(wrong.count == 1, "\(doctor.output)")
            #expect(wrong.first?.contains("\(folder)/\(name) belongs to user 0") == true, "\(doctor.output)")
            #expect(doctor.output.contains("chown -R \(Self.user.id) \(folder)"), "\(doctor.output)")
            #expect(!doctor.output.contains("backup") && !doctor.output.contains("no daemon has used"))
        }
    }

    @Test func `a folder that was given to root is not made root's as a whole`() async throws {
        let bench = try Workbench("doctor-root")
        let folder = try await stoppedNode(bench)
        for mode: mode_t in [0o755, 0o700] {
            #expect(chown(folder, 0, 0) == 0 && chmod(folder, mode) == 0)
            for doctor in try doctors(folder) {
                #expect(!doctor.output.contains("chown -R 0"), "\(doctor.output)")
                #expect(doctor.output.contains("\(folder) "), "\(doctor.output)")
                #expect(
                    doctor.lines.contains { $0.contains("chown") && $0.contains("\(Self.user.id) \(folder)") },
                    "\(doctor.output)")
            }
        }
    }

    @Test func `a link of root's to the data folder is nothing to mend, and one that leads nowhere is`() async throws {
        let bench = try Workbench("doctor-link")
        let folder = try await stoppedNode(bench)
        let link = bench.path("link")
        #expect(symlink(folder, link) == 0)
        for doctor in try doctors(link) { #expect(!doctor.output.contains("belongs to"), "\(doctor.output)") }
        #expect(rename(folder, bench.path("away")) == 0)
        for doctor in try doctors(link) {
            #expect(doctor.status == 1 && doctor.output.contains("\(link) is a link that leads nowhere"))
        }
    }

    @Test func `a data folder that may not be looked at is not called missing`() async throws {
        let bench = try Workbench("doctor-blind")
        let folder = try await stoppedNode(bench)
        #expect(chmod(bench.folder.path, 0o700) == 0)
        let blind = try Self.user.run(["doctor", "--data-dir", folder])
        #expect(blind.status == 1 && blind.output.contains("\(folder) cannot be looked at: Permission denied"))
        #expect(!blind.output.contains("does not exist"), "\(blind.output)")
        try bench.letOthersIn()
        #expect(rename(folder, bench.path("away")) == 0)
        let missing = try Self.user.run(["doctor", "--data-dir", folder])
        #expect(missing.status == 0 && missing.output.contains("does not exist yet"), "\(missing.output)")
    }
}
