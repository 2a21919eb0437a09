import Metrics
import Synchronization
import TestSupport
import Testing

@testable import WALStore

/// What the disk sees of a commit and of the checkpoint behind it (rule 14).
struct CheckpointOrderTests {
    @Test func `an answer goes out before the checkpoint that its commit makes due`() async throws {
        let (disk, clock) = (SimulatedDisk(seed: TestSeed.first), FaultClock())
        let store = try WALStore(
            directory: "/data", node: NodeConfiguration(), time: clock.source, upkeepInterval: nil, disk: disk.mount(),
            events: { _ in })
        try await store.configure([
            SpoolConfiguration(tenant: "acme", backends: [BackendRegistration(name: "a", type: "archive")])
        ])
        try await store.withSpool("acme") { (spool) async throws(SpoolError) in
            await spool.hurryUpkeep(checkpointPages: 1, walCapBytes: 1 << 30, vacuumPages: .max)
        }
        disk.startTrace()
        var answeredAt: [Int] = []
        for number in 0..<5 {
            let request = NumberedPoints.request(number * 10..<number * 10 + 10, id: "\(number)")
            let answered = await withCheckedContinuation { continuation in
                // Called on the writer: what it does after this has a higher number.
                store.append(request, tenant: "acme") { _ in continuation.resume(returning: disk.calls) }
            }
            answeredAt.append(answered)
            await store.settleDown("acme")
        }
        let trace = disk.takeTrace()
        let folded = trace.filter { $0.kind == .write && $0.path.hasSuffix("spool.db") }.map(\.number)
        let committed = trace.filter { $0.kind == .sync && $0.path.hasSuffix("-wal") }.map(\.number)
        #expect(folded.count >= 5)
        for (index, answer) in answeredAt.enumerated() {
            let next = index + 1 < answeredAt.count ? answeredAt[index + 1] : Int.max
            // Of each commit: its sync, the answer, the pages that go to the database, the next commit.
            #expect(committed.contains { $0 <= answer && $0 > (index == 0 ? 0 : answeredAt[index - 1]) })
            #expect(folded.contains { $0 > answer && $0 < next })
        }
        let firstSync = committed.first ?? 0
        #expect(folded.allSatisfy { $0 > answeredAt[0] || $0 < firstSync })
        await store.close()
    }
}
