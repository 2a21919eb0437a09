import Metrics
import Synchronization
import TestSupport
import Testing

@testable import WALStore

/// Letters that are sent again: owed once, by one backend, and letters no more.
struct RedriveTests {
    private let fixture: SpoolFixture
    private let spool: Spool

    init() async throws {
        fixture = try SpoolFixture()
        spool = try await fixture.open(["a", "b"])
    }

    /// Appends points, which `backends` refuse and the others take.
    private func bury(_ values: Range<Int>, labels: String = "m", backends: Set<String> = ["a"]) async throws {
        _ = try await spool.append(Make.request(Make.batch(values, labels: labels), id: "from \(values.lowerBound)"))
        for backend in ["a", "b"] {
            let reason = DeadLetterReason(code: "refused", excerpt: "no", status: 400)
            try await settleAll(backend, backends.contains(backend) ? .dead(reason) : .delivered)
        }
    }

    private func settleAll(_ backend: String, _ fate: Fate) async throws {
        while let lease = try await spool.lease(backend: backend, limit: LeaseLimit(points: 1000)) {
            try await spool.settle(lease, Make.all(lease, fate))
        }
    }

    private func order(_ backend: String, _ change: (inout RedriveOrder) throws -> Void = { _ in }) rethrows
        -> RedriveOrder
    {
        var order = RedriveOrder(backend: backend, requestID: "again", peer: "admin", asked: "by a test")
        try change(&order)
        return order
    }

    /// What is owed now, in order; released again.
    private func owed(_ backend: String) async throws -> [LeasedPiece] {
        guard let lease = try await spool.lease(backend: backend, limit: LeaseLimit(points: 5000)) else { return [] }
        await spool.release(lease)
        return lease.pieces
    }

    @Test func `what is sent again is owed to the backend that was named, and to no other`() async throws {
        try await bury(0..<600)
        try await bury(600..<610, labels: "other")
        let order = try order("b") { $0.filter.selector = try .parse("m") }
        let redrive = try await spool.redriveDeadLetters(order, nanoseconds: .max / 2)
        #expect(redrive == Spool.Redrive(points: 600, unfit: 0, next: nil))
        let (a, b) = (try await spool.books("a"), try await spool.books("b"))
        // Its 600 letters, and as many points that are the other's.
        #expect(a.deadPoints == 10 && a.excludedPoints == 1200 && a.pendingPoints == 0 && a.balances)
        #expect(b.pendingPoints == 600 && b.deliveredPoints == 610 && b.excludedPoints == 0 && b.balances)
        #expect(try await owed("a").isEmpty)
        #expect(try await owed("b").flatMap(\.values) == Array(0..<600))
        #expect(try await owed("b").allSatisfy { !$0.maybeSent })
        try await settleAll("b", .delivered)
        #expect(try await spool.books("b").deliveredPoints == 1210)
        await spool.close()
    }

    @Test func `a backend that refuses again has letters again, which a filter tells apart`() async throws {
        try await bury(0..<3)
        fixture.advance(seconds: 1)
        let before = fixture.now.withLock { $0 }
        let again = order("a") { $0.filter.buried = .min..<before }
        #expect(try await spool.redriveDeadLetters(again).points == 3)
        try await settleAll("a", .dead(DeadLetterReason(code: "refused", excerpt: "still no", status: 400)))
        #expect(try await spool.redriveDeadLetters(again).points == 0)
        let letters = try await spool.deadLetters(DeadLetterFilter(), DeadLetterLimit(letters: 10)).letters
        #expect(letters.map(\.letter.reason.excerpt) == Array(repeating: "still no", count: 3))
        #expect(letters.allSatisfy { $0.letter.requestID == "again" })
        #expect(try await spool.books("a").balances)
        await spool.close()
    }

