import Foundation
import Metrics
import Synchronization
import TestSupport
import Testing

@testable import WALStore

/// Rows that stand on bases: what that saves, and that nothing is lost by it.
struct StandingBasesTests {
    /// A scrape of targets like any: counters that go up, gauges that move. Values are whole numbers, each known again.
    private func scrape(_ number: Int, series: Range<Int> = 0..<200) -> Batch {
        var batch = Batch()
        for index in series {
            var builder = LabelBuilder()
            builder.add("__name__", "node_cpu_seconds_total")
            builder.add("cpu", String(index * 7919 % 1009))
            builder.add("instance", "node-\(index / 10).example:9100")
            do { try builder.finish() } catch { preconditionFailure("these labels are valid: \(error)") }
            let id = builder.canonical.withUnsafeBytes { batch.series.intern($0) }
            batch.points.appendFloat64(
                series: id, time: SpoolFixture.start + Int64(number) * 15_000_000_000,
                bits: Double(index * 100_003 + number * (index % 50)).bitPattern)
        }
        return batch
    }

    private func append(_ spool: Spool, _ scrapes: Range<Int>, series: Range<Int> = 0..<200) async throws {
        for number in scrapes {
            _ = try await spool.append(Make.request(scrape(number, series: series), id: "scrape \(number)"))
        }
    }

    private func drain(_ spool: Spool) async throws -> [UInt64] {
        var values: [UInt64] = []
        while let lease = try await spool.lease(backend: "a", limit: LeaseLimit(points: 777)) {
            for piece in lease.pieces { values += piece.ordinals.map { piece.batch.points.bits[$0] } }
            try await spool.settle(lease, Make.all(lease, .delivered))
        }
        return values
    }

    private func expected(_ scrapes: Range<Int>, series: Range<Int> = 0..<200) -> [UInt64] {
        scrapes.flatMap { scrape($0, series: series).points.bits }
    }

    private func blockBytes(_ spool: Spool, _ sequences: ClosedRange<Int64>) async throws -> Int64 {
        try await spool.integer(
            """
            SELECT sum(length(block)) FROM batches
            WHERE sequence BETWEEN \(sequences.lowerBound) AND \(sequences.upperBound)
            """) ?? 0
    }

    private func bases(_ spool: Spool) async throws -> Int64 {
        let (ours, copies) = (
            try await spool.integer("SELECT count(*) FROM bases") ?? -1,
            try await spool.integer("SELECT count(*) FROM base_copies") ?? -2
        )
        #expect(ours == copies)
        return ours
    }

    @Test func `series that come again are said once for many rows, and come back after a restart`() async throws {
        let fixture = try SpoolFixture(cacheBytes: 0)
        let spool = try await fixture.open()
        try await append(spool, 0..<10)
        #expect(try await bases(spool) == 1)
        let (first, others) = (try await blockBytes(spool, 1...1), try await blockBytes(spool, 3...10))
        #expect(others * 2 < first * 8, "\(first) \(others)")
        await spool.close()
        let again = try await fixture.open()
        // Without what the first life knew: they come twice before they are in a base.
        try await append(again, 10..<20)
        #expect(try await bases(again) == 2)
        #expect(try await drain(again) == expected(0..<20))
        #expect(try await again.books("a").balances)
        await again.close()
    }

