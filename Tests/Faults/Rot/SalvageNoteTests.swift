import TestSupport
import Testing

@testable import WALStore

/// The small file that says what is still to be carried over, when it cannot be read.
@Suite struct SalvageNoteTests {
    private func spoil(_ node: RotNode) throws {
        try Files.system.replace(SalvageNote.path(node.tenantFolder()), with: Array("nonsense\n".utf8))
    }

    /// Six hundred rows, and a header of nonsense: nothing is lost but the way to it.
    private func damagedNode() async throws -> RotNode {
        let node = try RotNode()
        let store = try node.open()
        try await store.configure([RotNode.tenant()])
        for _ in 0..<600 { try await node.append(3, to: store) }
        await store.close()
        var random = SeededGenerator(seed: 1)
        Damage.destroyHeader.apply(to: node.tenantFolder(), spare: node.folder.path, &random)
        return node
    }

    @Test(arguments: [0, 1, 3])
    func `a salvage whose note is spoiled goes on where it was`(steps: Int) async throws {
        let node = try await damagedNode()
        let store = try node.open()
        try await store.configure([RotNode.tenant()])
        try await store.withSpool("acme") { (spool) async throws(SpoolError) in
            for _ in 0..<steps { _ = try await spool.salvageStep() }
        }
        await node.abandon(store)
        // Its own task may have carried over all of it, and have removed the note: this is a salvage still.
        try spoil(node)
        var oracle = RotOracle(node, "a spoiled note after \(steps) steps")
        let outcome = try await oracle.check()
        #expect(outcome.lost["a"] == 0 && outcome.pending["a"] == 1850, "\(steps) steps: \(outcome)")
        #expect(node.raised("a spool was set aside and a fresh one opened") == 1, "its books are written once")
        #expect(!Files.system.names(in: node.tenantFolder()).contains("salvage"))
    }

    @Test func `a note that is spoiled before the books were written still begins the salvage`() async throws {
        let node = try await damagedNode()
        _ = try SetAside(folder: node.tenantFolder(), files: .system).perform(wall: RotNode.start)
        try spoil(node)
        var oracle = RotOracle(node, "a spoiled note before the books")
        let outcome = try await oracle.check()
        #expect(outcome.lost["a"] == 0 && outcome.pending["a"] == 1850, "\(outcome)")
        #expect(node.raised("the note of a salvage was damaged") == 1)
    }

    @Test func `a spoiled note beside a spool that was never salvaged is dropped`() async throws {
        let node = try RotNode()
        let store = try node.open()
        try await store.configure([RotNode.tenant()])
        try await node.append(10, to: store)
        await store.close()
        try spoil(node)
        var oracle = RotOracle(node, "a note of nothing")
        let outcome = try await oracle.check()
        #expect(outcome.lost["a"] == 0 && outcome.pending["a"] == 60, "\(outcome)")
        #expect(node.raised("a spool was set aside and a fresh one opened") == 0)
        #expect(!Files.system.names(in: node.tenantFolder()).contains("salvage"))
    }
}
