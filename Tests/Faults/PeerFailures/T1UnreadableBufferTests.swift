import Metrics
import Synchronization
import TestSupport
import Testing

@testable import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// Buffers that others could not read any more after a crash or a power cut, and wiped, or would not start with.
@Suite struct T1UnreadableBufferTests {
    @Test func `a node that is abandoned twenty times opens each time and wipes nothing`() async throws {
        let node = try RotNode()
        var values: Set<Int> = []
        for life in 0..<20 {
            node.bootID.withLock { $0 = "boot \(life)" }
            let store = try node.open()
            try await store.configure([RotNode.tenant()])
            values.formUnion(try await node.append(5 + life, to: store))
            if life % 3 == 0 { await store.maintain() }
            await node.abandon(store)
        }
        var oracle = RotOracle(node, "abandoned twenty times")
        let outcome = try await oracle.check()
        #expect(outcome.pending["a"] == values.count + 50 && outcome.lost["a"] == 0, "\(outcome)")
        #expect(node.raised("a spool was set aside and a fresh one opened") == 0)
    }

    /// A log whose last transaction a power cut tore, at any length: it was not acknowledged, so nothing is said of it.
    ///
    /// - Parameter torn: what of the transaction's frames reached the disk, in bytes, and how many zeros lie behind that.
    @Test(arguments: [
        (0, 1), (0, 600), (0, 4121), (0, 8000), (1, 30), (24, 0), (24, 4096), (600, 3520), (4119, 1), (4120, 0),
        (4120, 24), (4200, 512),
    ])
    func `a tail torn by a power cut is no damage`(torn: (frames: Int, zeros: Int)) async throws {
        let node = try RotNode()
        let store = try node.open()
        try await store.configure([RotNode.tenant()])
        try await node.append(10, to: store)
        let (log, mark) = (node.spool() + "-wal", node.path + "/sequences/acme.last")
        let disk = Files.system.disk
        let (acknowledged, marked) = (try disk.read(log, limit: 1 << 24), try disk.read(mark, limit: 64))
        let known = node.known.withLock { $0.places }
        try await node.append(300, to: store)
        let written = try disk.read(log, limit: 1 << 24)
        await node.abandon(store)
        // The power went while the second was written: nobody was told of it, nor is the mark's note on the disk.
        node.known.withLock { $0.places = known }
        let tail = written[acknowledged.count...]
        #expect(torn.frames < tail.count - LogFrames.frameBytes, "the commit mark must be gone")
        let left = acknowledged + tail.prefix(torn.frames) + [UInt8](repeating: 0, count: torn.zeros)
        try disk.write(left, to: log)
        try disk.write(marked, to: mark)
        unlink(node.spool() + "-shm")
        node.bootID.withLock { $0 = "after the cut" }
        var oracle = RotOracle(node, "\(torn.frames) bytes of frames and \(torn.zeros) zeros")
        let outcome = try await oracle.check()
        #expect(outcome.lost["a"] == 0 && outcome.pending["a"] == 60, "\(outcome)")
        #expect(node.raised("a spool was set aside and a fresh one opened") == 0)
    }

    /// One bad byte ends others' log for good, invisible in metrics.
    @Test func `one bad byte in the log costs at most the row it is in, and status shows it`() async throws {
        let node = try RotNode()
        let store = try node.open()
        try await store.configure([RotNode.tenant()])
        for _ in 0..<20 { try await node.append(100, to: store) }
        await node.abandon(store)
        let log = node.spool() + "-wal"
        var status = stat()
        #expect(stat(log, &status) == 0)
        let file = open(log, O_RDWR)
        var byte: UInt8 = 0
        let middle = off_t(status.st_size / 2)
        pread(file, &byte, 1, middle)
        byte ^= 0x40
        pwrite(file, &byte, 1, middle)
        close(file)
        var oracle = RotOracle(node, "one bad byte")
        let outcome = try await oracle.check()
        #expect(outcome.lost["a", default: 0] <= 100, "\(outcome)")
        let next = try node.open()
        try await next.configure([RotNode.tenant()])
        let shown = try await next.withSpool("acme") { (spool) async throws(SpoolError) in try await spool.status() }
        #expect(shown.setAsideFiles == 1 && shown.setAsideBytes > 0 && shown.salvaging == 0)
        await next.close()
    }

    @Test func `a salvage that a kill interrupts, at any step, goes on and loses nothing`() async throws {
        for steps in [0, 1, 2, 3, 5] {
            let node = try RotNode()
            let store = try node.open()
            try await store.configure([RotNode.tenant()])
            // More rows than one step of the salvage takes.
            for _ in 0..<600 { try await node.append(3, to: store) }
            await store.close()
            var random = SeededGenerator(seed: UInt64(steps))
            Damage.destroyHeader.apply(to: node.tenantFolder(), spare: node.folder.path, &random)
            let second = try node.open()
            try await second.configure([RotNode.tenant()])
            // Its own task carries over beside this; a kill meets it wherever it is.
            try await second.withSpool("acme") { (spool) async throws(SpoolError) in
                for _ in 0..<steps { _ = try await spool.salvageStep() }
            }
            await node.abandon(second)
            var oracle = RotOracle(node, "killed after \(steps) steps")
            let outcome = try await oracle.check()
            #expect(outcome.lost["a"] == 0 && outcome.pending["a"] == 1850, "\(steps) steps: \(outcome)")
        }
    }

}
