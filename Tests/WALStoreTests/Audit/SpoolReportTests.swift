import Metrics
import Synchronization
import TestSupport
import Testing

@testable import WALStore

/// A report of a spool: its stretch of time, and what the books say of it.
struct SpoolReportTests {
    private static let minute: Int64 = 60_000_000_000

    /// Minutes of the span, of a bucket, and buckets.
    private static let spans: [(Int64, Int64, Int)] = [
        (10, 1, 11), (60, 1, 61), (95, 1, 96), (96, 2, 49), (1440, 30, 49), (10_080, 120, 85), (525_600, 10_080, 53),
    ]
    private static let odd: [Range<Int64>] = [
        0..<1, Int64.min..<Int64.max, 0..<Int64.max, Int64.max - 1..<Int64.max,
    ]

    @Test(arguments: spans)
    func `a span has at most 96 buckets of a width that people read`(_ minutes: Int64, _ width: Int64, _ count: Int) {
        let end = SpoolFixture.start + 30_000_000_000
        let span = ReportSpan(end - minutes * SpoolReportTests.minute..<end)
        #expect(span.width == width * SpoolReportTests.minute)
        #expect(abs(span.count - count) <= 1 && span.count <= 96, "\(span)")
        #expect(span.start % span.width == 0)
        #expect(span.start <= end - minutes * SpoolReportTests.minute)
        #expect(span.end >= end && span.end - span.width < end)
        #expect(span.index(of: span.start) == 0)
        #expect(span.index(of: span.end - 1) == span.count - 1)
        #expect(span.index(of: span.end) == nil && span.index(of: span.start - 1) == nil)
    }

    @Test(arguments: odd)
    func `any range of times makes a span`(range: Range<Int64>) {
        let span = ReportSpan(range)
        #expect((1...97).contains(span.count) && span.width >= SpoolReportTests.minute)
    }

