import Synchronization
import TestSupport
import Testing

@testable import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// What the log says of a salvage is what the books say.
@Suite struct SalvageReportTests {
    @Test(arguments: [false, true])
    func `a salvage says at its end what the status calls lost`(keepsBeginning: Bool) async throws {
        let node = try RotNode()
        let tenant = RotNode.tenant(backends: ["a"])
        let first = try node.open()
        try await first.configure([tenant])
        for _ in 0..<40 { try await node.append(1000, to: first) }
        await first.close()
        let second = try node.open()
        try await second.configure([tenant])
        for _ in 0..<3 { try await node.append(1000, to: second) }
        await node.abandon(second)
        // What the log has is left: the newest rows, and not the books of the backend.
        if keepsBeginning { truncate(node.spool(), 100) } else { unlink(node.spool()) }

        var oracle = RotOracle(node, "cut")
        let outcome = try await oracle.check(configuration: tenant)
        let said = node.events.withLock { events in
            events.filter { $0.message == "the salvage of a spool has ended" }.compactMap { $0.metadata["points.lost"] }
        }
        #expect(outcome.lost["a"] ?? 0 > 0)
        #expect(said == [String(outcome.lost["a"] ?? -1)])
    }
}
