import TestSupport
import Testing
import WALStore

@testable import Daemon

#if canImport(Glibc)
    import Glibc
#endif

/// Programs beside the daemon that have a spool open: the log cannot be emptied while they read (rules 15, 20).
@Suite struct OutsideReaderTests {
    @Test func `a process that has a spool open is named, with what to do about it`() throws {
        let folder = try TemporaryFolder()
        let tenant = folder.path + "/tenants/acme"
        for path in [folder.path + "/tenants", tenant] { #expect(mkdir(path, 0o700) == 0) }
        // It keeps its standard output open, and writes nothing to it.
        let child = try ChildProcess("/bin/sleep", ["600"], output: .file(tenant + "/spool.db"))
        let holders = OpenFiles.holders(under: folder.path + "/tenants/")
        #expect(holders == ["acme": [Int(child.id)]])
        let remarks = SpoolInspection.look(
            at: "acme", in: folder.path, isLive: true, openedElsewhere: holders["acme"] ?? [])
        let named = try #require(remarks.first { $0.message.contains("process \(child.id) has its spool open") })
        #expect(named.severity == .warning && named.advice.contains("mode=ro"))
        child.kill()
        _ = child.wait()
        #expect(OpenFiles.holders(under: folder.path + "/tenants/").isEmpty)
    }

    @Test(arguments: [
        ("3.6.23", false), ("3.7.0", true), ("3.40.1", true), ("3.44.5", true), ("3.44.6", false), ("3.45.0", true),
        ("3.50.6", true), ("3.50.7", false), ("3.51.2", true), ("3.51.3", false), ("3.52.0", false),
    ])
    func `the engines with the WAL-reset bug are told from those without`(_ version: String, hasBug: Bool) throws {
        let parts = version.split(separator: ".").compactMap { Int($0) }
        #expect(StorageEngine.hasWALResetBug(parts[0] * 1_000_000 + parts[1] * 1000 + parts[2]) == hasBug)
    }
}
