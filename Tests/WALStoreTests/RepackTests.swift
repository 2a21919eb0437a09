import Foundation
import Metrics
import TestSupport
import Testing

@testable import WALStore

/// Small rows become large ones, and nobody can tell but by the bytes (rules 1, 7).
struct RepackTests {
    /// Commits `count` rows of `points` each, a second apart, and lets them rest.
    private func fill(
        _ spool: Spool, _ fixture: SpoolFixture, rows count: Int, points: Int = 20, from first: Int = 0
    ) async throws {
        for row in 0..<count {
            let values = first + row * points..<first + (row + 1) * points
            _ = try await spool.append(Make.request(Make.batch(values, labels: "m\(row % 3)"), id: "request \(row)"))
            fixture.advance(seconds: 1)
        }
        fixture.advance(seconds: 60)
    }

    private func drain(_ spool: Spool, _ backend: String = "a", limit: Int = 7) async throws -> [Int] {
        var values: [Int] = []
        while let lease = try await spool.lease(backend: backend, limit: LeaseLimit(points: limit)) {
            values += lease.values
            try await spool.settle(lease, Make.all(lease, .delivered))
        }
        return values
    }

    @Test func `a backlog in small rows becomes one in large rows, a fraction of its size`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        try await fill(spool, fixture, rows: 101)
        await spool.hurryRepack(targetPoints: 1000)
        let (round, failure) = await spool.repack(RepackRound())
        #expect(failure == nil)
        // The newest row carries the spool's end and stays.
        #expect(try await spool.rowCount == 3)
        #expect(round.tally.rows == 100 && round.tally.mergedRows == 2 && round.tally.points == 2000)
        #expect(round.tally.bytesAfter * 5 < round.tally.bytesBefore)
        #expect(try await spool.books("a").pendingPoints == 2020)
        #expect(try await drain(spool) == Array(0..<2020))
        #expect(try await spool.books("a").balances)
        await spool.close()
    }

    @Test func `places, receipts and dead letters are those from before`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        try await fill(spool, fixture, rows: 10)
        await spool.hurryRepack(targetPoints: 1000)
        #expect(await spool.repack(RepackRound()).0.tally.rows == 9)
        let lease = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 65)))
        #expect(lease.pieces.count == 1)
        #expect(lease.pieces[0].places == PlaceRange(Place(1, 0), Place(4, 5)))
        let refused = DeadLetterReason(code: "refused", excerpt: "no", status: 400)
        try await spool.settle(
            lease,
            Make.settlement([
                .init(LeasedRun(piece: 0, ordinals: 0..<18), .delivered),
                .init(LeasedRun(piece: 0, ordinals: 18..<23), .dead(refused)),
            ]))
        await spool.release(lease)
        let letters = try await spool.deadLetters()
        #expect(letters.map(\.origin) == [Place(1, 18), Place(1, 19), Place(2, 0), Place(2, 1), Place(2, 2)])
        #expect(letters.map(\.requestID) == ["request 0", "request 0", "request 1", "request 1", "request 1"])
        #expect(try await drain(spool) == Array(23..<200))
        await spool.close()
    }

    @Test func `rows that are leased or settled in part are left as they are`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open(["a", "b"])
        try await fill(spool, fixture, rows: 12)
        // Of "a": row 3 in part. Of "b": row 6 leased.
        let first = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 50)))
        try await spool.settle(first, Make.all(first, .delivered))
        let skipped = try #require(try await spool.lease(backend: "b", limit: LeaseLimit(points: 100)))
        let held = try #require(try await spool.lease(backend: "b", limit: LeaseLimit(points: 20)))
        await spool.release(skipped)
        await spool.hurryRepack(targetPoints: 1000)
        #expect(await spool.repack(RepackRound()).1 == nil)
        // 1-2, 3, 4-5, 6, 7-11, 12: what "a" has and "b" has not is owed all the same.
        #expect(try await spool.rowSpans == [1...2, 3...3, 4...5, 6...6, 7...11, 12...12])
        try await spool.settle(held, Make.all(held, .delivered))
        #expect(try await drain(spool, "a") == Array(50..<240))
        #expect(try await drain(spool, "b") == Array(0..<100) + Array(120..<240))
        await spool.close()
    }

    @Test func `a row that is leased while it is merged stays`() async throws {
        let fixture = try SpoolFixture(cacheBytes: 0)
        let spool = try await fixture.open()
        try await fill(spool, fixture, rows: 6)
        await spool.hurryRepack(targetPoints: 1000)
        let gate = Semaphore()
        fixture.reader.submit { gate.wait() }
        async let repacked = spool.repack(RepackRound())
        // It waits for the reader from then on.
        while await !spool.hasLookedForRuns { await Task.yield() }
        async let leased = spool.lease(backend: "a", limit: LeaseLimit(points: 20))
        while await spool.leaseCount == 0 { await Task.yield() }
        gate.post()
        let lease = try #require(try await leased)
        // The first run comes to nothing, the next one goes around the row.
        #expect(await repacked.0.tally.rows == 4)
        #expect(try await spool.rowSpans == [1...1, 2...5, 6...6])
        try await spool.settle(lease, Make.all(lease, .delivered))
        #expect(try await drain(spool) == Array(20..<120))
        await spool.close()
    }

    @Test func `a point is not written again and again`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        await spool.hurryRepack(targetPoints: 100_000)
        var written: Int64 = 0
        for round in 0..<128 {
            try await fill(spool, fixture, rows: 4, points: 1, from: round * 4)
            written += await spool.repack(RepackRound()).0.tally.points
        }
        // Each time a point is written its row has doubled: at most nine times for 512 of them.
        #expect(written < 512 * 10)
        #expect(try await spool.rowCount < 20)
        #expect(try await drain(spool) == Array(0..<512))
        await spool.close()
    }

    @Test func `ages are still those of the points`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        try await fill(spool, fixture, rows: 30)
        let before = try await spool.books("a").oldestPendingAgeSeconds
        await spool.hurryRepack(targetPoints: 1000)
        #expect(await spool.repack(RepackRound()).0.tally.mergedRows == 1)
        #expect(try await spool.books("a").oldestPendingAgeSeconds == before)
        let lease = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 110)))
        try await spool.settle(lease, Make.all(lease, .delivered))
        #expect(try await spool.books("a").oldestPendingAgeSeconds == before - 5)
        await spool.close()
    }

    @Test func `rows far apart in time stay apart, merged ones too`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        await spool.hurryRepack(targetPoints: 100_000)
        for hour in 0..<4 {
            try await fill(spool, fixture, rows: 8, from: hour * 160)
            _ = await spool.repack(RepackRound())
            fixture.advance(seconds: 3600)
        }
        _ = await spool.repack(RepackRound())
        #expect(try await spool.rowCount >= 4)
        #expect(try await drain(spool) == Array(0..<640))
        await spool.close()
    }

    @Test func `a merged row is found again after a kill`() async throws {
        let fixture = try SpoolFixture()
        let first = try await fixture.open()
        try await fill(first, fixture, rows: 12)
        await first.hurryRepack(targetPoints: 100)
        #expect(await first.repack(RepackRound()).0.tally.rows > 8)
        let lease = try #require(try await first.lease(backend: "a", limit: LeaseLimit(points: 33)))
        try await first.settle(lease, Make.all(lease, .delivered))
        await first.abandon()
        let second = try await fixture.open()
        #expect(try await drain(second) == Array(33..<240))
        #expect(try await second.books("a").balances)
        await second.close()
    }

    /// Without schema and page map. It meets no row from before the merge: SQLite empties a page that it frees.
    @Test func `a salvage carries merged rows over, each point once and in order`() async throws {
        let fixture = try StoreFixture()
        let first = try fixture.open()
        try await first.configure([StoreFixture.tenant("acme")])
        var random = SeededGenerator(seed: 7)
        var values: [UInt64] = []
        for _ in 0..<40 {
            let batch = Batch.noise(700, &random)
            values += batch.points.bits
            _ = try await first.append(batch, tenant: "acme")
        }
        fixture.advance(seconds: 60)
        let merged = try await first.withSpool("acme") { (spool) async throws(SpoolError) in
            await spool.hurryRepack(targetPoints: 10_000)
            return await spool.repack(RepackRound()).0.tally
        }
        #expect(merged.rows == 39)
        await first.close()
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: fixture.spool("acme")))
        // The schema, and the map of the pages behind it.
        try file.seek(toOffset: 100)
        try file.write(contentsOf: Data(repeating: 0xff, count: 100))
        try file.seek(toOffset: 4096)
        try file.write(contentsOf: Data(repeating: 0, count: 4096))
        try file.close()

        try await fixture.withSecondLife { store in
            try await store.configure([StoreFixture.tenant("acme")])
            try await store.withSpool("acme") { _ throws(SpoolError) in }
            await store.maintain()
            let (found, books) = try await store.withSpool("acme") { (spool) async throws(SpoolError) in
                var found: [UInt64] = []
                while let lease = try await spool.lease(backend: "a", limit: LeaseLimit(points: 5000)) {
                    found += lease.pieces.flatMap { $0.batch.points.bits[$0.ordinals] }
                    try await spool.settle(lease, Make.all(lease, .delivered))
                }
                return (found, try await spool.status().backends)
            }
            #expect(found == values)
            #expect(books.first?.balances == true && books.first?.lostPoints == 0)
        }
    }

    /// Where a disk kept pages from before a merge, or put them back, rows and the row they became are found side by side.
    enum Stale: CaseIterable { case behindTheFile, asTheNewerFile, asTheOlderFile }

    private static func withoutPage(of sequence: Int64, _ file: [UInt8]) -> [UInt8] {
        var file = file
        for page in 1..<file.count / 4096 {
            let bytes = Array(file[page * 4096..<(page + 1) * 4096])
            let isIt = RecordCells.of(bytes, number: UInt32(page + 1)).contains { cell in
                guard let columns = RecordColumns(Array(bytes[cell.local]), payloadBytes: cell.payloadBytes) else {
                    return false
                }
                return cell.rowID == sequence && SalvageTable.of(columns, hasRowID: true) == .batches
            }
            if isIt { file.replaceSubrange(page * 4096..<(page + 1) * 4096, with: repeatElement(0, count: 4096)) }
        }
        return file
    }

    @Test(arguments: Stale.allCases)
    func `rows from before a merge and the merged one give each point once, whichever is found first`(
        stale: Stale
    ) async throws {
        let fixture = try StoreFixture()
        let (tenant, files) = (StoreFixture.tenant("acme"), Files.system)
        let first = try fixture.open()
        try await first.configure([tenant])
        // Rows short enough to lie on one page, so that a page can be moved.
        for row in 0..<60 { _ = try await first.append(Make.batch(row * 20..<row * 20 + 20), tenant: "acme") }
        await first.close()
        // Of the first rows some are gone: the merged one has all that they had, and must not stand beside the others.
        let before = Self.withoutPage(of: 1, try files.disk.read(fixture.spool("acme"), limit: 1 << 24))
        let second = try fixture.open()
        try await second.configure([tenant])
        fixture.advance(seconds: 60)
        let merged = try await second.withSpool("acme") { (spool) async throws(SpoolError) in
            await spool.hurryRepack(targetPoints: 400)
            return await spool.repack(RepackRound()).0.tally
        }
        #expect(merged.rows == 59 && merged.mergedRows == 3)
        await second.close()

        let folder = Files.parent(of: fixture.spool("acme"))
        var names = ["20260101T000000Z", "20260102T000000Z"].map { SetAside.prefix + $0 }
        var after = try files.disk.read(fixture.spool("acme"), limit: 1 << 24)
        unlink(fixture.spool("acme"))
        if stale == .behindTheFile {
            after += before
            names.removeLast()
        } else {
            try files.disk.write(before, to: "\(folder)/\(names[1])")
        }
        try files.disk.write(after, to: "\(folder)/\(names[0])")
        if stale == .asTheNewerFile { names.reverse() }
        try SalvageNote(incarnation: Array(0..<16), names: names).write(folder, files)

        let third = try fixture.open()
        try await third.configure([tenant])
        try await third.withSpool("acme") { _ throws(SpoolError) in }
        await third.maintain()
        #expect(try await third.drain("acme") == Array(0..<1200))
        let books = try await third.withSpool("acme") { (spool) async throws(SpoolError) in
            try await spool.status().backends
        }
        #expect(books.first?.balances == true && books.first?.lostPoints == 0, "\(books)")
        await third.close()
    }

    @Test func `metadata and rows without points go along`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        for index in 0..<8 {
            var batch = index % 2 == 0 ? Make.batch(0..<0) : Make.batch(index * 10..<index * 10 + 5)
            batch.metadata = [MetricMetadata(family: "m\(index)", kind: .gauge)]
            _ = try await spool.append(Make.request(batch))
        }
        fixture.advance(seconds: 60)
        await spool.hurryRepack(targetPoints: 1000)
        #expect(await spool.repack(RepackRound()).0.tally.rows == 7)
        var families: [String] = []
        while let lease = try await spool.lease(backend: "a", limit: LeaseLimit(points: 100)) {
            families += lease.pieces.flatMap { $0.batch.metadata.map(\.family) }
            try await spool.settle(lease, Make.all(lease, .delivered))
        }
        #expect(families == (0..<8).map { "m\($0)" })
        await spool.close()
    }

    @Test func `points older than the age of the tenant end, in a merged row too`() async throws {
        let fixture = try SpoolFixture()
        var configuration = fixture.configuration()
        configuration.maximumAgeSeconds = 24 * 3600
        let spool = try await Spool.open(path: fixture.path, configuration, fixture.environment)
        try await fill(spool, fixture, rows: 30)
        await spool.hurryRepack(targetPoints: 1000)
        #expect(await spool.repack(RepackRound()).0.tally.mergedRows == 1)
        let lease = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 110)))
        try await spool.settle(lease, Make.all(lease, .delivered))
        fixture.advance(seconds: 25 * 3600)
        _ = try await spool.status()
        #expect(try await spool.dropAged() == 1)
        // The newest row stays; of the others nothing is owed.
        #expect(try await spool.books("a").pendingPoints == 20)
        #expect(try await spool.books("a").lostPoints == 470)
        #expect(try await spool.losses().first?.places == PlaceRange(Place(6, 10), Place(30, 0)))
        await spool.close()
    }
}

extension Spool {
    /// Repacks that real spools see once in a while, at once.
    func hurryRepack(targetPoints: Int = 200) {
        upkeep.repack.rules.targetPoints = targetPoints
        upkeep.repack.rules.smallestRun = 2
        upkeep.repack.rules.rest = 0
        upkeep.repack.rules.keptRest = 0
        upkeep.repack.rules.patience = 0
        upkeep.repack.rules.secondLook = 0
    }

    var hasLookedForRuns: Bool { upkeep.repack.secondLookAt != .min }

    var leaseCount: Int { leases.count }

    var rowSpans: [ClosedRange<Int64>] {
        get throws {
            var spans: [ClosedRange<Int64>] = []
            try eachRow(from: Place(0, 0), try openDatabase()) { row in
                spans.append(row.sequence...row.lastSequence)
                return true
            }
            return spans
        }
    }
}
