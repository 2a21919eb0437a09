import TestSupport
import Testing
import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// The disk itself: the suites above it are worth what it is worth.
struct SimulatedDiskTests {
    @Test func `what was not synced may be lost in a power cut, what was synced never`() throws {
        var outcomes: Set<[UInt8]> = []
        for seed in 0..<200 {
            let disk = SimulatedDisk(seed: UInt64(seed))
            let mount = disk.mount()
            try mount.write([1, 2, 3], to: "/a")
            try mount.syncFolder("/")
            disk.inject(DiskFault(.syncKeepsPages, atCall: 1))
            #expect(throws: FileError(EIO)) { try mount.write([4, 5, 6, 7], to: "/a") }
            disk.restart(.powerCut)
            outcomes.insert(try disk.mount().read("/a", limit: 10))
        }
        #expect(outcomes.contains([1, 2, 3]) && outcomes.contains([4, 5, 6, 7]) && outcomes.count > 3)
    }

    @Test func `a name lasts when its folder was synced, a rename is whole`() throws {
        var kept: Set<[String]> = []
        for seed in 0..<100 {
            let disk = SimulatedDisk(seed: UInt64(seed))
            let mount = disk.mount()
            try mount.write([1], to: "/a")
            try mount.syncFolder("/")
            try mount.write([2], to: "/b")
            try mount.rename("/b", to: "/a")
            disk.restart(.powerCut)
            kept.insert(try disk.mount().names(in: "/"))
            #expect([[1], [2]].contains(try disk.mount().read("/a", limit: 10)))
        }
        #expect(kept == [["a"], ["a", "b"]])
    }

    @Test func `a dead process reaches nothing, and its locks are gone`() throws {
        let disk = SimulatedDisk(seed: 1)
        let first = disk.mount()
        let lock = try first.lock("/LOCK", holder: [])
        #expect(throws: FileError(EWOULDBLOCK)) { _ = try disk.mount().lock("/LOCK", holder: []) }
        disk.cutPower(atCall: 1)
        #expect(throws: FileError(EIO)) { try first.makeFolder("/x") }
        #expect(throws: FileError(EIO)) { try first.makeFolder("/y") }
        disk.restart(.powerCut)
        let second = try disk.mount().lock("/LOCK", holder: [])
        lock.unlock()
        #expect(throws: FileError(EWOULDBLOCK)) { _ = try disk.mount().lock("/LOCK", holder: []) }
        second.unlock()
    }

    @Test func `a full disk says so until there is room`() throws {
        let disk = SimulatedDisk(seed: 1, bytes: 16384)
        let mount = disk.mount()
        try mount.write([UInt8](repeating: 1, count: 8192), to: "/a")
        #expect(throws: FileError(ENOSPC)) { try mount.write([UInt8](repeating: 1, count: 12288), to: "/b") }
        try mount.remove("/a")
        #expect(throws: Never.self) { try mount.write([UInt8](repeating: 1, count: 4096), to: "/b") }
    }

    @Test func `a kill keeps what was written, synced or not`() throws {
        let disk = SimulatedDisk(seed: 1)
        disk.inject(DiskFault(.syncKeepsPages, atCall: 1))
        #expect(throws: FileError(EIO)) { try disk.mount().write([1], to: "/a") }
        disk.restart(.kill)
        #expect(try disk.mount().read("/a", limit: 1) == [1])
    }

    @Test func `after a failed sync the next one succeeds and keeps nothing of it`() throws {
        var lost = 0
        for seed in 0..<50 {
            let disk = SimulatedDisk(seed: UInt64(seed))
            let file = DiskFile(inode: 9)
            [UInt8](repeating: 7, count: 9000).withUnsafeBytes { file.write($0, at: 0) }
            file.dropPending(reached: DiskBytes())
            file.sync()
            #expect(file.content.count == 9000 && file.durable.isEmpty && file.pending.isEmpty)
            // A later write to a page takes the page along.
            [UInt8](repeating: 8, count: 1).withUnsafeBytes { file.write($0, at: 5000) }
            file.sync()
            #expect(file.durable.count == 8192 && file.durable[4096] == 7 && file.durable[0] == 0)
            lost += disk.calls == 0 ? 1 : 0
        }
        #expect(lost == 50)
    }

    @Test func `the same seed and the same calls leave the same disk`() throws {
        func run() throws -> [String] {
            let disk = SimulatedDisk(seed: 5)
            let mount = disk.mount()
            for index in 0..<20 {
                disk.inject(DiskFault(.syncKeepsPages, atCall: 1))
                try? mount.write([UInt8](repeating: UInt8(index), count: 700 * (index + 1)), to: "/f\(index % 4)")
            }
            disk.restart(.powerCut)
            let after = disk.mount()
            return try after.names(in: "/").map { "\($0) \(try after.read("/\($0)", limit: 1 << 20))" }
        }
        #expect(try run() == run())
    }
}
