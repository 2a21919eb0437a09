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
            #expect(fixture.raised("a spool has no room and refuses requests until it has") == 1)
            #expect(stored == (80 - refusals) * 10_000)
        case .dropNewest:
            #expect(refusals == 0 && dropped > 200_000 && stored + dropped == 800_000)
            #expect(fixture.raised("a spool has no room and drops new points, as its policy says") == 1)
            #expect(status.droppedAtIngestPoints == Int64(dropped))
            #expect(losses.allSatisfy { $0.reason == .dropNewest })
            #expect(losses.reduce(0) { $0 + ($1.points ?? 0) } == Int64(dropped))
            #expect(losses.count == 1 && losses.first?.detail == "\(dropped / 10_000) requests")
        case .dropOldest:
            #expect(refusals == 0 && dropped == 0 && stored == 800_000)
            for backend in status.backends {
                let lost = losses.filter { $0.backend == backend.name && $0.reason == .quota }
                #expect(lost.reduce(0) { $0 + ($1.points ?? 0) } == backend.lostPoints && backend.lostPoints > 200_000)
                #expect(backend.pendingPoints == 800_000 - backend.lostPoints)
            }
        }
        await store.close()
        // Said at first, and what came behind that at the end: not with each deletion.
        let told = fixture.events.withLock { events in
            events.filter { $0.message == "a spool has no room and dropped its oldest points, as its policy says" }
        }
        #expect(told.count == (policy == .dropOldest ? 2 : 0))
        let lost = told.compactMap { $0.metadata["points.lost"] }.compactMap { Int64($0) }.reduce(0, +)
        #expect(lost == status.backends.reduce(0) { $0 + $1.lostPoints })
    }

    @Test func `behind a leased head the bytes that wait are those of the rows that are left`() async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        try await store.configure([
            StoreFixture.tenant("acme", maximumBytes: SpaceTests.budget, whenFull: .dropOldest)
        ])
        _ = try await fill(store, 1)
        let lease = try await store.withSpool("acme") { (spool) async throws(SpoolError) in
            try await spool.lease(backend: "a", limit: LeaseLimit(points: 10_000))
        }
        #expect(try #require(lease).pieces.isEmpty == false)
        _ = try await fill(store, 200)
        let status = try await look(store).status
        let backend = try #require(status.backends.first)
        #expect(backend.lostPoints > 1_000_000 && backend.pendingPoints < 800_000)
        // All that is stored is owed: the bytes are those of the database, with a page or so of the ledger's.
        #expect(backend.pendingBytes == status.databaseBytes - status.freePageBytes)
        await store.close()
    }

    @Test func `of what was delivered behind a backlog only what is kept counts as stored`() async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        try await store.configure([StoreFixture.tenant("acme", retainSeconds: 60)])
        for _ in 0..<20 { _ = try await fill(store, 1) }
        let head = try await store.withSpool("acme") { (spool) async throws(SpoolError) in
            let head = try await spool.lease(backend: "a", limit: LeaseLimit(points: 10_000))
            // All behind it is delivered.
            while let lease = try await spool.lease(backend: "a", limit: LeaseLimit(points: 10_000)) {
                try await spool.settle(lease, Make.all(lease, .delivered))
            }
            return head
        }
        #expect(head != nil)
        let before = try #require(try await look(store).status.backends.first)
        #expect(before.pendingPoints == 10_000)
        fixture.advance(seconds: 100)
        await store.maintain()
        let status = try await look(store).status
        let after = try #require(status.backends.first)
        #expect(after.pendingPoints == 10_000)
        // The head and the newest row are left, of one size.
        let used = status.databaseBytes - status.freePageBytes
        let half = used * 2 / 5..<used * 3 / 5
        #expect(half.contains(after.pendingBytes), "\(after.pendingBytes) of \(used)")
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
        #expect(losses.map(\.reason) == [.age], "neighbours share a row")
        #expect(losses.first?.points == 5 && losses.first?.places?.start == Place(1, 0))
        #expect(status.backends.first?.lostPoints == 5 && status.isBalanced)
        #expect(try await store.drain("acme") == [10])
        await store.close()
    }

    @Test func `each backend loses what is older than its own limit or the tenant's, and no other loses it`()
        async throws
    {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        var tenant = StoreFixture.tenant("acme", backends: ["a", "b", "c"], maximumAgeSeconds: 1000)
        tenant.backends[0].maximumAgeSeconds = 60
        tenant.backends[1].maximumAgeSeconds = 5000
        try await store.configure([tenant])
        for index in 0..<5 { _ = try await store.append(Make.batch(index..<index + 1), tenant: "acme") }
        fixture.advance(seconds: 100)
        _ = try await store.append(Make.batch(10..<11), tenant: "acme")
        await store.maintain()
        var (status, losses) = try await look(store)
        #expect(losses.map(\.backend) == ["a"] && losses.map(\.points) == [5])
        #expect(losses.first?.detail == "older than 60 s" && status.isBalanced)
        #expect(status.backends.map(\.pendingPoints) == [1, 6, 6])
        fixture.advance(seconds: 1000)
        await store.maintain()
        (status, losses) = try await look(store)
        #expect(status.backends.map(\.lostPoints) == [5, 5, 5], "the newest row carries the spool's end")
        #expect(losses.allSatisfy { $0.reason == .age } && losses.count == 3 && status.isBalanced)
        for backend in ["a", "b", "c"] { #expect(try await store.drain("acme", backend: backend) == [10]) }
        await store.close()
    }

    @Test func `old loss rows are merged when there are many, and their points stay exact`() async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        // A mebibyte has room for 256 of them.
        try await store.configure([
            StoreFixture.tenant("acme", backends: ["a", "b"], maximumBytes: 1 << 20, maximumAgeSeconds: 60)
        ])
        var most: Int64 = 0
        for index in 0..<400 {
            _ = try await store.append(Make.batch(index..<index + 1), tenant: "acme")
            fixture.advance(seconds: 61)
            await store.maintain()
            most = max(most, try await look(store).status.lossRows)
        }
        let (status, losses) = try await look(store)
        #expect(most > 200 && most <= 260, "\(most) rows")
        #expect(status.isBalanced && status.lossRows == Int64(losses.count))
        for backend in status.backends {
            let rows = losses.filter { $0.backend == backend.name }
            #expect(backend.lostPoints >= 399 && rows.reduce(0) { $0 + ($1.points ?? 0) } == backend.lostPoints)
            #expect(rows.first?.places?.start == Place(1, 0), "the oldest are still named")
            #expect(rows.first?.detail.hasPrefix("among these places; several losses") == true)
            let places = rows.compactMap(\.places)
            #expect(places.count == rows.count && zip(places, places.dropFirst()).allSatisfy { $0.end <= $1.start })
        }
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

    @Test func `drops a minute apart have rows of their own, and another loss between them ends none`() async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        try await store.configure([StoreFixture.tenant("acme", whenFull: .dropNewest)])
        _ = try await store.append(Make.batch(0..<10), tenant: "acme")
        try await store.withSpool("acme") { (spool) async throws(SpoolError) in await spool.setAdmission(.dropNewest) }
        for index in 0..<3 {
            _ = try await store.append(Make.batch(index * 10..<index * 10 + 10), tenant: "acme")
            fixture.advance(seconds: 25)
        }
        fixture.advance(seconds: 25)
        _ = try await store.append(Make.batch(0..<4), tenant: "acme")
        try await store.withSpool("acme") { (spool) async throws(SpoolError) in
            try await spool.recordAnotherLoss()
        }
        _ = try await store.append(Make.batch(0..<5), tenant: "acme")
        let losses = try await look(store).losses
        #expect(losses.map(\.points) == [30, 9, nil])
        #expect(losses.map(\.detail) == ["3 requests", "2 requests", "another loss"])
        #expect(losses.first?.firstTime == SpoolFixture.start)
        #expect(losses.first?.lastTime == SpoolFixture.start + 29_000_000)
        #expect(try await look(store).status.droppedAtIngestPoints == 39)
        await store.close()
    }

    /// Appends and buries `count` points, one request each.
    private func bury(_ store: WALStore, _ count: Int) async throws {
        _ = try await store.append(Make.batch(0..<count), tenant: "acme")
        try await store.withSpool("acme") { (spool) async throws(SpoolError) in
            guard let lease = try await spool.lease(backend: "a", limit: LeaseLimit(points: count)) else {
                throw SpoolError(.misuse, "nothing to bury")
            }
            try await spool.settle(
                lease, Make.all(lease, .dead(DeadLetterReason(code: "refused", excerpt: "no", status: 400))))
        }
    }

    @Test(arguments: [LossReason.deadLetterBudget, .deadLetterAge])
    func `dead letters beyond their budget or age are losses, to the point`(reason: LossReason) async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        var tenant = StoreFixture.tenant("acme")
        if reason == .deadLetterBudget { tenant.deadLetterMaximumBytes = 100_000 }
        if reason == .deadLetterAge { tenant.deadLetterMaximumAgeSeconds = 60 }
        try await store.configure([tenant])
        try await bury(store, 1000)
        #expect(try await look(store).losses.isEmpty)
        fixture.advance(seconds: 100)
        if reason == .deadLetterAge { try await bury(store, 7) }
        await store.maintain()
        let (status, losses) = try await look(store)
        let ledger = try #require(status.backends.first)
        #expect(!losses.isEmpty && losses.allSatisfy { $0.reason == reason && $0.backend == "a" })
        #expect(losses.reduce(0) { $0 + ($1.points ?? 0) } == ledger.lostPoints)
        #expect(ledger.deadPoints == status.deadLetters && status.isBalanced)
        if reason == .deadLetterAge {
            #expect(ledger.deadPoints == 7 && ledger.lostPoints == 1000)
        } else {
            #expect(status.deadLetterBytes <= 100_000 && ledger.deadPoints > 0 && ledger.lostPoints > 100)
        }
        let kept = try await store.withSpool("acme") { (spool) async throws(SpoolError) in
            try await spool.deadLetters(limit: 1000)
        }
        #expect(kept.count == Int(ledger.deadPoints))
        #expect(kept.allSatisfy { letter in !losses.contains { $0.places?.contains(letter.origin) == true } })
        await store.close()
    }

    @Test func `the free-space reserve and the node's budget refuse new points, and let draining go on`() async throws {
        let fixture = try StoreFixture()
        let disk = Mutex(DiskSpace(totalBytes: 1 << 30, freeBytes: 1 << 29))
        let store = try fixture.open(NodeConfiguration(maximumBytes: 4 << 20, freeSpaceReservePercent: 10)) {
            _ throws(SpoolError) in disk.withLock { $0 }
        }
        try await store.configure([StoreFixture.tenant("acme")])
        #expect(try await fill(store, 10).refusals == 0)

        disk.withLock { $0.freeBytes = 1 << 26 }
        await store.maintain()
        let reserve = await #expect(throws: SpoolError.self) {
            try await store.append(Make.batch(0..<1), tenant: "acme")
        }
        #expect(reserve?.code == .full && reserve?.message.contains("reserve") == true)
        disk.withLock { $0.freeBytes = 1 << 29 }
        await store.maintain()

        let (stored, _, refusals) = try await fill(store, 60)
        #expect(refusals > 20 && stored > 100_000)
        let budget = await #expect(throws: SpoolError.self) {
            try await store.append(Make.batch(0..<10_000), tenant: "acme")
        }
        #expect(budget?.code == .full && budget?.message.contains("node") == true)
        #expect(try await store.drain("acme").count == stored + 100_000)
        for _ in 0..<30 { await store.maintain() }
        #expect(try await fill(store, 1).stored == 10_000, "what is delivered makes room")
        #expect(try await look(store).status.isBalanced)
        #expect(fixture.raised("the node's disk space changed") == 4)
        await store.close()
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
        #expect(Files.system.size(fixture.spool("acme")) < full / 4)
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
        #expect(Files.system.size(fixture.spool("acme") + "-wal") <= cap + (1 << 20))
        // One that keeps its snapshot.
        try reader.execute("BEGIN")
        _ = try reader.integer("SELECT count(*) FROM batches")
        _ = try await fill(store, 60)
        #expect(Files.system.size(fixture.spool("acme") + "-wal") > cap)
        #expect(fixture.raised("a reader outside, or a full disk, keeps the write-ahead log from being emptied") == 1)
        try reader.execute("COMMIT")
        _ = try await fill(store, 20)
        #expect(Files.system.size(fixture.spool("acme") + "-wal") <= cap + (1 << 20))
        await store.close()
    }

    @Test func `a reader that is met once is nobody's concern, and one that is met again is told of once`() async throws
    {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        try await store.configure([StoreFixture.tenant("acme")])
        _ = try await fill(store, 1)
        let reader = try Connection(path: fixture.spool("acme"), access: .readOnly)
        func told() -> Int {
            fixture.raised("a reader outside, or a full disk, keeps the write-ahead log from being emptied")
        }
        for _ in 0..<2 {
            _ = try await fill(store, 1)
            try reader.execute("BEGIN")
            _ = try reader.integer("SELECT count(*) FROM batches")
            _ = try await fill(store, 1)
            #expect(try await store.emptyLog("acme") == false)
            #expect(told() == 0, "it may have been one of the node's own")
            try reader.execute("COMMIT")
            #expect(try await store.emptyLog("acme"))
        }
        try reader.execute("BEGIN")
        _ = try reader.integer("SELECT count(*) FROM batches")
        _ = try await fill(store, 1)
        for _ in 0..<4 { #expect(try await store.emptyLog("acme") == false) }
        #expect(told() == 1)
        try reader.execute("COMMIT")
        await store.close()
    }
}

extension SpoolStatus {
    var isBalanced: Bool { backends.allSatisfy { $0.balances } }
}

extension WALStore {
    fileprivate func emptyLog(_ tenant: String) async throws -> Bool {
        try await withSpool(tenant) { (spool) async throws(SpoolError) in try await spool.emptyLogNow() }
    }
}

extension Spool {
    fileprivate func emptyLogNow() throws(SpoolError) -> Bool { emptyWAL(try openDatabase().connection, patience: 1) }
    func setWALCap(_ bytes: Int64) { upkeep.walCapBytes = bytes }
    func setAdmission(_ new: Admission) { admission = new }
}
