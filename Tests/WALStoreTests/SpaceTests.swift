import Metrics
import Synchronization
import TestSupport
import Testing

@testable import WALStore

@Suite struct SpaceTests {
    private static let budget: Int64 = 4 << 20

    /// Appends about 90 KiB stored at a time, until one is not stored or `count` are.
    private func fill(_ store: WALStore, _ count: Int) async throws -> (stored: Int, dropped: Int, refusals: Int) {
        var random = SeededGenerator.fresh()
        var (stored, dropped, refusals) = (0, 0, 0)
        for _ in 0..<count {
            do {
                let receipt = try await store.append(.noise(10_000, &random), tenant: "acme")
                stored += receipt.storedPoints
                dropped += receipt.droppedPoints
            } catch {
                #expect(error.code == .full)
                refusals += 1
            }
        }
        return (stored, dropped, refusals)
    }

    private func look(_ store: WALStore) async throws -> (status: SpoolStatus, losses: [Loss]) {
        try await store.withSpool("acme") { (spool) async throws(SpoolError) in
            (try await spool.status(), try await spool.losses(limit: 1000))
        }
    }

    @Test(arguments: WhenFull.allCases)
    func `a full budget acts by its policy, to the point`(policy: WhenFull) async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        try await store.configure([
            StoreFixture.tenant("acme", backends: ["a", "b"], maximumBytes: SpaceTests.budget, whenFull: policy)
        ])
        let (stored, dropped, refusals) = try await fill(store, 80)
        let (status, losses) = try await look(store)
        #expect(status.usedBytes <= SpaceTests.budget)
        #expect(status.acceptedPoints == Int64(stored))
        #expect(status.isBalanced)
        switch policy {
        case .reject:
            #expect(refusals > 20 && dropped == 0 && losses.isEmpty)
            #expect(stored == (80 - refusals) * 10_000)
        case .dropNewest:
            #expect(refusals == 0 && dropped > 200_000 && stored + dropped == 800_000)
            #expect(status.droppedAtIngestPoints == Int64(dropped))
            #expect(losses.allSatisfy { $0.reason == .dropNewest })
            #expect(losses.reduce(0) { $0 + ($1.points ?? 0) } == Int64(dropped))
        case .dropOldest:
            #expect(refusals == 0 && dropped == 0 && stored == 800_000)
            for backend in status.backends {
                let lost = losses.filter { $0.backend == backend.name && $0.reason == .quota }
                #expect(lost.reduce(0) { $0 + ($1.points ?? 0) } == backend.lostPoints && backend.lostPoints > 200_000)
                #expect(backend.pendingPoints == 800_000 - backend.lostPoints)
            }
        }
        await store.close()
    }

    @Test func `delivered batches make room before anything is refused`() async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        try await store.configure([StoreFixture.tenant("acme", maximumBytes: SpaceTests.budget)])
        for _ in 0..<4 {
            let (_, _, refusals) = try await fill(store, 20)
            #expect(refusals == 0)
            _ = try await store.drain("acme")
        }
        await store.close()
    }

    @Test func `only what every backend settled is pruned, and not before its time`() async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        try await store.configure([StoreFixture.tenant("acme", backends: ["a", "b"], retainSeconds: 60)])
        for index in 0..<10 { _ = try await store.append(Make.batch(index..<index + 1), tenant: "acme") }
        _ = try await store.drain("acme", backend: "a")
        fixture.advance(seconds: 100)
        await store.maintain()
        #expect(try await look(store).status.batches == 10)
        #expect(try await store.drain("acme", backend: "b") == Array(0..<10))
        await store.maintain()
        #expect(try await look(store).status.batches == 1, "the newest stays")
        #expect(try await look(store).status.isBalanced)
        await store.close()
    }

    @Test func `pending points older than the limit are losses`() async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        try await store.configure([StoreFixture.tenant("acme", maximumAgeSeconds: 60)])
        for index in 0..<5 { _ = try await store.append(Make.batch(index..<index + 1), tenant: "acme") }
        fixture.advance(seconds: 100)
        _ = try await store.append(Make.batch(10..<11), tenant: "acme")
        await store.maintain()
        let (status, losses) = try await look(store)
        #expect(losses.map(\.reason) == Array(repeating: .age, count: 5))
        #expect(status.backends.first?.lostPoints == 5 && status.isBalanced)
        #expect(try await store.drain("acme") == [10])
        await store.close()
    }

    @Test(arguments: [Int64(5), -5])
    func `a step of the wall clock by years ages nothing out`(years: Int64) async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        try await store.configure([StoreFixture.tenant("acme", maximumAgeSeconds: 86_400)])
        for index in 0..<5 { _ = try await store.append(Make.batch(index..<index + 1), tenant: "acme") }
        fixture.stepWall(seconds: years * 365 * 86_400)
        await store.maintain()
        #expect(try await look(store).losses.isEmpty)
        #expect(fixture.raised("the wall clock stepped: nothing is deleted for its age for an hour") == 1)
        await store.close()
        // And once more while the machine is down.
        fixture.stepWall(seconds: -2 * years * 365 * 86_400)
        fixture.bootID.withLock { $0 = "second" }
        fixture.boot.withLock { $0 = 1 }
        try await fixture.withSecondLife { second in
            try await second.configure([StoreFixture.tenant("acme", maximumAgeSeconds: 86_400)])
            #expect(try await second.drain("acme") == Array(0..<5))
            await second.maintain()
            #expect(try await look(second).losses.isEmpty)
        }
    }

    @Test func `space that is mostly free goes back to the file system`() async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        try await store.configure([StoreFixture.tenant("acme", retainSeconds: 0)])
        _ = try await fill(store, 60)
        let full = try await look(store).status.databaseBytes
        #expect(full > 4 << 20)
        _ = try await store.drain("acme")
        fixture.advance(seconds: 10)
        await store.maintain()
        #expect(try await look(store).status.databaseBytes < full / 4)
        await store.close()
        #expect(Files.size(fixture.spool("acme")) < full / 4)
    }

    @Test func `a held snapshot makes the log grow, and it is emptied when it ends`() async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        try await store.configure([StoreFixture.tenant("acme")])
        _ = try await fill(store, 1)
        let cap: Int64 = 2 << 20
        try await store.withSpool("acme") { (spool) async throws(SpoolError) in await spool.setWALCap(cap) }
        // A reader whose connection is open, between transactions: the log stays under its cap.
        let reader = try Connection(path: fixture.spool("acme"), access: .readOnly)
        _ = try reader.integer("SELECT count(*) FROM batches")
        _ = try await fill(store, 60)
        #expect(Files.size(fixture.spool("acme") + "-wal") <= cap + (1 << 20))
        // One that keeps its snapshot.
        try reader.execute("BEGIN")
        _ = try reader.integer("SELECT count(*) FROM batches")
        _ = try await fill(store, 60)
        #expect(Files.size(fixture.spool("acme") + "-wal") > cap)
        #expect(fixture.raised("a reader outside keeps the write-ahead log from being emptied") == 1)
        try reader.execute("COMMIT")
        _ = try await fill(store, 20)
        #expect(Files.size(fixture.spool("acme") + "-wal") <= cap + (1 << 20))
        await store.close()
    }
}

extension SpoolStatus {
    var isBalanced: Bool { backends.allSatisfy { $0.balances } }
}

extension Spool {
    func setWALCap(_ bytes: Int64) { upkeep.walCapBytes = bytes }
}
