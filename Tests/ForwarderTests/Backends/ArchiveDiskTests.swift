import Forwarder
import Metrics
import Synchronization
import TestSupport
import Testing
import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// The archive on disks that are full, small or gone.
@Suite(.timeLimit(.minutes(10)))
struct ArchiveDiskTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func make(_ values: [String: String] = [:], _ environment: BackendEnvironment = BackendEnvironment()) throws
        -> any Backend
    {
        try BackendFixture.make(
            "archive", ["path": folder.path + "/{tenant}"].merging(values) { $1 }, environment: environment)
    }

    private func bulky(_ sequence: Int64, tenant: String = "acme") -> Chunk {
        BackendFixture.chunk(
            BackendFixture.samples((0..<100).map(Double.init)), tenant: tenant, sequence: sequence)
    }

    @Test(.enabled(if: SmallDisk.canBeMade, "mounting needs root"))
    func `a full disk takes nothing by halves, and what waited is written once there is room`() async throws {
        let disk = try SmallDisk(at: folder.path + "/acme", bytes: 64 << 10)
        let backend = try make()
        var written: Int64 = 0
        var refusal: String?
        while refusal == nil, written < 100 {
            switch await BackendFixture.deliver(backend, bulky(written)) {
            case .delivered: written += 1
            case .retry(_, let reason): refusal = reason
            case let other: Issue.record("\(other)")
            }
        }
        #expect(written > 0)
        #expect(refusal?.contains("No space left on device") == true)
        let before = try ArchiveFiles.content(disk.path)
        #expect(before.split(separator: 10).count == Int(written) * 100)
        #expect(before.last == 10)
        try disk.resize(bytes: 1 << 20)
        #expect(await BackendFixture.deliver(backend, bulky(written)) == .delivered)
        let after = try ArchiveFiles.content(disk.path)
        #expect(after.starts(with: before))
        #expect(after.split(separator: 10).count == Int(written + 1) * 100)
    }

    @Test(.enabled(if: SmallDisk.canBeMade, "mounting needs root"))
    func `a disk that turns read-only is tried again and written to when it is back`() async throws {
        let disk = try SmallDisk(at: folder.path + "/acme", bytes: 1 << 20)
        #expect(await BackendFixture.deliver(try make(), bulky(1)) == .delivered)
        try await ArchiveFiles.closed(below: folder.path)
        try disk.setReadOnly(true)
        let backend = try make()
        guard case .retry(_, let reason) = await BackendFixture.deliver(backend, bulky(2)) else {
            Issue.record("nothing can be written")
            return
        }
        #expect(reason.contains("Read-only file system"))
        try disk.setReadOnly(false)
        #expect(await BackendFixture.deliver(backend, bulky(2)) == .delivered)
        #expect(try ArchiveFiles.content(disk.path).split(separator: 10).count == 200)
    }

    @Test func `a file that cannot be fsynced is no delivery`() async throws {
        // A device takes every byte and cannot be fsynced; the archive's newest file is one.
        let home = folder.path + "/acme"
        mkdir(home, 0o700)
        let name = home + "/archive-00000001-1790000000.ndjson"
        #expect(symlink("/dev/null", name) == 0)
        guard case .retry(_, let reason) = await BackendFixture.deliver(try make(), bulky(1)) else {
            Issue.record("nothing is kept")
            return
        }
        #expect(reason.hasPrefix("sync \(name): "))
    }

    @Test func `what is archived decodes to the identical batch`() async throws {
        var random = SeededGenerator.fresh()
        var batch = Batch()
        // Tables in the order of their first use, which is the order a reader meets them in.
        batch.merge(RandomBatch.make(points: 500, series: 30, using: &random))
        // Two requests: the cut loses nothing, and metadata is in one of them.
        let chunk = BackendFixture.chunk(batch, runs: 2)
        let backend = try make()
        for run in chunk.runs {
            var part = chunk
            part.runs = [run]
            #expect(await BackendFixture.deliver(backend, part) == .delivered)
        }
        let read = try WireDecoding.records(try ArchiveFiles.content(folder.path + "/acme"))
        #expect(read.refusals.isEmpty, "seed \(random.seed)")
        #expect(read.batch.lines == batch.lines, "seed \(random.seed)")
        #expect(read.batch.metadata == batch.metadata, "seed \(random.seed)")
        #expect(read.batch.points.bits.count == batch.points.bits.count)
        #expect(Set(read.batch.exemplars.map(\.valueBits)) == Set(batch.exemplars.map(\.valueBits)))
    }

    @Test func `a folder stays within max_bytes, and each deleted file is named in an event`() async throws {
        let events = Recorder<Event>()
        let environment = BackendEnvironment(events: { events.record($0) })
        let backend = try make(["rotate_size": "16KiB", "max_bytes": "64KiB"], environment)
        var made = Set<String>()
        for sequence in 0..<40 {
            #expect(await BackendFixture.deliver(backend, bulky(Int64(sequence))) == .delivered)
            #expect(try ArchiveFiles.content(folder.path + "/acme").count <= 64 << 10)
            made.formUnion(try ArchiveFiles.names(folder.path + "/acme"))
        }
        let left = Set(try ArchiveFiles.names(folder.path + "/acme"))
        let deleted = events.elements.compactMap { $0.metadata["archive.file"] }
        #expect(!deleted.isEmpty)
        #expect(deleted == made.subtracting(left).sorted())
        #expect(events.elements.allSatisfy { $0.metadata["tenant"] == "acme" && $0.metadata["backend"] == "b" })
    }

    @Test(arguments: ["delete", "move", "cut", "replace"])
    func `what was written on into a file that is gone or cut is no delivery`(deed: String) async throws {
        let backend = try make()
        #expect(await BackendFixture.deliver(backend, bulky(1)) == .delivered)
        let home = folder.path + "/acme"
        let name = try #require(try ArchiveFiles.names(home).last)
        switch deed {
        case "delete": #expect(unlink("\(home)/\(name)") == 0)
        case "move": #expect(rename("\(home)/\(name)", folder.path + "/away") == 0)
        case "cut": #expect(truncate("\(home)/\(name)", 100) == 0)
        default:
            #expect(rename("\(home)/\(name)", folder.path + "/away") == 0)
            close(open("\(home)/\(name)", O_WRONLY | O_CREAT, 0o600))
        }
        guard case .retry(_, let reason) = await BackendFixture.deliver(backend, bulky(2)) else {
            Issue.record("delivered, but not there")
            return
        }
        #expect(reason.contains(name))
        // Opened anew, what is delivered is there; also when it had been delivered before.
        #expect(await BackendFixture.deliver(backend, bulky(2)) == .delivered)
        #expect(await BackendFixture.deliver(backend, bulky(1)) == .delivered)
        let content = try ArchiveFiles.content(home)
        #expect(content.split(separator: 10).count == 200, "each line once, the torn one cut")
    }

    @Test(.enabled(if: SmallDisk.canBeMade, "mounting needs root"))
    func `an archive that has filled its disk deletes its oldest file and goes on`() async throws {
        let disk = try SmallDisk(at: folder.path + "/acme", bytes: 4 << 20)
        let events = Recorder<Event>()
        let backend = try make(["rotate_size": "2MiB"], BackendEnvironment(events: { events.record($0) }))
        let points = BackendFixture.samples((0..<4000).map(Double.init))
        for sequence in 0..<40 {
            let chunk = BackendFixture.chunk(points, tenant: "acme", sequence: Int64(sequence))
            #expect(await BackendFixture.deliver(backend, chunk) == .delivered, "request \(sequence)")
        }
        let deleted = events.elements.filter {
            $0.message == "The archive deleted its oldest file because there was no space for the next"
        }
        #expect(!deleted.isEmpty && deleted.allSatisfy { $0.metadata["archive.file"] != nil })
        let left = try ArchiveFiles.content(disk.path)
        #expect(left.count > 1 << 20 && left.last == 10, "no torn line, and not all of it went")
    }

    @Test func `a file older than rotate_after is closed, however small`() async throws {
        let now = Mutex<Int64>(1_790_000_000_000_000_000)
        let time = TimeSource(wall: { now.withLock { $0 } }, boot: { 0 }, bootID: { "a boot" })
        let backend = try make(["rotate_after": "60s"], BackendEnvironment(time: time))
        for (wait, files) in [(0, 1), (59, 1), (1, 2), (3600, 3)] as [(Int64, Int)] {
            now.withLock { $0 += wait * 1_000_000_000 }
            #expect(await BackendFixture.deliver(backend, bulky(Int64(files) * 100 + wait)) == .delivered)
            #expect(try ArchiveFiles.names(folder.path + "/acme").count == files)
        }
    }

    @Test func `seventy tenants hold sixty-four folders open, and each one's points are in its own`() async throws {
        let backend = try make()
        for round in 0..<2 {
            for tenant in 0..<70 {
                #expect(
                    await BackendFixture.deliver(backend, bulky(Int64(round), tenant: "tenant-\(tenant)")) == .delivered
                )
            }
            // The newest file and the lock of each.
            #expect(try ArchiveFiles.openDescriptors(below: folder.path) == 2 * 64)
        }
        for tenant in 0..<70 {
            let content = try ArchiveFiles.content("\(folder.path)/tenant-\(tenant)")
            #expect(content.split(separator: 10).count == 200)
        }
    }
}
