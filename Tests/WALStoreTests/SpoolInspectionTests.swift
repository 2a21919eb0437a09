import Foundation
import Metrics
import TestSupport
import Testing

@testable import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// What `doctor` says of a folder that no daemon has: one remark a cause, with the path and what mends it.
@Suite(.timeLimit(.minutes(10))) struct SpoolInspectionTests {
    enum Thing: String, CaseIterable { case pipe, folder, file, nowhere, itself }

    /// What a node with a backlog leaves behind when it is stopped.
    private func stoppedNode(_ tenants: [String] = ["acme"]) async throws -> StoreFixture {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        try await store.configure(tenants.map { StoreFixture.tenant($0) })
        for tenant in tenants { _ = try await store.append(Make.batch(0..<10), tenant: tenant) }
        await store.close()
        return fixture
    }

    /// As `doctor` goes through it.
    private func remarks(_ directory: String) -> [SpoolInspection.Remark] {
        if let fault = SpoolInspection.lookAtFolder(directory) { return [fault] }
        let shared = SpoolInspection.lookAtSharedFiles(directory)
        guard shared.tenantsAreThere else { return shared.remarks }
        return shared.remarks
            + SpoolInspection.tenants(in: directory).flatMap {
                SpoolInspection.look(at: $0, in: directory, isLive: false, openedElsewhere: [])
            }
    }

    private func put(_ thing: Thing, at path: String) throws {
        TemporaryFolder.remove(path)
        switch thing {
        case .pipe: #expect(mkfifo(path, 0o600) == 0)
        case .folder: #expect(mkdir(path, 0o700) == 0)
        case .file: try Data("mine".utf8).write(to: URL(fileURLWithPath: path))
        case .nowhere: #expect(symlink("/nowhere/at/all", path) == 0)
        case .itself: #expect(symlink(path, path) == 0)
        }
    }

    @Test func `of a sound spool there is nothing to say, also behind a link`() async throws {
        let fixture = try await stoppedNode()
        #expect(remarks(fixture.path).map(\.severity) == [.fine])
        // Nor is anything left that looks as if it had not been closed.
        for suffix in ["-wal", "-shm"] {
            #expect(!FileManager.default.fileExists(atPath: fixture.spool("acme") + suffix))
        }
        let elsewhere = fixture.folder.path + "/elsewhere.db"
        #expect(rename(fixture.spool("acme"), elsewhere) == 0 && symlink(elsewhere, fixture.spool("acme")) == 0)
        #expect(remarks(fixture.path).map(\.severity) == [.fine])
        #expect(remarks(fixture.folder.path + "/none").isEmpty)
    }

    @Test(
        arguments: [
            "LOCK", "summary", "ballast", "sequences/acme", "sequences/acme.last", "tenants/acme/spool.db",
            "tenants/acme/spool.db-wal", "tenants/acme/spool.db-shm", "tenants/acme/salvage", "tenants/acme/set-aside",
            "tenants/acme/restore",
        ], [Thing.pipe, .folder, .nowhere, .itself])
    func `what is in a file's place is named, once, and blocks nobody`(name: String, thing: Thing) async throws {
        let fixture = try await stoppedNode()
        let path = "\(fixture.path)/\(name)"
        try put(thing, at: path)
        let found = remarks(fixture.path).filter { $0.severity != .fine }
        #expect(found.count == 1, "\(found)")
        let remark = try #require(found.first)
        #expect(remark.message.contains(path) && !remark.advice.isEmpty, "\(remark)")
        // What the daemon moves aside costs nobody anything, the spool's own files apart.
        let isIndex = name.hasSuffix("-shm")
        let isError = thing == .nowhere ? !["summary", "ballast"].contains(name) : name.contains("spool.db")
        #expect(remark.severity == (isError && !isIndex ? .error : .warning), "\(remark)")
        let waits = thing == .nowhere && !isIndex
        #expect(remark.advice.contains(waits ? "Mount the disk" : "moves it aside"), "\(remark)")
    }

    @Test(arguments: ["", "/tenants", "/sequences", "/tenants/acme"], [Thing.pipe, .file, .nowhere, .itself])
    func `what is in a folder's place is named, and nothing in it is called gone`(
        name: String, thing: Thing
    ) async throws {
        let fixture = try await stoppedNode()
        try put(thing, at: fixture.path + name)
        let found = remarks(fixture.path)
        #expect(found.count == 1 && found.first?.severity == .error, "\(found)")
        #expect(found.first?.message.contains("\(fixture.path)\(name) is a ") == true, "\(found)")
        #expect(found.first?.advice.contains("backup") == false, "\(found)")
    }

    @Test(
        .enabled(if: geteuid() == 0, "chown needs root"),
        arguments: [
            "LOCK", "summary", "tenants", "tenants/acme", "tenants/acme/spool.db", "tenants/acme/salvage", "sequences",
            "sequences/acme", "sequences/acme.last",
        ])
    func `what belongs to somebody else is named with its owner and the command that mends it`(
        name: String
    ) async throws {
        let fixture = try await stoppedNode()
        let path = "\(fixture.path)/\(name)"
        if name.hasSuffix("salvage") { try put(.file, at: path) }
        // The daemon's user has the folder; root looks in its place.
        for entry in try FileManager.default.subpathsOfDirectory(atPath: fixture.path) {
            #expect(chown("\(fixture.path)/\(entry)", 65534, 65534) == 0)
        }
        #expect(chown(fixture.path, 65534, 65534) == 0)
        if !name.hasSuffix("salvage") { #expect(remarks(fixture.path).map(\.severity) == [.fine]) }
        let mode: mode_t = name.contains("/acme/") || name.contains("s/acme.") ? 0o600 : 0o700
        #expect(chown(path, 0, 0) == 0 && chmod(path, mode) == 0)
        let found = remarks(fixture.path).filter { $0.severity != .fine }
        #expect(found.count == 1, "\(found)")
        let remark = try #require(found.first)
        #expect(remark.isOfAStranger && remark.message.contains("\(path) belongs to user 0 (mode 0"), "\(remark)")
        #expect(remark.advice.contains("chown ") && remark.advice.contains(" 65534 \(path)"), "\(remark)")
        #expect(remark.severity == (name == "summary" ? .warning : .error))
    }

    @Test func `a damaged log is one finding: what lies behind the damage is not called cut`() async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        try await store.configure([StoreFixture.tenant("acme")])
        for part in 0..<20 { _ = try await store.append(Make.batch(part * 10..<part * 10 + 10), tenant: "acme") }
        let copy = fixture.folder.path + "/killed"
        try FileManager.default.copyItem(atPath: fixture.path, toPath: copy)
        await store.close()
        let log = "\(copy)/tenants/acme/spool.db-wal"
        var bytes = try Data(contentsOf: URL(fileURLWithPath: log))
        bytes[LogFrames.headerBytes + 3 * LogFrames.frameBytes + 1000] ^= 0x40
        try bytes.write(to: URL(fileURLWithPath: log))
        let found = remarks(copy).filter { $0.severity == .error }
        #expect(found.count == 1 && found.first?.message.contains("its log is damaged") == true, "\(found)")
        // One that was cut is still called that.
        try bytes.prefix(LogFrames.headerBytes + 2 * LogFrames.frameBytes).write(to: URL(fileURLWithPath: log))
        let cut = remarks(copy).filter { $0.severity == .error }
        #expect(cut.count == 1 && cut.first?.message.contains("its log was cut") == true, "\(cut)")
    }

    @Test(arguments: [false, true])
    func `another tenant's spool is named as what it is`(isLink: Bool) async throws {
        let fixture = try await stoppedNode(["acme", "other"])
        let (mine, theirs) = (fixture.spool("acme"), fixture.spool("other"))
        #expect(unlink(mine) == 0 && (isLink ? symlink(theirs, mine) : link(theirs, mine)) == 0)
        let found = remarks(fixture.path).filter { $0.severity == .error }
        #expect(found.count == 1 && found.first?.message.contains("the spool of tenant other") == true, "\(found)")
    }

    @Test func `a link to a text is no spool`() async throws {
        let fixture = try await stoppedNode()
        let text = fixture.folder.path + "/text"
        try Data(repeating: 0x61, count: 5000).write(to: URL(fileURLWithPath: text))
        #expect(unlink(fixture.spool("acme")) == 0 && symlink(text, fixture.spool("acme")) == 0)
        let found = remarks(fixture.path)
        #expect(found.count == 1 && found.first?.severity == .error, "\(found)")
        #expect(found.first?.message.contains("cannot be read") == true, "\(found)")
    }
}
