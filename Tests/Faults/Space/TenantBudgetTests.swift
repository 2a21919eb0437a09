import Metrics
import TestSupport
import Testing

@testable import WALStore

/// A tenant's `max_bytes` as the file system sees it: database, log and index, at any moment.
@Suite(.enabled(if: SmallFileSystem.canBeMade, "mounting needs root"))
struct TenantBudgetTests {
    private static let budget: Int64 = 6 << 20

    private func open(
        _ fixture: SpaceFixture, _ whenFull: WhenFull, budget: Int64 = TenantBudgetTests.budget
    ) async throws -> WALStore {
        let store = try fixture.node.open()
        try await store.configure([
            FaultStore.tenant("acme", backends: ["a", "b"], maximumBytes: budget, whenFull: whenFull)
        ])
        return store
    }

    @Test(arguments: WhenFull.allCases)
    func `the files never take more than the budget, whatever the policy`(policy: WhenFull) async throws {
        let fixture = try SpaceFixture(holding: .tenant("acme"))
        let watch = fixture.watch()
        let store = try await open(fixture, policy)
        var sent = SentBatches()
        await sent.send(300, to: store)
        await store.maintain()
        await sent.send(20, to: store)
        let books = try await store.spoolStatus("acme")
        #expect(books.backends.allSatisfy { $0.balances })
        await store.close()
        let highest = watch.stop()
        #expect(highest <= TenantBudgetTests.budget, "\(highest) bytes, seen in \(watch.samples) looks")
        #expect(highest > TenantBudgetTests.budget / 2, "the budget is used")
    }

    @Test func `reject keeps what is stored and refuses the rest, until draining has made room`() async throws {
        let fixture = try SpaceFixture(holding: .tenant("acme"))
        let watch = fixture.watch()
        let store = try await open(fixture, .reject)
        var sent = SentBatches()
        await sent.send(200, to: store)
        #expect(sent.refusals > 50 && sent.droppedPoints == 0)
        #expect(sent.reasons == ["the tenant's spool has used up its budget"])
        #expect(try await store.allLosses("acme").isEmpty)
        for backend in ["a", "b"] {
            #expect(try await store.drain("acme", backend: backend) == sent.storedValues)
        }
        await store.maintain()
        let before = sent.stored.count
        await sent.send(20, to: store)
        #expect(sent.stored.count == before + 20, "what is delivered makes room")
        await store.close()
        #expect(watch.stop() <= TenantBudgetTests.budget)
    }

    @Test func `drop_oldest loses whole batches, with their places, times and count for each backend`()
        async throws
    {
        let fixture = try SpaceFixture(holding: .tenant("acme"))
        let watch = fixture.watch()
        let store = try await open(fixture, .dropOldest)
        var sent = SentBatches()
        await sent.send(20, to: store)
        // One backend is ahead, and stands in the middle of a batch.
        let settled = Set(try await store.drain("acme", backend: "a", limit: 32_500))
        await sent.send(180, to: store)
        #expect(sent.refusals == 0 && sent.droppedPoints == 0)
        let losses = try await store.allLosses("acme")
        let books = try await store.spoolStatus("acme")
        for (backend, settled) in [("a", settled), ("b", [])] {
            let lost = sent.check(losses, backend: backend, settled: settled)
            let left = try await store.drain("acme", backend: backend)
            let ledger = try #require(books.backends.first { $0.name == backend })
            #expect(ledger.lostPoints == Int64(lost.count) && !lost.isEmpty)
            #expect(ledger.pendingPoints == Int64(left.count))
            #expect((Array(settled) + lost + left).sorted() == sent.storedValues, "each point has one fate")
        }
        await store.close()
        #expect(watch.stop() <= TenantBudgetTests.budget)
    }

    @Test func `drop_oldest has room for as much after many budgets of small requests as at first`() async throws {
        let fixture = try SpaceFixture(holding: .tenant("acme"))
        let store = try await open(fixture, .dropOldest, budget: 1 << 20)
        var sent = SentBatches()
        var pending: [Int64] = []
        for _ in 0..<150 {
            await sent.send(100, points: 1, to: store)
            // The rows of a span of time are one each; the upkeep repacks nothing meanwhile.
            fixture.node.advance(seconds: 20)
            pending.append(try await store.spoolStatus("acme").backends[0].pendingPoints)
        }
        #expect(sent.refusals == 0)
        let books = try await store.spoolStatus("acme")
        let (atFirst, atLast) = (try #require(pending.max()), try #require(pending.suffix(20).min()))
        #expect(
            books.backends.allSatisfy { $0.balances && $0.lostPoints > 3 * atFirst },
            "\(books.backends.map(\.lostPoints)) were lost, \(atFirst) fit")
        #expect(atLast > atFirst * 3 / 4, "\(atLast) points fit, \(atFirst) did before")
        let losses = try await store.allLosses("acme")
        for backend in ["a", "b"] {
            let lost = sent.check(losses, backend: backend)
            #expect(lost + (try await store.drain("acme", backend: backend)) == sent.storedValues)
        }
        await store.close()
    }

