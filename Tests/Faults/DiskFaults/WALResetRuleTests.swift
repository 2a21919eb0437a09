import TestSupport
import Testing

@testable import WALStore

/// One connection writes a spool, and checkpoints are its own (rule 20): seen at the disk, below SQLite.
struct WALResetRuleTests {
    private static let tenants = ["acme", "beta", "zeta"]
    private static let backends = ["a", "b"]
    private static let rounds = 12

    /// - Parameter isOnOneThread: each spool on one thread for life, which tells connections apart; else as in a node,
    ///   where threads take turns.
    private func open(
        _ disk: SimulatedDisk, _ clock: FaultClock, isOnOneThread: Bool = true
    ) async throws -> WALStore {
        let scheduling = isOnOneThread ? Scheduling(makeExecutor: { ThreadExecutor() }) : .system
        let store = try WALStore(
            directory: "/data", node: NodeConfiguration(openSpools: 8, writerThreads: 2, readerThreads: 2),
            time: clock.source, upkeepInterval: nil, openWait: .seconds(600), disk: disk.mount(),
            scheduling: scheduling, events: { _ in })
        try await store.configure(
            WALResetRuleTests.tenants.map { tenant in
                SpoolConfiguration(
                    tenant: tenant,
                    backends: WALResetRuleTests.backends.map { BackendRegistration(name: $0, type: "archive") },
                    retainSeconds: 10)
            })
        for tenant in WALResetRuleTests.tenants {
            try await store.withSpool(tenant) { (spool) async throws(SpoolError) in
                await spool.hurryUpkeep(checkpointPages: 8, walCapBytes: 64 << 10, vacuumPages: 4)
            }
        }
        return store
    }

    /// Senders, workers, readers and upkeep at once, until each has had its rounds.
    private func keepBusy(_ store: WALStore, _ clock: FaultClock) async throws {
        try await withThrowingTaskGroup { group in
            for tenant in WALResetRuleTests.tenants {
                for sender in 0..<2 {
                    group.addTask {
                        for round in 0..<WALResetRuleTests.rounds {
                            let first = (sender * WALResetRuleTests.rounds + round) * 200
                            let request = NumberedPoints.request(first..<first + 200, id: "\(sender) \(round)")
                            _ = try await store.append(request, tenant: tenant).get()
                        }
                    }
                }
                for backend in WALResetRuleTests.backends {
                    group.addTask {
                        for _ in 0..<WALResetRuleTests.rounds { try await deliver(store, tenant, backend) }
                    }
                }
                group.addTask { for _ in 0..<WALResetRuleTests.rounds { _ = await store.status(tenant) } }
            }
            group.addTask {
                for _ in 0..<WALResetRuleTests.rounds {
                    clock.advance(seconds: 20)
                    await store.maintain()
                }
            }
            try await group.waitForAll()
        }
    }

    private func deliver(_ store: WALStore, _ tenant: String, _ backend: String) async throws {
        try await store.withSpool(tenant) { (spool) async throws(SpoolError) in
            guard let lease = try await spool.lease(backend: backend, limit: LeaseLimit(points: 150)) else { return }
            let parts = lease.pieces.indices.map {
                Settlement.Part(LeasedRun(piece: $0, ordinals: lease.pieces[$0].ordinals), .delivered)
            }
            try await spool.settle(
                lease, Settlement(parts: parts, attempts: 1, status: 200, firstAttemptAt: FaultClock.start))
        }
    }

    @Test(arguments: [true, false])
    func `one connection writes a spool, and no checkpoint runs beside another write`(isOnOneThread: Bool) async throws
    {
        let (disk, clock) = (SimulatedDisk(seed: TestSeed.first), FaultClock())
        let former = try await open(disk, clock, isOnOneThread: isOnOneThread)
        for tenant in WALResetRuleTests.tenants {
            for round in 0..<4 {
                let first = 1_000_000 + round * 200
                _ = try await former.append(
                    NumberedPoints.request(first..<first + 200, id: "before \(round)"), tenant: tenant
                ).get()
            }
        }
        await former.close()
        // A backlog of another life is in no cache: it is read from disk, beside what is written.
        let store = try await open(disk, clock, isOnOneThread: isOnOneThread)
        disk.startTrace()
        try await keepBusy(store, clock)
        await store.maintain()
        let watch = WriterWatch(disk.takeTrace(), isOnOneThread: isOnOneThread)
        #expect(watch.breaches.isEmpty, "\(watch.breaches.prefix(5))")
        for tenant in WALResetRuleTests.tenants {
            let path = "/data/tenants/\(tenant)/spool.db"
            #expect(watch.writes[path, default: 0] > 0, "no checkpoint of \(tenant) was seen")
            #expect(watch.writes[path + "-wal", default: 0] > 100, "hardly a commit of \(tenant) was seen")
        }
        await store.close()
    }

    @Test func `a second connection that writes is found out`() async throws {
        let (disk, clock) = (SimulatedDisk(seed: TestSeed.first), FaultClock())
        let store = try await open(disk, clock)
        disk.startTrace()
        try await keepBusy(store, clock)
        // What no part of the store may do: SQLite's locks alone would let it.
        let vfs = store.folder.files.disk.vfs
        let second = try Connection(path: "/data/tenants/acme/spool.db", access: .readWrite, vfs: vfs)
        try second.execute("UPDATE spool SET ledger_version = ledger_version + 1")
        second.close()
        #expect(WriterWatch(disk.takeTrace()).breaches.contains { $0.contains("acme/spool.db-wal") })
        await store.abandon()
    }

    @Test func `a checkpoint beside an unfinished commit is found out`() {
        func call(_ kind: DiskCall.Kind, _ path: String, _ handle: Int, _ number: Int) -> DiskCall {
            DiskCall(kind: kind, path: path, handle: handle, thread: 1, number: number, offset: 0, bytes: 4096)
        }
        let commit = call(.write, "/t/spool.db-wal", 2, 1)
        let sync = call(.sync, "/t/spool.db-wal", 2, 2)
        let checkpoint = call(.write, "/t/spool.db", 1, 3)
        #expect(WriterWatch([commit, sync, checkpoint]).breaches.isEmpty)
        #expect(WriterWatch([commit, checkpoint, sync]).breaches.count == 1)
        var other = commit
        other.thread = 2
        #expect(WriterWatch([commit, sync, other], isOnOneThread: false).breaches.isEmpty)
        #expect(WriterWatch([commit, sync, other]).breaches.count == 1)
        #expect(WriterWatch([commit, other, sync], isOnOneThread: false).breaches.count == 2)
    }
}