    /// Ten points a minute for ten minutes, while `a` takes nothing from the third to the seventh; `b` comes at the end.
    private func filled(_ fixture: SpoolFixture) async throws -> Spool {
        let spool = try await fixture.open(["a"])
        var waiting: (lease: Lease, since: Int64)?
        for minute in 0..<10 {
            _ = try await spool.append(Make.request(Make.batch(minute * 10..<minute * 10 + 10), id: "\(minute)"))
            let now = fixture.now.withLock { $0 }
            if waiting == nil {
                let lease = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 10)))
                waiting = (lease, now)
            }
            if let (lease, since) = waiting, !(3..<7).contains(minute) {
                var settlement = Make.all(lease, .delivered)
                settlement.firstAttemptAt = since
                try await spool.settle(lease, settlement)
                waiting = nil
            }
            fixture.advance(seconds: 60)
        }
        let lease = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 10)))
        let refused = DeadLetterReason(code: "refused", excerpt: "out of bounds", status: 400)
        var settlement = Make.settlement([
            .init(LeasedRun(piece: 0, ordinals: 0..<7), .delivered),
            .init(LeasedRun(piece: 0, ordinals: 7..<10), .dead(refused)),
        ])
        settlement.firstAttemptAt = fixture.now.withLock { $0 }
        try await spool.settle(lease, settlement)
        await spool.close()
        return try await fixture.open(["a", "b"])
    }

    @Test func `it says what came in, what went out, what was owed when, and which backend took nothing`() async throws
    {
        let fixture = try SpoolFixture()
        let spool = try await filled(fixture)
        let audit = try AuditDatabase(live: fixture.path)
        let (start, minute) = (SpoolFixture.start, SpoolReportTests.minute)
        let report = try audit.report(ReportSpan(start..<start + 11 * minute), now: start + 11 * minute, AuditLimits())
        #expect(report.tenant == "acme")
        #expect(report.acceptedPoints == Array(repeating: 10, count: 10) + [0])
        #expect(report.requests == Array(repeating: 1, count: 10) + [0])
        #expect(report.bodyBytes == 1000)
        #expect(report.knownSince == start)
        #expect(report.stored.points == 100)
        let a = try #require(report.backends.first)
        #expect(a.deliveredPoints == [10, 10, 10, 0, 0, 0, 0, 10, 10, 10, 7])
        #expect(a.owedPoints == [0, 0, 0, 10, 20, 30, 40, 40, 40, 40, 30])
        #expect(
            a.outages == [.init(start: start + 3 * minute, end: start + 7 * minute, isOver: true, pointsMeanwhile: 40)])
        #expect(a.owedSince == start + 7 * minute)
        #expect(a.books.difference == 0)
        #expect(
            report.deadLetters == [
                .init(
                    backend: "a", reason: "refused", points: 3, firstAt: start + 10 * minute,
                    lastAt: start + 10 * minute)
            ])
        #expect(report.senders == [.init(source: "json", peer: "127.0.0.1", requests: 10, points: 100)])
        // It came when all was there.
        let b = try #require(report.backends.last)
        #expect(b.name == "b" && b.owedSince == nil)
        #expect(b.owedPoints == Array(repeating: 0, count: 11))
        await spool.close()
    }

    @Test func `of a file that no node has an outage ends with the last commit, however late it is asked`() async throws
    {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open(["a"])
        for minute in 0..<4 {
            _ = try await spool.append(Make.request(Make.batch(minute * 10..<minute * 10 + 10)))
            fixture.advance(seconds: 60)
        }
        await spool.close()
        let audit = try AuditDatabase(AuditFile.copied(fixture.path))
        let (start, minute) = (SpoolFixture.start, SpoolReportTests.minute)
        let report = try audit.report(
            ReportSpan(start..<start + 11 * minute), now: start + 1000 * minute, AuditLimits())
        let outage = try #require(report.backends.first?.outages.first)
        #expect(outage.start == start && outage.end <= start + 4 * minute && !outage.isOver, "\(outage)")
    }

    @Test func `a part of the time has the backlog that there was then, whatever came later`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await filled(fixture)
        let audit = try AuditDatabase(live: fixture.path)
        let (start, minute) = (SpoolFixture.start, SpoolReportTests.minute)
        let report = try audit.report(
            ReportSpan(start + 4 * minute..<start + 8 * minute), now: start + 11 * minute, AuditLimits())
        #expect(report.acceptedPoints == [10, 10, 10, 10])
        #expect(report.backends.first?.owedPoints == [20, 30, 40, 40])
        #expect(report.backends.first?.deliveredPoints == [0, 0, 0, 10])
        #expect(report.deadLetters.isEmpty)
        await spool.close()
    }

    @Test func `losses are told by backend and reason, and a backend that went as an event`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await filled(fixture)
        var aging = fixture.configuration(["a", "b"])
        aging.maximumAgeSeconds = 60
        try await spool.configure(aging)
        while try await spool.dropAged() > 0 {}
        let audit = try AuditDatabase(live: fixture.path)
        let (start, minute) = (SpoolFixture.start, SpoolReportTests.minute)
        let report = try audit.report(ReportSpan(start..<start + 11 * minute), now: start + 11 * minute, AuditLimits())
        #expect(report.losses.map { "\($0.backend ?? "") \($0.reason)" } == ["a age"])
        let lost = try #require(report.losses.first?.points)
        #expect(lost > 0)
        #expect(report.backends.first?.owedPoints.last == 30 - lost)
        #expect(report.backends.first?.owedPoints.dropLast().last == 40)
        // A backend that goes is an event, and is owed nothing from then on.
        try await spool.configure(fixture.configuration(["b"]))
        let without = try audit.report(ReportSpan(start..<start + 11 * minute), now: start + 11 * minute, AuditLimits())
        #expect(without.events.map { "\($0.kind) \($0.detail)" } == ["backend_detached a"])
        #expect(without.backends.map(\.isAttached) == [false, true])
        #expect(without.backends.first?.owedPoints == [])
        await spool.close()
    }

    private static let second: Int64 = 1_000_000_000

    /// A batch each minute, from sequence 1 on, of ten points.
    private func outages() throws -> ReportOutages {
        var minutes = ReportMinutes()
        for minute in Int64(0)..<20 where minute != 15 && minute != 16 {
            let at = minute * SpoolReportTests.minute
            try minutes.add(.init(firstAt: at, lastAt: at, points: 10, lastSequence: minute + 1))
        }
        return ReportOutages(from: 1, minutes)
    }

    private func row(_ sequence: Int64, _ firstAttemptAt: Int64, _ settledAt: Int64) -> ReportDelivery {
        ReportDelivery(
            firstSequence: sequence, points: 10, firstAttemptAt: firstAttemptAt * Self.second,
            settledAt: settledAt * Self.second)
    }

    @Test func `an outage is a gap between deliveries in which something was owed`() throws {
        var outages = try outages()
        outages.add(row(1, 0, 58))
        // A minute without anything is none.
        outages.add(row(2, 120, 125))
        // The backlog of a gap goes out in two rows, the fresh points first.
        outages.add(row(8, 420, 421))
        outages.add(row(3, 422, 423))
        // It hung, and was answered in the end.
        outages.add(row(9, 480, 640))
        outages.add(row(10, 641, 900))
        // Nothing came for two minutes, so nothing was owed.
        outages.add(row(18, 1020, 1021))
        outages.finish(now: 1200 * Self.second, owedSince: 1080 * Self.second)
        #expect(
            outages.all.map { [$0.start / Self.second, $0.end / Self.second, $0.pointsMeanwhile] } == [
                [180, 420, 40], [480, 640, 30], [640, 900, 40], [1080, 1200, 20],
            ])
        #expect(outages.all.map(\.isOver) == [true, true, true, false])
    }

    @Test func `who was never owed anything has no outage, and who never took anything one from the first point on`()
        throws
    {
        var never = try outages()
        never.finish(now: 1200 * Self.second, owedSince: nil)
        #expect(never.all.isEmpty)
        var none = try outages()
        none.finish(now: 1200 * Self.second, owedSince: 0)
        #expect(none.all.map(\.end) == [1200 * Self.second])
        var late = try outages()
        late.add(row(1, 300, 301))
        #expect(late.all.map { [$0.start, $0.end] } == [[0, 300 * Self.second]])
    }

    @Test func `a row of deliveries that grew over two buckets is laid out over both`() {
        let span = ReportSpan(SpoolFixture.start..<SpoolFixture.start + 3 * SpoolReportTests.minute)
        func spread(_ from: Int64, _ to: Int64, _ points: Int64) -> [Int: Int64] {
            var found: [Int: Int64] = [:]
            let row = ReportDelivery(
                firstSequence: 1, points: points, firstAttemptAt: span.start + from * Self.second,
                settledAt: span.start + to * Self.second)
            span.spread(row) { found[$0, default: 0] += $1 }
            return found
        }
        #expect(spread(10, 50, 7) == [0: 7])
        #expect(spread(45, 75, 100) == [0: 50, 1: 50])
        #expect(spread(55, 70, 1) == [1: 1])
        #expect(spread(-20, 20, 10) == [0: 5])
        #expect(spread(-90, 20, 10) == [0: 10])
        #expect(spread(170, 190, 10) == [2: 5, 3: 5])
        #expect(spread(300, 300, 10) == [3: 10])
        #expect(spread(-9, -9, 10) == [:])
        #expect(spread(30, 90, .max)[0] ?? 0 > 1 << 61)
    }

    @Test func `reasons beyond a thousand are added up as others`() {
        var tallies = ReportTallies()
        for number in 0..<1500 { tallies.add(.lost, "a", "reason \(number)", 1, 1, 2) }
        tallies.add(.lost, "a", "reason 0", nil, 0, 3)
        let all = tallies.all(.lost)
        #expect(all.count == 1001)
        #expect(all.first { $0.reason == "others" }?.points == 500)
        let first = all.first { $0.reason == "reason 0" }
        #expect(first == SpoolReport.Tally(backend: "a", reason: "reason 0", points: nil, firstAt: 0, lastAt: 3))
    }
}