    @Test func `a base is renewed, and goes when no row stands on it`() async throws {
        let fixture = try SpoolFixture()
        var environment = fixture.environment
        environment.baseRules = BaseRules(fewestSeries: 64, usesASeries: 5, mostRows: 100)
        let spool = try await Spool.open(path: fixture.path, fixture.configuration(), environment)
        try await append(spool, 0..<22)
        #expect(try await bases(spool) == 5, "rows 2 to 6, 7 to 11, ...")
        let lease = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 200 * 8)))
        try await spool.settle(lease, Make.all(lease, .delivered))
        await spool.release(lease)
        fixture.advance(seconds: 2 * 86_400)
        try await spool.maintain()
        #expect(try await bases(spool) == 4, "row 9 stands on the second")
        #expect(try await drain(spool) == expected(8..<22))
        try await append(spool, 22..<24)
        fixture.advance(seconds: 2 * 86_400)
        try await spool.maintain()
        #expect(try await bases(spool) == 1)
        // The newest row stays, and what it stands on.
        try await append(spool, 24..<30)
        #expect(try await drain(spool) == expected(22..<30))
        await spool.close()
    }

    @Test func `no more rows than the rule says stand on a base`() async throws {
        let fixture = try SpoolFixture(bases: BaseRules(usesASeries: 1000, mostRows: 4))
        let spool = try await fixture.open()
        try await append(spool, 0..<22)
        #expect(try await bases(spool) == 6, "rows 2 to 5, 6 to 9, ...")
        await spool.close()
    }

    @Test func `few series, and series that come once, are in no base`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        try await append(spool, 0..<10, series: 0..<20)
        for number in 0..<10 {
            try await append(spool, number..<number + 1, series: 1000 * number..<1000 * number + 200)
        }
        #expect(try await bases(spool) == 0)
        #expect(try await drain(spool).count == 10 * 220)
        await spool.close()
    }

    @Test func `series are found in several bases, and new ones among them are said`() async throws {
        let fixture = try SpoolFixture(cacheBytes: 0)
        let spool = try await fixture.open()
        for number in 0..<3 {
            for part in 0..<3 { try await append(spool, number..<number + 1, series: part * 100..<part * 100 + 100) }
        }
        #expect(try await bases(spool) == 3)
        try await append(spool, 3..<6, series: 0..<310)
        #expect(try await bases(spool) == 3, "ten more are not worth one")
        let values = try await drain(spool)
        let last = expected(3..<6, series: 0..<310)
        #expect(values.count == 900 + last.count)
        #expect(Array(values.suffix(last.count)) == last)
        await spool.close()
    }

    @Test func `without memory for bases rows say all themselves`() async throws {
        let fixture = try SpoolFixture()
        var environment = fixture.environment
        environment.baseAllowance = BaseAllowance(bytes: 1000)
        let spool = try await Spool.open(path: fixture.path, fixture.configuration(), environment)
        try await append(spool, 0..<6)
        #expect(try await bases(spool) == 0)
        #expect(try await drain(spool) == expected(0..<6))
        await spool.close()
    }

    @Test func `memory for bases is given back when nothing comes for a while, and by a spool that closes`()
        async throws
    {
        let fixture = try SpoolFixture()
        var environment = fixture.environment
        let all = 1 << 20
        environment.baseAllowance = BaseAllowance(bytes: all)
        let spool = try await Spool.open(path: fixture.path, fixture.configuration(), environment)
        func isFree() -> Bool { environment.baseAllowance.take(all) != nil }
        try await append(spool, 0..<3)
        #expect(!isFree())
        try await spool.maintain()
        fixture.advance(seconds: 301)
        try await spool.maintain()
        #expect(isFree())
        try await append(spool, 3..<6)
        #expect(!isFree())
        #expect(try await drain(spool) == expected(0..<6))
        await spool.close()
        #expect(isFree())
    }

    @Test func `a base is read from its copy when its own row is gone or damaged, and with neither its rows are lost`()
        async throws
    {
        for damage in ["DELETE FROM bases", "UPDATE bases SET block = x'00'", "UPDATE bases SET block = zeroblob(900)"]
        {
            let fixture = try SpoolFixture(cacheBytes: 0)
            var spool = try await fixture.open()
            try await append(spool, 0..<6)
            await spool.close()
            try change(fixture.path, damage)
            spool = try await fixture.open()
            #expect(try await drain(spool) == expected(0..<6), "\(damage)")
            try await append(spool, 6..<12)
            await spool.close()
            try change(fixture.path, damage + "; " + damage.replacing("bases", with: "base_copies"))
            spool = try await fixture.open()
            // Row 7 came as the first of its life, which stands on none.
            #expect(try await read(spool, 7) == expected(6..<7))
            await #expect(throws: SpoolError.self) { try await read(spool, 9) }
            await spool.close()
        }
    }

    /// Found by an attack: each row was tried five times, a second apart, and its lane stood still for that.
    @Test func `with a base that is gone its rows are lost after one wait, not one for each`() async throws {
        let fixture = try SpoolFixture(cacheBytes: 0)
        var spool = try await fixture.open()
        try await append(spool, 0..<40)
        await spool.close()
        try change(fixture.path, "DELETE FROM bases; DELETE FROM base_copies")
        var environment = fixture.environment
        environment.scheduling = Scheduling(monotonic: { [fixture] in fixture.now.withLock { $0 } })
        spool = try await Spool.open(path: fixture.path, fixture.configuration(), environment)
        var waits = 0
        var values: [UInt64] = []
        while true {
            do throws(SpoolError) {
                let lease = try await spool.lease(backend: "a", limit: LeaseLimit(points: 500))
                guard let lease else { break }
                for piece in lease.pieces { values += piece.ordinals.map { piece.batch.points.bits[$0] } }
                try await spool.settle(lease, Make.all(lease, .delivered))
            } catch {
                #expect(error.code == .unavailable, "\(error)")
                waits += 1
                fixture.advance(seconds: 1)
            }
        }
        #expect(values == expected(0..<1), "the first row stands on none")
        #expect(waits == SpoolReader.maximumFailures - 1)
        let lost = try await spool.losses()
        #expect(lost.reduce(0) { $0 + ($1.points ?? 0) } == 39 * 200)
        #expect(try await spool.books("a").balances)
        await spool.close()
    }

    /// Found by an attack: each life's bases were kept as long as any row of a former life was.
    @Test func `bases of former lives go with their rows, however often a spool is opened`() async throws {
        let fixture = try SpoolFixture()
        for life in 0..<12 {
            let spool = try await fixture.open()
            try await append(spool, life * 5..<life * 5 + 5)
            #expect(try await drain(spool) == expected(life * 5..<life * 5 + 5))
            try await spool.maintain()
            // Rows are kept for a day: those of this life and of the two before it, at most.
            #expect(try await bases(spool) <= 3, "life \(life)")
            #expect(try await spool.integer("SELECT count(*) FROM base_lives").map { $0 <= 3 } == true, "life \(life)")
            await spool.close()
            fixture.advance(seconds: 10 * 3600)
        }
    }

    private func read(_ spool: Spool, _ sequence: Int64) async throws -> [UInt64] {
        try await spool.reader.block(sequence).batch.points.bits
    }

    private func change(_ path: String, _ sql: String) throws {
        let connection = try Connection(path: path, access: .readWrite)
        try connection.execute(sql)
        connection.close()
    }

    @Test func `a merged row stands on what its rows stood on, which goes when it goes`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        try await append(spool, 0..<30)
        await spool.reader.close()
        await spool.close()
        let again = try await fixture.open()
        try await append(again, 30..<31)
        fixture.advance(seconds: 7200)
        await again.hurryRepack(targetPoints: 100_000)
        let (round, failure) = await again.repack(RepackRound())
        #expect(failure == nil)
        #expect(round.tally.rows == 30)
        try await again.maintain()
        #expect(try await bases(again) == 1)
        // Labels and first values are said nowhere else.
        #expect(try await again.reader.peek(1)?.standsOn.map(\.id) == [2])
        #expect(round.tally.bytesAfter * 3 < round.tally.bytesBefore)
        #expect(try await drain(again) == expected(0..<31))
        fixture.advance(seconds: 90_000)
        try await again.maintain()
        #expect(try await again.integer("SELECT count(*) FROM batches") == 1)
        #expect(try await bases(again) == 0)
        await again.close()
    }

    /// Both rows of the base lie on pages of their own; one of them is enough.
    @Test(arguments: [0, 1, 2])
    func `a salvage carries bases over before the rows that stand on them`(damaged: Int) async throws {
        let fixture = try StoreFixture()
        let first = try fixture.open()
        try await first.configure([StoreFixture.tenant("acme")])
        for number in 0..<20 { _ = try await first.append(scrape(number), tenant: "acme") }
        await first.close()
        let path = fixture.spool("acme")
        if damaged > 0 { try change(path, "DELETE FROM bases") }
        if damaged > 1 { try change(path, "DELETE FROM base_copies") }
        // Without its schema the file cannot be opened.
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        try file.seek(toOffset: 100)
        try file.write(contentsOf: Data(repeating: 0xff, count: 100))
        try file.close()

        let second = try fixture.open()
        try await second.configure([StoreFixture.tenant("acme")])
        try await second.withSpool("acme") { _ throws(SpoolError) in }
        await second.maintain()
        let (found, books) = try await second.withSpool("acme") { (spool) async throws(SpoolError) in
            var found: [UInt64] = []
            while let lease = try await spool.lease(backend: "a", limit: LeaseLimit(points: 5000)) {
                found += lease.pieces.flatMap { $0.batch.points.bits[$0.ordinals] }
                try await spool.settle(lease, Make.all(lease, .delivered))
            }
            return (found, try await spool.status().backends)
        }
        #expect(found == (damaged > 1 ? expected(0..<1) : expected(0..<20)))
        #expect(books.first?.balances == true && books.first?.lostPoints == (damaged > 1 ? 19 * 200 : 0))
        await second.close()
    }
}
