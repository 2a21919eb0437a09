import Metrics
import TestSupport
import Testing

@testable import WALStore

/// What became of points: the sweep over the books, and the questions on a spool.
struct PointFatesTests {
    private struct Painted {
        var fate: PointFate
        var reason: String
    }

    /// Every place is painted by hand, and the sweep has to count the same.
    @Test(arguments: 0..<200 as Range<UInt64>)
    func `each point has the fate of the run it lies in, whatever runs there are`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        func roll(_ bound: Int) -> Int64 { Int64(random.next() % UInt64(bound)) }
        let width: Int64 = 12
        var painted: [Place: Painted] = [:]
        var runs = FateRuns(backend: "a", firstSequence: 4)
        func paint(_ fate: PointFate, _ start: Place, _ end: Place, _ reason: String) {
            runs.add(fate, reason, start, end, at: nil)
            for sequence in Int64(0)..<20 {
                for ordinal in 0..<width where start <= Place(sequence, ordinal) && Place(sequence, ordinal) < end {
                    let place = Place(sequence, ordinal)
                    // A loss says less than the others, and the first of two what both have.
                    if let known = painted[place], fate == .lost || known.fate != .lost { continue }
                    painted[place] = Painted(fate: fate, reason: reason)
                }
            }
        }
        var at = Place(0, 0)
        while at.sequence < 20 {
            let start = Place(at.sequence + roll(2), roll(Int(width)))
            let end =
                roll(3) == 0
                ? Place(start.sequence + roll(3), roll(Int(width))) : Place(start.sequence, start.ordinal + roll(4))
            if start >= at, start < end {
                paint([.delivered, .dead, .pending, .excluded][Int(roll(4))], start, end, "r\(roll(2))")
                at = end
            } else {
                at = Place(at.sequence + 1, 0)
            }
        }
        var lossAt: Int64 = 0
        for _ in 0..<4 {
            let start = Place(lossAt + roll(4), roll(Int(width)))
            let end = Place(start.sequence + 1 + roll(2), roll(Int(width)))
            paint(.lost, start, end, "age")
            lossAt = end.sequence + 1
        }
        runs.sort()
        var expected: [String: Int64] = [:]
        for sequence in Int64(0)..<20 {
            // Not all are asked for, some one by one.
            if roll(4) == 0 { continue }
            let ordinals = roll(2) == 0 ? 0..<width : roll(6)..<6 + roll(6)
            for ordinal in ordinals {
                let found = painted[Place(sequence, ordinal)]
                let fate = found?.fate ?? (sequence < 4 ? .before : .unknown)
                expected["\(fate) \(found?.reason ?? "")", default: 0] += 1
            }
            if roll(2) == 0 {
                runs.count(sequence, ordinals, time: sequence)
            } else {
                for ordinal in ordinals { runs.count(sequence, ordinal..<ordinal + 1, time: sequence) }
            }
        }
        let counted = Dictionary(
            uniqueKeysWithValues: runs.counts.filter { $0.points > 0 }.map { ("\($0.fate) \($0.reason)", $0.points) })
        #expect(counted == expected, "seed \(seed)")
    }

    /// `a` has five fates, `b` came later and has nothing.
    private func live(_ fixture: SpoolFixture) async throws -> Spool {
        let first = try await fixture.open(["a"])
        for row in 0..<4 {
            _ = try await first.append(Make.request(Make.batch(row * 10..<row * 10 + 10), id: "request \(row)"))
            fixture.advance(seconds: 60)
        }
        let lease = try #require(try await first.lease(backend: "a", limit: LeaseLimit(points: 10)))
        let refused = DeadLetterReason(code: "refused", excerpt: "out of bounds", status: 400)
        try await first.settle(
            lease,
            Make.settlement([
                .init(LeasedRun(piece: 0, ordinals: 0..<6), .delivered),
                .init(LeasedRun(piece: 0, ordinals: 6..<7), .excluded(reason: "kind")),
                .init(LeasedRun(piece: 0, ordinals: 7..<8), .dead(refused)),
                .init(LeasedRun(piece: 0, ordinals: 8..<10), .assumed),
            ]))
        await first.close()
        return try await fixture.open(["a", "b"])
    }

    private func lines(_ answer: FateAnswer) -> [String] {
        answer.counts.map { "\($0.backend) \($0.fate) \($0.points) \($0.reason)" }
    }

    @Test func `a question says where points went, backend by backend`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await live(fixture)
        _ = try await spool.append(Make.request(Make.batch(40..<50, labels: "other"), id: "the last"))
        let audit = try AuditDatabase(live: fixture.path)
        let all = try audit.fates(FateRequest(selector: "m"), AuditLimits())
        #expect(all.points == 40)
        #expect(all.knownSince == SpoolFixture.start)
        #expect(
            lines(all) == [
                "a delivered 6 ", "a assumed 2 ", "a pending 30 ", "a dead 1 refused", "a excluded 1 kind",
                "b before 40 ",
            ])
        let delivered = try #require(all.counts.first)
        #expect(delivered.firstTime == SpoolFixture.start)
        #expect(delivered.lastTime == SpoolFixture.start + 5_000_000)
        #expect(delivered.firstAt == SpoolFixture.start + 240_000_000_000)
        // One minute's request, by when it was received and by what was measured.
        let minute = SpoolFixture.start + 60_000_000_000
        let second = try audit.fates(
            FateRequest(selector: #"{__name__=~"m|other"}"#, received: minute..<minute + 1), AuditLimits())
        #expect(lines(second) == ["a pending 10 ", "b before 10 "])
        let measured = FateRequest(
            selector: "m", measured: SpoolFixture.start + 7_000_000..<SpoolFixture.start + 11_000_000)
        #expect(
            lines(try audit.fates(measured, AuditLimits()))
                == ["a assumed 2 ", "a pending 1 ", "a dead 1 refused", "b before 4 "])
        #expect(try audit.fates(FateRequest(selector: "nobody"), AuditLimits()).counts.isEmpty)
        #expect(
            lines(try audit.fates(FateRequest(selector: "other"), AuditLimits())) == ["a pending 10 ", "b pending 10 "])
        await spool.close()
    }

    @Test func `the account of a time has what is not stored any more`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await live(fixture)
        var aging = fixture.configuration(["a", "b"])
        aging.maximumAgeSeconds = 150
        try await spool.configure(aging)
        while try await spool.dropAged() > 0 {}
        let audit = try AuditDatabase(live: fixture.path)
        let request = FateRequest(received: SpoolFixture.start..<SpoolFixture.start + 180_000_000_000)
        let answer = try audit.fates(request, AuditLimits())
        #expect(answer.points == 30)
        #expect(
            lines(answer) == [
                "a delivered 6 ", "a assumed 2 ", "a pending 10 ", "a dead 1 refused", "a lost 10 age",
                "a excluded 1 kind",
                "b before 30 ",
            ])
        let books = try audit.books(AuditLimits())
        #expect(books.map(\.difference) == [0, 0])
        #expect(books.first?.points[.pending] == 20)
        await spool.close()
    }

    @Test func `who sent points is told request by request`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await live(fixture)
        let audit = try AuditDatabase(live: fixture.path)
        let request = FateRequest(
            selector: "m", measured: SpoolFixture.start + 8_000_000..<SpoolFixture.start + 21_000_000)
        let rows = try audit.rows("SELECT request_id, sequence, points, source, peer FROM (\(request.sendersSQL))")
        #expect(
            rows == [
                ["request 0", 1, 2, "json", "127.0.0.1"], ["request 1", 2, 10, "json", "127.0.0.1"],
                ["request 2", 3, 1, "json", "127.0.0.1"],
            ])
        await spool.close()
    }

    @Test func `a selector is a text to SQL, whatever is in it`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await live(fixture)
        let audit = try AuditDatabase(live: fixture.path)
        let strange = FateRequest(selector: #"{x="') OR 1=1; --"}"#)
        #expect(try audit.fates(strange, AuditLimits()).points == 0)
        await spool.close()
    }
}