    @Test func `drop_newest counts every point that it answers success for and does not store`() async throws {
        let fixture = try SpaceFixture(holding: .tenant("acme"))
        let watch = fixture.watch()
        let store = try await open(fixture, .dropNewest)
        var sent = SentBatches()
        await sent.send(1500, to: store)
        #expect(sent.refusals == 0 && sent.droppedPoints > 1_000_000)
        let losses = try await store.allLosses("acme")
        #expect(losses.allSatisfy { $0.reason == .dropNewest && $0.backend == nil })
        #expect(losses.reduce(0) { $0 + ($1.points ?? 0) } == Int64(sent.droppedPoints))
        let books = try await store.spoolStatus("acme")
        #expect(books.droppedAtIngestPoints == Int64(sent.droppedPoints))
        for ledger in books.backends {
            #expect(ledger.lostPoints == 0 && ledger.owedPoints == Int64(sent.storedPoints) && ledger.balances)
        }
        #expect(try await store.drain("acme") == sent.storedValues)
        await store.close()
        #expect(watch.stop() <= TenantBudgetTests.budget)
    }

    @Test func `dead letters stay within the budget, and what they cost is a loss of theirs`() async throws {
        let fixture = try SpaceFixture(holding: .tenant("acme"))
        let watch = fixture.watch()
        let store = try fixture.node.open()
        try await store.configure([FaultStore.tenant("acme", maximumBytes: TenantBudgetTests.budget)])
        var sent = SentBatches()
        let refused = Fate.dead(DeadLetterReason(code: "refused", excerpt: "no", status: 400))
        for _ in 0..<12 {
            await sent.send(1, points: 2000, to: store)
            #expect(try await store.drain("acme", fate: refused).count == 2000)
            await store.maintain()
        }
        let books = try await store.spoolStatus("acme")
        let ledger = try #require(books.backends.first)
        #expect(ledger.balances && ledger.deadPoints + ledger.lostPoints == 24_000)
        #expect(ledger.lostPoints > 0 && books.deadLetterBytes <= TenantBudgetTests.budget / 4)
        let losses = try await store.allLosses("acme")
        #expect(losses.allSatisfy { $0.reason == .deadLetterBudget })
        #expect(losses.reduce(0) { $0 + ($1.points ?? 0) } == ledger.lostPoints)
        await store.close()
        #expect(watch.stop() <= TenantBudgetTests.budget)
    }

    @Test func `a reader outside that holds the log cannot push the files beyond the budget`() async throws {
        let fixture = try SpaceFixture(holding: .tenant("acme"))
        let watch = fixture.watch()
        let store = try await open(fixture, .dropOldest)
        var sent = SentBatches()
        await sent.send(3, to: store)
        let reader = try Connection(
            path: "\(fixture.node.path)/tenants/acme/spool.db", access: .readOnly)
        try reader.execute("BEGIN")
        _ = try reader.integer("SELECT count(*) FROM batches")
        await sent.send(100, to: store)
        #expect(sent.refusals > 0, "with the log held nothing is dropped for it")
        #expect(try await store.allLosses("acme").isEmpty)
        try reader.execute("COMMIT")
        reader.close()
        await store.maintain()
        let before = sent.stored.count
        await sent.send(5, to: store)
        #expect(sent.stored.count == before + 5)
        await store.close()
        #expect(watch.stop() <= TenantBudgetTests.budget)
    }

    @Test func `a request that no budget of this size can take in one commit is refused as too large`() async throws {
        let fixture = try SpaceFixture(holding: .tenant("acme"))
        let store = try await open(fixture, .dropOldest, budget: 2 << 20)
        var sent = SentBatches()
        await sent.send(10, to: store)
        let stored = sent.stored.count
        guard case .refused(let error) = await Attempted.append(store, FaultStore.batch(0..<200_000), "acme") else {
            return #expect(Bool(false), "two megabytes do not fit")
        }
        #expect(error.code == .tooLarge)
        #expect(try await store.drain("acme").count == stored * 5000, "nothing was dropped for it")
        await store.close()
    }

    @Test func `a budget made smaller than what is there is kept to as soon as draining allows`() async throws {
        let fixture = try SpaceFixture(holding: .tenant("acme"))
        let store = try await open(fixture, .reject)
        var sent = SentBatches()
        await sent.send(80, to: store, stopsAtRefusal: true)
        let small: Int64 = 2 << 20
        try await store.configure([FaultStore.tenant("acme", backends: ["a", "b"], maximumBytes: small)])
        await store.maintain()
        let before = sent.stored.count
        await sent.send(1, to: store)
        #expect(sent.stored.count == before)
        for backend in ["a", "b"] { #expect(try await store.drain("acme", backend: backend) == sent.storedValues) }
        for _ in 0..<20 { await store.maintain() }
        #expect(Files.system.taken(ofTenant: fixture.disk.path).spool <= small)
        await sent.send(1, to: store)
        #expect(sent.stored.count == before + 1, "\(sent.reasons.sorted())")
        await store.close()
    }
}
