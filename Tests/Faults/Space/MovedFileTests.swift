import Metrics
import TestSupport
import Testing

@testable import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// Somebody moves, deletes, replaces or cuts the files of a spool that is open: what is acknowledged from there on must
/// be in the files that the next process finds.
@Suite(.timeLimit(.minutes(2))) struct MovedFileTests {
    enum Deed: CaseIterable {
        case moveDatabase, deleteDatabase, deleteLog, deleteFolder, replaceDatabase, cutDatabase, cutLog

        func perform(_ tenant: String, _ spare: String) throws {
            let database = tenant + "/spool.db"
            switch self {
            case .moveDatabase: #expect(rename(database, spare) == 0)
            case .deleteDatabase: #expect(unlink(database) == 0)
            case .deleteLog: #expect(unlink(database + "-wal") == 0)
            case .deleteFolder: #expect(rename(tenant, spare) == 0)
            case .replaceDatabase:
                #expect(rename(database, spare) == 0)
                let other = open(database, O_WRONLY | O_CREAT, 0o600)
                #expect(other >= 0 && ftruncate(other, 1 << 20) == 0)
                close(other)
            case .cutDatabase: #expect(truncate(database, 4096) == 0)
            case .cutLog: #expect(truncate(database + "-wal", 32) == 0)
            }
        }
    }

    @Test(arguments: Deed.allCases)
    func `a request after the files went is not acknowledged into nowhere, and a fresh spool takes over`(
        deed: Deed
    ) async throws {
        let folder = try TemporaryFolder()
        let node = FaultStore(folder.path + "/data")
        let store = try node.openUnlimited()
        try await store.configure([FaultStore.tenant("acme")])
        for index in 0..<10 { _ = try await store.append(FaultStore.batch(index * 100..<index * 100 + 100), "acme") }
        // The log's pages are in the database, and in the log.
        try await store.withSpool("acme") { (spool) async throws(SpoolError) in await spool.checkpointNow() }
        for index in 10..<20 { _ = try await store.append(FaultStore.batch(index * 100..<index * 100 + 100), "acme") }
        try deed.perform(node.path + "/tenants/acme", folder.path + "/spare")

        guard case .refused(let error) = await Attempted.append(store, FaultStore.batch(5000..<5100), "acme") else {
            return #expect(Bool(false), "acknowledged into nowhere")
        }
        #expect(error.code == .commitFailed || error.code == .unavailable)
        #expect(node.raised("a spool's files were moved, deleted or cut while it was open") == 1)
        // The sender tries again: what is acknowledged now is there for the next process.
        var acknowledged: [Int] = []
        for index in 60..<70 {
            let values = index * 100..<index * 100 + 100
            // Until the fresh spool is there, which nobody announces.
            while acknowledged.last != values.last {
                if case .stored = await Attempted.append(store, FaultStore.batch(values), "acme") {
                    acknowledged += values
                } else {
                    try await Task.sleep(for: .milliseconds(1))
                }
            }
        }
        await store.dieAtOnce()
        let next = try node.openUnlimited()
        try await next.configure([FaultStore.tenant("acme")])
        await next.maintain()
        let found = Set(try await next.drain("acme"))
        #expect(found.isSuperset(of: acknowledged))
        let books = try await next.spoolStatus("acme")
        let ledger = try #require(books.backends.first)
        // What was in the files that went is carried over or lost, and said to be.
        #expect(ledger.balances && ledger.pendingPoints == 0 && ledger.owedPoints >= 3000, "\(ledger)")
        #expect(ledger.lostPoints + ledger.deliveredPoints == ledger.owedPoints, "\(ledger)")
        await next.close()
    }

    @Test func `an idle spool whose files went is found by the upkeep`() async throws {
        let folder = try TemporaryFolder()
        let node = FaultStore(folder.path + "/data")
        let store = try node.openUnlimited()
        try await store.configure([FaultStore.tenant("acme")])
        _ = try await store.append(FaultStore.batch(0..<100), "acme")
        await store.maintain()
        #expect(node.raised("a spool's files were moved, deleted or cut while it was open") == 0)
        #expect(rename(node.path + "/tenants/acme/spool.db", folder.path + "/spare") == 0)
        await store.maintain()
        #expect(node.raised("a spool's files were moved, deleted or cut while it was open") == 1)
        await store.close()
    }

    @Test func `a settle is not believed when the files went before it`() async throws {
        let folder = try TemporaryFolder()
        let node = FaultStore(folder.path + "/data")
        let store = try node.openUnlimited()
        try await store.configure([FaultStore.tenant("acme")])
        _ = try await store.append(FaultStore.batch(0..<100), "acme")
        let lease = try #require(
            try await store.withSpool("acme") { (spool) async throws(SpoolError) in
                try await spool.lease(backend: "a", limit: LeaseLimit(points: 100))
            })
        #expect(unlink(node.path + "/tenants/acme/spool.db-wal") == 0)
        let part = Settlement.Part(LeasedRun(piece: 0, ordinals: lease.pieces[0].ordinals), .delivered)
        let settlement = Settlement(parts: [part], attempts: 1, status: 200, firstAttemptAt: FaultStore.start)
        await #expect(throws: SpoolError.self) {
            try await store.withSpool("acme") { (spool) async throws(SpoolError) in
                try await spool.settle(lease, settlement)
            }
        }
        await store.close()
    }
}

extension Spool {
    /// Folds the log into the database, and leaves it its length.
    func checkpointNow() {
        upkeep.pagesAtCheckpoint = -1_000_000
        checkpointIfDue(isIdle: true)
    }
}