    @Test func `the rows tell where the points went, and where they came from`() async throws {
        try await bury(0..<4)
        try await bury(4..<6)
        #expect(try await spool.redriveDeadLetters(order("b")).points == 6)
        #expect(
            try await spool.rows(
                """
                SELECT backend_id || ' ' || first_sequence || '.' || first_ordinal || ' ' || end_sequence || '.' ||
                    end_ordinal || ' ' || reason FROM deliveries WHERE outcome = 'excluded' ORDER BY id
                """) == [
                    "1 1.0 1.4 redriven as sequence 3", "1 2.0 2.2 redriven as sequence 3",
                    "1 3.0 4.0 redrive of another backend's dead letters",
                ])
        #expect(
            try await spool.rows(
                "SELECT source || ' ' || request_id || ' ' || points FROM receipts WHERE sequence = 3")
                == ["redrive again 6"])
        #expect(
            try await spool.rows("SELECT detail FROM events WHERE kind = 'dead_letters_redriven'") == ["by a test"])
        await spool.close()
    }

    @Test func `a repair is made of what is sent, and what it spoils stays a letter`() async throws {
        try await bury(0..<2)
        let repaired = order("b") {
            $0.repair.renames = [.init(from: "__name__", to: "job")]
        }
        #expect(try await spool.redriveDeadLetters(repaired) == Spool.Redrive(points: 0, unfit: 2, next: nil))
        #expect(try await spool.books("a").deadPoints == 2)
        let moved = order("b") { $0.repair.earliest = SpoolFixture.start + 1_000_000 }
        #expect(try await spool.redriveDeadLetters(moved).points == 2)
        let piece = try #require(try await owed("b").first)
        #expect(
            piece.ordinals.map { piece.batch.points.times[$0] }
                == [1_000_000, 1_000_000].map { SpoolFixture.start + $0 })
        await spool.close()
    }

    @Test func `a preview is what the re-drive then comes to, and changes nothing`() async throws {
        try await bury(0..<600)
        try await bury(600..<610, labels: "other")
        let order = order("b") { $0.repair.drops = ["__name__"] }
        let before = (try await spool.books("a"), try await spool.books("b"))
        let preview = try await spool.previewRedrive(order, nanoseconds: .max / 2)
        #expect(try await spool.books("a") == before.0)
        #expect(try await spool.books("b") == before.1)
        #expect(preview.points + preview.unfit == 610)
        #expect(try await spool.redriveDeadLetters(order, nanoseconds: .max / 2) == preview)
        let strange = try self.order("nobody")
        await #expect(throws: SpoolError.self) { try await spool.previewRedrive(strange) }
    }

    @Test func `a letter that cannot be read stays, and the others go`() async throws {
        try await bury(0..<3)
        _ = try await spool.rows("UPDATE dead_letters SET block = x'00' WHERE id = 2")
        #expect(try await spool.redriveDeadLetters(order("b")) == Spool.Redrive(points: 2, unfit: 1, next: nil))
        #expect(try await spool.books("a").deadPoints == 1)
        #expect(try await owed("b").flatMap(\.values) == [0, 2])
        await spool.close()
    }

    @Test func `letters that were ended meanwhile are not sent`() async throws {
        try await bury(0..<3)
        let found = try await spool.deadLetters(DeadLetterFilter(), DeadLetterLimit(letters: 10)).letters
        let fit = found.compactMap { FitLetter($0, PointRepair()) }
        #expect(try await spool.endLetters([found[1]]) == 1)
        #expect(try await spool.sendAgain(fit, order("b")) == 2)
        #expect(try await spool.sendAgain(fit, order("b")) == 0)
        #expect(try await owed("b").flatMap(\.values) == [0, 2])
        await spool.close()
    }

    @Test func `parts of a re-drive add up, each where the one before ended`() async throws {
        try await bury(0..<600)
        var (points, parts): (Int64, Int) = (0, 0)
        var next: Int64? = 0
        while let after = next, parts < 100 {
            let part = try await spool.redriveDeadLetters(order("a"), after: after, nanoseconds: 0)
            (points, parts, next) = (points + part.points, parts + 1, part.next)
        }
        #expect(points == 600)
        #expect(parts == 3)
        #expect(try await spool.rows("SELECT detail FROM events WHERE kind = 'dead_letters_redriven'").count == 1)
        await spool.close()
    }

    @Test(arguments: [false, true])
    func `a backend that comes later with all of the past gets no point twice`(isMerged: Bool) async throws {
        for request in 0..<4 { try await bury(request * 10..<request * 10 + 10, backends: request == 1 ? ["a"] : []) }
        #expect(try await spool.redriveDeadLetters(order("a")).points == 10)
        try await settleAll("a", .delivered)
        try await bury(40..<50, backends: ["a"])
        #expect(try await spool.redriveDeadLetters(order("b")).points == 10)
        // The newest row carries the spool's end, and is never merged.
        for request in 5..<7 { try await bury(request * 10..<request * 10 + 10, backends: []) }
        if isMerged {
            fixture.advance(seconds: 3600)
            await spool.hurryRepack(targetPoints: 1000)
            #expect(await spool.repack(RepackRound()).0.tally.mergedRows == 1)
        }
        var configuration = fixture.configuration(["a", "b"])
        configuration.backends.append(BackendRegistration(name: "c", type: "archive", backfill: .all))
        try await spool.configure(configuration)
        let books = try await spool.books("c")
        #expect(books.pendingPoints == 70 && books.excludedPoints == 20 && books.balances, "\(books)")
        var values: [Int] = []
        while let lease = try await spool.lease(backend: "c", limit: LeaseLimit(points: 1000)) {
            values += lease.values
            try await spool.settle(lease, Make.all(lease, .delivered))
        }
        #expect(values.sorted() == Array(0..<70))
        await spool.close()
    }

    @Test func `a backend that the tenant does not have gets nothing`() async throws {
        try await bury(0..<1)
        try await spool.configure(fixture.configuration(["a"]))
        for name in ["b", "nobody"] {
            let failure = await #expect(throws: SpoolError.self) { try await spool.redriveDeadLetters(order(name)) }
            #expect(failure?.code == .misuse)
        }
        // Of one that is away the letters can go to another.
        #expect(try await spool.books("a").deadPoints == 1)
        await spool.close()
    }
}

extension Spool {
    /// The first column of whatever the statement finds.
    fileprivate func rows(_ sql: String) throws -> [String] {
        var texts: [String] = []
        try Statement(sql, on: try openDatabase().connection).rows {
            texts.append($0.text(0))
            return true
        }
        return texts
    }
}
