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
    @Test func `a node that is killed twenty times opens each time and wipes nothing`() async throws {
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
        var oracle = RotOracle(node, "twenty kills")
        let outcome = try await oracle.check()
        #expect(outcome.pending["a"] == values.count + 50 && outcome.lost["a"] == 0, "\(outcome)")
        #expect(node.raised("a spool was set aside and a fresh one opened") == 0)
    }

    /// A log whose last transaction a power cut tore, at any length: it was not acknowledged, so nothing is said of it.
    @Test func `a tail torn by a power cut is no damage`() async throws {
        for cut in [1, 31, 33, 600, 4119, 4121, 8000] {
            let node = try RotNode()
            let store = try node.open()
            try await store.configure([RotNode.tenant()])
            try await node.append(10, to: store)
            await node.abandon(store)
            let log = node.spool() + "-wal"
            let file = open(log, O_RDWR | O_APPEND)
            // What a torn write leaves behind the last commit: the beginning of a frame, and zeros.
            let bytes = [UInt8](repeating: 0, count: cut)
            #expect(write(file, bytes, cut) == cut)
            close(file)
            node.bootID.withLock { $0 = "after the cut" }
            var oracle = RotOracle(node, "a torn tail of \(cut) bytes")
            let outcome = try await oracle.check()
            #expect(outcome.lost["a"] == 0, "\(outcome)")
            #expect(node.raised("a spool was set aside and a fresh one opened") == 0)
        }
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
