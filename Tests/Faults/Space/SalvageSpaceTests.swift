import Metrics
import TestSupport
import Testing

@testable import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// A damaged spool is carried over into a second file: on a disk without room for it the node starts and waits, and goes
/// on when there is room; whatever the spool's size, little of it is held in memory.
@Suite(.enabled(if: SmallFileSystem.canBeMade, "mounting needs root"))
struct SalvageSpaceTests {
    private static let points = 5000

    /// A spool of about 33 KiB a batch whose first page is garbage.
    private func damagedNode(_ node: FaultStore, batches: Int) async throws {
        let store = try node.openUnlimited()
        try await store.configure([FaultStore.tenant("acme"), FaultStore.tenant("other")])
        for index in 0..<batches {
            let first = index * SalvageSpaceTests.points
            _ = try await store.append(FaultStore.batch(first..<first + SalvageSpaceTests.points), "acme")
        }
        _ = try await store.append(FaultStore.batch(0..<10), "other")
        await store.maintain()
        await store.close()
        var random = SeededGenerator(seed: 1)
        Damage.destroyHeader.apply(to: "\(node.path)/tenants/acme", spare: node.path, &random)
    }

    /// The ballast helps once; what is left after it is the disk's.
    private func fill(_ disk: SmallFileSystem, _ node: FaultStore, sparePages: Int) {
        unlink(node.path + "/ballast")
        _ = disk.fill(spare: sparePages * 4096)
    }

    @Test(arguments: [0, 1, 4, 40, 400])
    func `a salvage without room for a second copy waits, says so, loses nothing, and goes on when there is room`(
        sparePages: Int
    ) async throws {
        let batches = 80
        let disk = try SmallFileSystem(bytes: 40 << 20)
        let node = FaultStore(disk.path + "/data")
        try await damagedNode(node, batches: batches)
        fill(disk, node, sparePages: sparePages)

        let store = try node.openUnlimited()
        try await store.configure([FaultStore.tenant("acme"), FaultStore.tenant("other")])
        // Whoever asks for the tenant is served, or told that the disk is full.
        let new = batches * SalvageSpaceTests.points
        var isStored = false
        switch await Attempted.append(store, FaultStore.batch(new..<new + 10), "acme") {
        case .stored: isStored = true
        case .refused(let error): #expect(error.code == .full, "\(error)")
        }
        for _ in 0..<3 { await store.maintain() }
        let waiting = await store.status("acme")
        let reason = store.problems()["acme"] ?? waiting?.salvageProblem
        let saysWhy = ["full", "No space left", "reserve"].contains { reason?.contains($0) == true }
        #expect(saysWhy, "\(reason ?? "nobody says why")")
        #expect(waiting?.backends.allSatisfy { $0.lostPoints == 0 } ?? true)

        unlink(disk.path + "/filler")
        // No request has to come for that.
        for _ in 0..<3 { await store.maintain() }
        let status = try await store.spoolStatus("acme")
        #expect(status.salvaging == 0 && status.salvageProblem == nil && store.problems().isEmpty)
        #expect(try await store.allLosses("acme").isEmpty)
        let found = try await store.drain("acme")
        #expect(found == Array(0..<new + (isStored ? 10 : 0)), "\(found.count) points")
        #expect(try await store.drain("other") == Array(0..<10))
        #expect(try await store.spoolStatus("acme").backends.allSatisfy { $0.balances && $0.pendingPoints == 0 })
        await store.close()
    }

    @Test func `a salvage holds one transaction's worth of a spool, however long it is`() async throws {
        let folder = try TemporaryFolder()
        let node = FaultStore(folder.path + "/data")
        let batches = 280
        try await damagedNode(node, batches: batches)
        let tenant = "\(node.path)/tenants/acme"
        let name = try #require(try SetAside(folder: tenant, files: .system).perform(wall: 0))
        let job = SalvageJob(
            folder: tenant, files: .system, note: SalvageNote(incarnation: [], names: [name]), tenant: "acme",
            evidence: SalvagedLedger.Evidence(reservedBefore: .max, mark: nil, summary: nil, registrations: []))
        let work = SalvageWork(job)
        var (rows, bytes, most) = (0, 0, 0)
        while try work.fill({ _ in true }) {
            let held = work.waiting.reduce(0) { $0 + $1.payload.count }
            rows += work.waiting.count { $0.table == .batches }
            bytes += held
            most = max(most, held)
            work.waiting = []
        }
        #expect(rows == batches)
        #expect(bytes > 7 << 20, "the spool is longer than what may be held")
        // Rows of one page more than a step takes.
        #expect(most < (4 << 20) + 8 * 48 << 10, "\(most) bytes were held at once")
    }
}
