import Metrics
import Synchronization
import TestSupport
import Testing

@testable import WALStore

/// Reads that the disk fails. Found by the simulator: one failed read of a stored block ended its points as lost.
struct ReadFailureTests {
    /// A spool with one row that is in nobody's memory.
    private func store(
        on disk: SimulatedDisk, _ clock: FaultClock = FaultClock(), events: @escaping EventSink = { _ in }
    ) async throws -> WALStore {
        for isLast in [false, true] {
            let store = try WALStore(
                directory: "/data", node: NodeConfiguration(), time: clock.source, upkeepInterval: nil,
                disk: disk.mount(), events: events)
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
        let clock = FaultClock()
        func fail(_ reader: SpoolReader) async -> SpoolError? {
            disk.inject(DiskFault(.inputOutput, atCall: 1, count: .max, suffix: "spool.db", calls: [.read]))
            defer { disk.inject(nil) }
            return await #expect(throws: SpoolError.self) { try await reader.block(1) }
        }
        for isGivenUp in [false, true] {
            let reader = SpoolReader(
                path: "/data/tenants/acme/spool.db", executor: executor, vfs: mount.vfs,
                monotonic: { clock.nanoseconds })
            // Two lanes that try at once count twice; the time is the same.
            for _ in 0..<3 * SpoolReader.maximumFailures {
                let failure = await fail(reader)
                // Only an unreadable block ends as a loss.
                #expect(failure?.code == .unavailable, "\(failure.map { "\($0)" } ?? "no failure")")
            }
            if isGivenUp {
                clock.advance(seconds: 61)
                #expect(await fail(reader)?.code == .unreadable)
            } else {
                #expect(try await reader.block(1).batch.points.count == 50)
            }
            await reader.close()
        }
        await store.close()
    }

    /// Reads a page that the opening of a spool does not.
    private func letters(_ store: WALStore) async throws(SpoolError) -> [DeadLetter] {
        try await store.withSpool("acme") { (spool) async throws(SpoolError) in try await spool.deadLetters() }
    }

    private func losses(_ store: WALStore) async throws(SpoolError) -> [Loss] {
        try await store.withSpool("acme") { (spool) async throws(SpoolError) in try await spool.losses() }
    }

    @Test(arguments: [DiskFault.Kind.inputOutput, .shortRead])
    func `a read that fails once while a spool is in use opens it anew, and sets nothing aside`(
        _ kind: DiskFault.Kind
    ) async throws {
        let disk = SimulatedDisk(seed: 1)
        let raised = Mutex<[String]>([])
        let store = try await store(on: disk) { event in raised.withLock { $0.append(event.message) } }
        try await store.withSpool("acme") { _ throws(SpoolError) in }
        disk.inject(DiskFault(kind, atCall: 1, suffix: "spool.db", calls: [.read]))
        let failure = await #expect(throws: SpoolError.self) { try await letters(store) }
        #expect(failure?.code == .commitFailed)
        #expect(disk.hasMetFault)
        #expect(try await letters(store).isEmpty)
        #expect(raised.withLock { $0.filter { $0.hasPrefix("a spool is reopened") }.count } == 1)
        #expect(!disk.paths.contains { $0.contains("set-aside") })
        #expect(try await lease(store)?.pieces.map(\.values.count) == [50])
        await store.close()
    }

    @Test func `a disk that reads nothing for a while costs a spool its place, and no point`() async throws {
        let (disk, clock) = (SimulatedDisk(seed: 1), FaultClock())
        let store = try await store(on: disk, clock)
        try await store.withSpool("acme") { _ throws(SpoolError) in }
        disk.inject(DiskFault(.inputOutput, atCall: 1, count: .max, suffix: "", calls: [.read]))
        for _ in 0..<5 {
            await #expect(throws: SpoolError.self) { try await letters(store) }
            clock.advance(seconds: 5)
            await store.maintain()
        }
        #expect(disk.paths.contains { $0.contains("set-aside") })
        disk.inject(nil)
        for _ in 0..<3 { await store.maintain() }
        #expect(try await losses(store).isEmpty)
        #expect(try await lease(store)?.pieces.map(\.values.count) == [50])
        await store.close()
    }

    /// With a commit between them that succeeds, two failures are not in a row.
    @Test(arguments: [false, true])
    func `a second failed read in a row sets a spool aside, and its points are carried over`(
        isInARow: Bool
    ) async throws {
        let disk = SimulatedDisk(seed: 1)
        let store = try await store(on: disk)
        for isSecond in [false, true] {
            if isSecond, !isInARow {
                let append = SimulatedRequest(id: "b", tenant: "acme", numbers: 200..<210).append(series: 3, bulk: "")
                _ = try await store.withSpool("acme") { (spool) async throws(SpoolError) in
                    try await spool.append(append)
                }
            }
            try await store.withSpool("acme") { _ throws(SpoolError) in }
            disk.inject(DiskFault(.inputOutput, atCall: 1, suffix: "spool.db", calls: [.read]))
            await #expect(throws: SpoolError.self) { try await letters(store) }
            #expect(disk.hasMetFault)
        }
        disk.inject(nil)
        // Whoever asks now has the spool that goes on, and upkeep carries over what has to be.
        try await store.withSpool("acme") { _ throws(SpoolError) in }
        await store.maintain()
        #expect(try await lease(store)?.pieces.map(\.values.count) == (isInARow ? [50] : [50, 10]))
        #expect(disk.paths.contains { $0.contains("set-aside-") } == isInARow)
        #expect(try await losses(store).isEmpty)
        await store.close()
    }

    /// Bad sectors stay bad: the rest of the spool is not kept waiting for them.
    @Test func `what the disk does not give within a minute is given up, as a loss row`() async throws {
        let (disk, clock) = (SimulatedDisk(seed: 1), FaultClock())
        let store = try await store(on: disk, clock)
        try await store.withSpool("acme") { _ throws(SpoolError) in }
        let bad = DiskFault(.inputOutput, atCall: 1, count: .max, suffix: "spool.db", calls: [.read])
        disk.inject(bad)
        await #expect(throws: SpoolError.self) { try await letters(store) }
        // Its owner has put it aside when somebody is served again.
        while !disk.paths.contains(where: { $0.contains("set-aside-") }) { await Task.yield() }
        // From here on only what was set aside cannot be read.
        let aside = try #require(disk.paths.first { $0.contains("set-aside-") && !$0.hasSuffix("-wal") })
        disk.inject(DiskFault(.inputOutput, atCall: 1, count: .max, suffix: aside, calls: [.read]))
        await store.maintain()
        #expect(store.problems()["acme"]?.contains("fails to read") == true, "\(store.problems())")
        clock.advance(seconds: 61)
        for _ in 0..<3 { await store.maintain() }
        #expect(store.problems().isEmpty)
        #expect(try await losses(store).compactMap(\.points).reduce(0, +) == 50)
        await store.close()
    }

    private func lease(_ store: WALStore) async throws(SpoolError) -> Lease? {
        try await store.withSpool("acme") { (spool) async throws(SpoolError) in
            try await spool.lease(backend: "a", limit: LeaseLimit(points: 100))
        }
    }
}
