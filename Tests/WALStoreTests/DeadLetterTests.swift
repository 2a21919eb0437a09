import Metrics
import Synchronization
import TestSupport
import Testing

@testable import WALStore

/// Letters that are found, read and ended by what they are.
struct DeadLetterTests {
    private let fixture: SpoolFixture
    private let spool: Spool

    init() async throws {
        fixture = try SpoolFixture()
        spool = try await fixture.open(["a", "b"])
    }

    /// Appends points, which each of the backends refuses.
    private func bury(
        _ values: Range<Int>, labels: String = "m", backends: [String] = ["a"], code: String = "refused"
    ) async throws {
        _ = try await spool.append(Make.request(Make.batch(values, labels: labels), id: "from \(values.lowerBound)"))
        for backend in backends {
            while let lease = try await spool.lease(backend: backend, limit: LeaseLimit(points: 1000)) {
                let reason = DeadLetterReason(code: code, excerpt: "no", status: 400)
                try await spool.settle(lease, Make.all(lease, .dead(reason)))
            }
        }
    }

    private func all(_ filter: DeadLetterFilter, page: Int = 100) async throws -> [DeadLetterWithPoint] {
        var letters: [DeadLetterWithPoint] = []
        var next: Int64? = 0
        while let after = next {
            let found = try await spool.deadLetters(filter, after: after, DeadLetterLimit(letters: page))
            #expect(found.letters.count <= page)
            letters += found.letters
            next = found.next
        }
        return letters
    }

    private func values(_ change: (inout DeadLetterFilter) throws -> Void) async throws -> [UInt64] {
        var filter = DeadLetterFilter()
        try change(&filter)
        return try await all(filter).compactMap { $0.point?.points.bits.first }
    }

    @Test func `pages hold each letter once, whatever their size`() async throws {
        try await bury(0..<700)
        for page in [1, 7, 256, 257, 700, 1000] {
            let found = try await all(DeadLetterFilter(), page: page).compactMap { $0.point?.points.bits.first }
            #expect(found == Array(0..<700).map(UInt64.init), "pages of \(page)")
        }
        await spool.close()
    }

    @Test func `a page that has no time left says where it goes on`() async throws {
        try await bury(0..<600)
        let page = try await spool.deadLetters(
            DeadLetterFilter(), DeadLetterLimit(letters: 1000, nanoseconds: 0))
        #expect(page.letters.count == 256)
        let next = try #require(page.next)
        #expect(try await spool.deadLetters(DeadLetterFilter(), after: next, .init(letters: 1000)).letters.count == 344)
        await spool.close()
    }

