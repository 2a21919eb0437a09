import Metrics
import Synchronization
import TestSupport
import Testing

@testable import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// Files that are longer than what they take, and things in the places of files.
@Suite struct OddFileTests {
    private func create(_ path: String, length: Int64, _ bytes: [UInt8] = [], at offset: Int64 = 0) {
        let file = Glibc.open(path, O_RDWR | O_CREAT, 0o600)
        defer { close(file) }
        if length > 0 { ftruncate(file, off_t(length)) }
        pwrite(file, bytes, bytes.count, off_t(offset))
    }

    @Test func `what a file does not take of the disk counts in no budget`() async throws {
        let fixture = try StoreFixture()
        let first = try fixture.open()
        let tenants = [StoreFixture.tenant("acme", maximumBytes: 64 << 20), StoreFixture.tenant("other")]
        try await first.configure(tenants)
        _ = try await first.append(Make.batch(0..<100), tenant: "acme")
        await first.close()
        #expect(truncate(fixture.spool("acme"), 60 << 30) == 0)

        let second = try fixture.open()
        try await second.configure(tenants)
        _ = try await second.append(Make.batch(100..<110), tenant: "acme")
        _ = try await second.append(Make.batch(0..<10), tenant: "other")
        #expect(second.nodeUsedBytes < 1 << 30)
        #expect(try await second.drain("acme") == Array(0..<110))
        await second.close()
        #expect(fixture.raised("the disk is full: the ballast was released") == 0)
        #expect(Files.system.taken(fixture.spool("acme")) < 16 << 20)
    }

    @Test func `holes of hundreds of gibibytes are passed over, and the rows behind them found`() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/spool.db"
        let page: Int64 = 70_000_000
        create(path, length: 300 << 30, [1], at: (page - 1) * 4096)
        create(path + "-wal", length: 300 << 30, [1], at: 200 << 30)
        let pages = try DatabasePages(path, .system)
        #expect(pages.next(from: 1) == UInt32(page))
        #expect(pages.next(from: UInt32(page) + 1).map { $0 < UInt32(page) + 1024 } ?? true)
        var scan = SalvageScan(pages, .heads)
        while !scan.isAtEnd { #expect(scan.next().isEmpty) }
    }

    @Test func `a scan ends when the node closes`() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/spool.db"
        create(path, length: 0, [UInt8](repeating: 1, count: 9000))
        create(path + "-wal", length: 0, [UInt8](repeating: 1, count: 9000))
        let files = Files(SystemFileSystem())
        let pages = try DatabasePages(path, files)
        _ = try SalvageSurvey(pages, tenant: "acme", reservedBefore: 1, stop: files.stop)
        files.stop.raise()
        #expect { _ = try LogFrames(path + "-wal", files) } throws: { ($0 as? SpoolError)?.code == .closing }
        #expect {
            _ = try SalvageSurvey(pages, tenant: "acme", reservedBefore: 1, stop: files.stop)
        } throws: {
            ($0 as? SpoolError)?.code == .closing
        }
    }

    @Test func `what is moved aside has the time of the node's clock in its name`() async throws {
        let fixture = try StoreFixture()
        let places = ["LOCK", "summary", "sequences/acme.new"]
        try Files.system.makeFolder(fixture.path + "/sequences")
        for place in places { #expect(mkfifo("\(fixture.path)/\(place)", 0o600) == 0) }
        let store = try fixture.open()
        try await store.configure([StoreFixture.tenant("acme")])
        _ = try await store.append(Make.batch(0..<10), tenant: "acme")
        await store.close()
        for place in places {
            let name = "\(fixture.path)/\(place).in-the-way-\(UTC.name(SpoolFixture.start))"
            #expect(try Files.system.exists(name), "\(Files.system.names(in: Files.parent(of: name)))")
        }
    }

    @Test(.timeLimit(.minutes(5)))
    func `what is no file is never waited for, and never written to`() throws {
        let folder = try TemporaryFolder()
        let (pipe, disk) = (folder.path + "/pipe", SystemFileSystem())
        #expect(mkfifo(pipe, 0o600) == 0)
        for path in [pipe, folder.path, "/dev/zero"] {
            let expected = FileError(path == folder.path ? EISDIR : EINVAL)
            #expect(throws: expected) { try disk.read(path, limit: 10) }
            #expect(throws: expected) { try disk.open(path) }
        }
        for body in [
            { try disk.write([1], to: $0) }, { try disk.note([1], at: $0) }, { try disk.reserve(4096, at: $0) },
            { _ = try disk.lock($0, holder: []) },
        ] as [(String) throws -> Void] {
            #expect(throws: FileError.self) { try body(pipe) }
            #expect(throws: FileError(EISDIR)) { try body(folder.path) }
        }
    }

    @Test func `of two that move a pipe aside, neither moves the file that the other made`() throws {
        let folder = try TemporaryFolder()
        let (path, files) = (folder.path + "/LOCK", Files.system)
        #expect(mkfifo(path, 0o600) == 0)
        // Both have seen the pipe.
        #expect(try files.disk.moveAside(path, to: path + ".1"))
        let lock = try files.disk.lock(path, holder: [1])
        #expect(try !files.disk.moveAside(path, to: path + ".2"))
        #expect(throws: FileError(EWOULDBLOCK)) { try files.disk.lock(path, holder: [2]) }
        lock.unlock()
        #expect(Set(files.names(in: folder.path)) == ["LOCK", "LOCK.1"])
    }

    @Test func `nobody looks at what is in the way in a folder that somebody else has`() throws {
        let folder = try TemporaryFolder()
        let files = Files.system
        let other = try #require(try files.disk.lockFolder(folder.path))
        #expect(mkfifo(folder.path + "/LOCK", 0o600) == 0)
        let error = #expect(throws: SpoolError.self) { try DataFolder(folder.path) }
        #expect(error?.isHeldElsewhere == true && files.names(in: folder.path) == ["LOCK"])
        other.unlock()
        let taken = try DataFolder(folder.path)
        #expect(taken.moved.count == 1)
        taken.unlock()
    }
}
