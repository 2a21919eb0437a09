import Metrics
import TestSupport
import Testing

@testable import WALStore

/// Found by the simulator: one failed read of a stored block ended its points as lost.
struct ReadFailureTests {
    /// A spool with one row that is in nobody's memory.
    private func store(on disk: SimulatedDisk) async throws -> WALStore {
        for isLast in [false, true] {
            let store = try WALStore(
                directory: "/data", node: NodeConfiguration(), upkeepInterval: nil, disk: disk.mount(),
                events: { _ in })
            try await store.configure([
                SpoolConfiguration(
                    tenant: "acme", backends: [BackendRegistration(name: "a", type: "influxdb")])
            ])
            if isLast { return store }
            let request = SimulatedRequest(id: "a", tenant: "acme", numbers: 100..<150)
            let append = request.append(series: 3, bulk: "")
            _ = try await store.withSpool("acme") { (spool) async throws(SpoolError) in try await spool.append(append) }
            await store.close()
            disk.restart(.kill)
        }
        preconditionFailure("the second turn returns")
    }

    @Test func `a block that cannot be read for a moment is read later`() async throws {
        let disk = SimulatedDisk(seed: 1)
        let store = try await store(on: disk)
        let mount = disk.mount()
        let executor = ThreadExecutor()
        defer { executor.stop() }
        let reader = SpoolReader(path: "/data/tenants/acme/spool.db", executor: executor, vfs: mount.vfs)
        for _ in 1..<SpoolReader.maximumFailures {
            disk.inject(DiskFault(.inputOutput, atCall: 1, count: .max, suffix: "spool.db", calls: [.read]))
            let failure = await #expect(throws: SpoolError.self) { try await reader.block(1) }
            // Only an unreadable block ends as a loss.
            #expect(failure?.code != .unreadable, "\(failure.map { "\($0)" } ?? "no failure")")
            disk.inject(nil)
        }
        #expect(try await reader.block(1).batch.points.count == 50)
        await reader.close()
        await store.close()
    }
}