    @Test func `each filter lets through what it names`() async throws {
        try await bury(0..<10, labels: "up")
        let later = fixture.now.withLock { $0 } + 60_000_000_000
        fixture.advance(seconds: 60)
        try await bury(10..<20, labels: "down", backends: ["a", "b"], code: "too_large")
        #expect(try await values { _ in }.count == 40)
        #expect(try await values { $0.backend = "b" }.count == 20)
        #expect(try await values { $0.reason = "refused" } == Array(0..<10))
        #expect(try await values { $0.buried = .min..<later } == Array(0..<10))
        #expect(try await values { $0.selector = try .parse("up") }.count == 20)
        #expect(
            try await values {
                $0.selector = try .parse(#"{__name__=~"d.+"}"#)
                $0.backend = "a"
            } == Array(10..<20))
        #expect(
            try await values {
                $0.times = SpoolFixture.start + 5_000_000..<SpoolFixture.start + 7_000_000
                $0.backend = "a"
            } == [5, 6])
        #expect(try await values { $0.backend = "nobody" } == [])
        await spool.close()
    }

    @Test func `a letter is shown with the request that brought it`() async throws {
        try await bury(3..<5)
        let first = try #require(try await all(DeadLetterFilter()).first)
        let letter = try #require(try await spool.deadLetter(first.letter.id))
        #expect(letter.letter.requestID == "from 3")
        #expect(letter.letter.origin == Place(1, 0))
        #expect(letter.point?.points.bits == [3])
        #expect(try await spool.deadLetter(99) == nil)
        await spool.close()
    }

    @Test func `a purge ends exactly what its filter lets through, as losses that say so`() async throws {
        try await bury(0..<600, labels: "up", backends: ["a", "b"])
        try await bury(600..<610, labels: "down")
        var filter = DeadLetterFilter()
        filter.backend = "a"
        filter.selector = try .parse("up")
        let purge = try await spool.purgeDeadLetters(filter, asked: "by a test", nanoseconds: .max / 2)
        #expect(purge == Spool.Purge(points: 600, next: nil))
        let books = try await spool.books("a")
        #expect(books.deadPoints == 10 && books.lostPoints == 600 && books.balances)
        #expect(try await spool.books("b").deadPoints == 600)
        let losses = try await spool.losses().filter { $0.reason == .purge }
        #expect(losses.reduce(0) { $0 + ($1.points ?? 0) } == 600)
        #expect(losses.allSatisfy { $0.backend == "a" })
        #expect(losses.first?.firstTime == SpoolFixture.start)
        #expect(try await spool.eventDetails("dead_letters_purged") == ["by a test"])
        #expect(try await spool.purgeDeadLetters(filter, asked: "again").points == 0)
        #expect(try await spool.eventDetails("dead_letters_purged").count == 1)
        await spool.close()
    }

    @Test func `a purge that has no time left says where it goes on`() async throws {
        try await bury(0..<600)
        var (points, parts): (Int64, Int) = (0, 0)
        var next: Int64? = 0
        while let after = next {
            let purge = try await spool.purgeDeadLetters(
                DeadLetterFilter(), after: after, asked: "by a test", nanoseconds: 1)
            (points, parts, next) = (points + purge.points, parts + 1, purge.next)
            if parts > 1000 { break }
        }
        #expect(points == 600)
        #expect(parts > 1)
        await spool.close()
    }

    @Test func `what is buried later than the newest letter that was asked about stays, wherever the clock stands`()
        async throws
    {
        #expect(try await spool.newestDeadLetter() == nil)
        try await bury(0..<300)
        var filter = DeadLetterFilter()
        filter.until = try await spool.newestDeadLetter()
        #expect(filter.until == 300)
        fixture.advance(seconds: -3600)
        try await bury(300..<320)
        #expect(try await all(filter).count == 300)
        #expect(try await spool.purgeDeadLetters(filter, asked: "by a test", nanoseconds: .max / 2).points == 300)
        #expect(try await values { _ in } == Array(300..<320))
        filter.until = 0
        #expect(try await spool.purgeDeadLetters(filter, asked: "by a test", nanoseconds: .max / 2).points == 0)
        await spool.close()
    }

    @Test func `a letter that takes the number of one that has gone is not purged for it`() async throws {
        try await bury(0..<1)
        let seen = try await all(DeadLetterFilter())
        _ = try await spool.purgeDeadLetters(DeadLetterFilter(), asked: "by a test", nanoseconds: .max / 2)
        try await bury(1..<2)
        #expect(try await all(DeadLetterFilter()).first?.letter.id == seen.first?.letter.id)
        #expect(try await spool.endLetters(seen) == 0)
        #expect(try await spool.books("a").deadPoints == 1)
        await spool.close()
    }

    @Test func `a letter whose point is damaged is listed, and can be purged by what is known of it`() async throws {
        try await bury(0..<2)
        try await spool.damageLetter(1)
        let letters = try await all(DeadLetterFilter())
        #expect(letters.map { $0.point == nil } == [true, false])
        #expect(try await values { $0.selector = try .parse("m") } == [1])
        #expect(
            try await spool.purgeDeadLetters(DeadLetterFilter(), asked: "by a test", nanoseconds: .max / 2).points == 2)
        #expect(try await spool.books("a").balances)
        await spool.close()
    }

    @Test func `letters of a stopped node are read, and nothing is made in its folder`() async throws {
        let folder = try TemporaryFolder()
        let data = folder.path + "/data"
        let store = try WALStore(directory: data, node: NodeConfiguration(), upkeepInterval: nil, events: { _ in })
        try await store.configure([fixture.configuration()])
        try await store.withSpool("acme") { (spool) async throws(SpoolError) in
            _ = try await spool.append(Make.request(Make.batch(0..<5)))
            guard let lease = try await spool.lease(backend: "a", limit: LeaseLimit(points: 10)) else { return }
            let reason = DeadLetterReason(code: "refused", excerpt: "no", status: 400)
            try await spool.settle(lease, Make.all(lease, .dead(reason)))
        }
        await #expect(throws: SpoolError.self) { try await StoppedSpools(data) }
        await store.close()
        let before = Files.system.names(in: data + "/tenants/acme")
        let stopped = try await StoppedSpools(data)
        #expect(stopped.tenants == ["acme"])
        let page = try await stopped.deadLetters(
            tenant: "acme", DeadLetterFilter(), after: 0, DeadLetterLimit(letters: 10))
        #expect(page.letters.compactMap { $0.point?.points.bits.first } == [0, 1, 2, 3, 4])
        #expect(try await stopped.deadLetter(tenant: "acme", 2)?.letter.backend == "a")
        await #expect(throws: SpoolError.self) { try await stopped.deadLetter(tenant: "nobody", 2) }
        #expect(Files.system.names(in: data + "/tenants/acme").sorted() == before.sorted())
        // Who looks at a page keeps no node from starting, and is told of it with the next.
        let next = try WALStore(directory: data, node: NodeConfiguration(), upkeepInterval: nil, events: { _ in })
        let error = await #expect(throws: SpoolError.self) {
            try await stopped.deadLetters(tenant: "acme", DeadLetterFilter(), after: 5, DeadLetterLimit(letters: 10))
        }
        #expect(error?.isHeldElsewhere == true && error?.isHeldByReader == false)
        await next.close()
        await spool.close()
    }

    @Test func `whoever finds the folder taken by a reader is told so`() throws {
        let folder = try TemporaryFolder()
        let reader = try DataFolder(folder.path + "/data", isReader: true)
        let error = #expect(throws: SpoolError.self) { try DataFolder(folder.path + "/data") }
        #expect(error?.isHeldByReader == true && error?.message.contains("is being read by process") == true)
        reader.unlock()
        let node = try DataFolder(folder.path + "/data")
        let other = #expect(throws: SpoolError.self) { try DataFolder(folder.path + "/data", isReader: true) }
        #expect(other?.isHeldByReader == false && other?.message.contains("is in use by process") == true)
        node.unlock()
    }

    @Test(arguments: [false, true])
    func `whoever has the folder has it also when LOCK is deleted`(isReader: Bool) throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/data"
        let first = try DataFolder(path, isReader: isReader)
        try Files.system.remove(path + "/LOCK")
        let error = #expect(throws: SpoolError.self) { try DataFolder(path) }
        #expect(error?.isHeldElsewhere == true, "\(String(describing: error))")
        // Nor is it put back for the one that was refused: it would name nobody.
        #expect(!Files.system.names(in: path).contains("LOCK"))
        first.unlock()
        try DataFolder(path).unlock()
    }
}

extension Spool {
    fileprivate func eventDetails(_ kind: String) throws -> [String] {
        var details: [String] = []
        try Statement("SELECT detail FROM events WHERE kind = ?1", on: try openDatabase().connection).rows(.text(kind))
        {
            details.append($0.text(0))
            return true
        }
        return details
    }

    fileprivate func damageLetter(_ id: Int64) throws {
        try Statement("UPDATE dead_letters SET block = x'00' WHERE id = ?1", on: try openDatabase().connection)
            .run(.integer(id))
    }
}
