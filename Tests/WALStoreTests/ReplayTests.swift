import Metrics
import Synchronization
import TestSupport
import Testing

@testable import WALStore

/// Jobs that send once more what is stored: each selected point has one end, whatever happens on the way.
struct ReplayTests {
    private let fixture: SpoolFixture
    private let spool: Spool

    init() async throws {
        fixture = try SpoolFixture()
        spool = try await fixture.open(["a", "b"])
    }

    /// Appends points, which both backends take.
    private func store(_ values: Range<Int>, labels: String = "m", deliver: Bool = true) async throws {
        _ = try await spool.append(Make.request(Make.batch(values, labels: labels), id: "from \(values.lowerBound)"))
        guard deliver else { return }
        for backend in ["a", "b"] { try await ReplayTests.drain(spool, backend) }
    }

    private static func drain(_ spool: Spool, _ backend: String) async throws {
        while let lease = try await spool.lease(backend: backend, limit: LeaseLimit(points: 1000)) {
            try await spool.settle(lease, Make.all(lease, .delivered))
        }
    }

    private func order(_ backend: String = "a", _ change: (inout ReplayOrder) throws -> Void = { _ in }) rethrows
        -> ReplayOrder
    {
        var order = ReplayOrder(backend: backend, asked: "by a test")
        try change(&order)
        return order
    }

    /// Runs a job to its end; what was sent, in order.
    private static func run(_ spool: Spool, _ id: Int64, limit: Int = 7) async throws -> [Int] {
        var values: [Int] = []
        while let lease = try await spool.leaseReplay(id, limit: limit) {
            values += lease.values
            try await spool.settleReplay(lease, Make.all(lease, .delivered))
        }
        return values
    }

    private func job(_ id: Int64) async throws -> ReplayJob {
        try #require(try await spool.replayJobs().first { $0.id == id })
    }

    @Test func `what is selected is sent in order, once, and no book of the backend changes`() async throws {
        try await store(0..<30)
        try await store(30..<40, labels: "other")
        try await store(40..<60)
        let before = try await spool.books("a")
        let started = try await spool.startReplay(
            order {
                $0.selector = try .parse("m")
                $0.times = SpoolFixture.start + 10_000_000..<SpoolFixture.start + 55_000_000
            })
        #expect(try await ReplayTests.run(spool, started.id) == Array(10..<30) + Array(40..<55))
        let job = try await job(started.id)
        #expect(job.state == .done && job.counts.sent == 35 && job.counts.selected == 35)
        #expect(job.span.points == 60 && job.span.passed == 60)
        #expect(try await spool.books("a") == before)
        await spool.close()
    }

    @Test func `a range of receive times is that of the requests, also where rows were merged`() async throws {
        for first in stride(from: 0, to: 50, by: 10) {
            try await store(first..<first + 10, deliver: false)
            try await ReplayTests.drain(spool, "a")
            fixture.advance(seconds: 60)
        }
        let received = SpoolFixture.start + 60_000_000_000..<SpoolFixture.start + 180_000_000_000
        let early = try await spool.startReplay(order { $0.received = received })
        #expect(try await ReplayTests.run(spool, early.id) == Array(10..<30))
        // The same once more, of one row that has all of them but the newest.
        await spool.hurryRepack()
        #expect(await spool.repack(RepackRound()).1 == nil)
        #expect(try await spool.rowCount == 2)
        let late = try await spool.startReplay(order { $0.received = received })
        #expect(try await ReplayTests.run(spool, late.id) == Array(10..<30))
        let none = try await spool.startReplay(order { $0.received = 0..<SpoolFixture.start })
        #expect(try await ReplayTests.run(spool, none.id) == [])
        #expect(try await job(none.id).state == .done)
        #expect(try await job(none.id).span.points == 0)
        await spool.close()
    }

    @Test func `what its backend is still owed is left to its own delivery, and another backend gets it`() async throws
    {
        try await store(0..<20)
        try await store(20..<30, deliver: false)
        let toA = try await spool.startReplay(order())
        #expect(try await ReplayTests.run(spool, toA.id) == Array(0..<20))
        #expect(try await job(toA.id).counts.excluded == 10)
        #expect(try await job(toA.id).counts.selected == 30)
        try await ReplayTests.drain(spool, "b")
        let toB = try await spool.startReplay(order("b"))
        #expect(try await ReplayTests.run(spool, toB.id) == Array(0..<30))
        #expect(try await spool.books("a").pendingPoints == 10)
        await spool.close()
    }

    @Test func `a backend that never had the data gets it`() async throws {
        try await store(0..<20)
        try await spool.configure(fixture.configuration(["a", "b", "c"]))
        let before = try await spool.books("c")
        let started = try await spool.startReplay(order("c"))
        #expect(try await ReplayTests.run(spool, started.id) == Array(0..<20))
        #expect(try await spool.books("c") == before && before.balances)
        await spool.close()
    }

    @Test func `what is refused is counted, and can be found`() async throws {
        try await store(0..<20)
        let started = try await spool.startReplay(order())
        let lease = try #require(try await spool.leaseReplay(started.id, limit: 20))
        #expect(try await job(started.id).counts.pending == 20)
        let no = DeadLetterReason(code: "refused", excerpt: "too old", status: 400)
        func part(_ ordinals: Range<Int>, _ fate: Fate) -> Settlement.Part {
            Settlement.Part(LeasedRun(piece: 0, ordinals: ordinals), fate)
        }
        try await spool.settleReplay(lease, Make.settlement([part(0..<5, .delivered), part(5..<7, .dead(no))]))
        try await spool.settleReplay(lease, Make.settlement([part(7..<8, .dead(no)), part(8..<9, .released)]))
        await #expect(throws: SpoolError.self) {
            try await spool.settleReplay(lease, Make.settlement([part(0..<1, .delivered)]))
        }
        try await spool.releaseReplay(lease)
        #expect(try await job(started.id).counts.pending == 12)
        let again = try #require(try await spool.leaseReplay(started.id, limit: 5))
        #expect(again.values == Array(8..<13))
        #expect(again.pieces[0].places == PlaceRange(sequence: 1, ordinals: 8..<13))
        try await spool.settleReplay(again, Make.all(again, .excluded(reason: "kind")))
        try await spool.releaseReplay(again)
        #expect(try await ReplayTests.run(spool, started.id) == Array(13..<20))
        let job = try await job(started.id)
        #expect(job.state == .done && job.counts.dead == 3 && job.counts.excluded == 5 && job.counts.sent == 12)
        let refusals = try await spool.replayRefusals(started.id)
        #expect(refusals.map(\.points) == [3] && refusals.map(\.reason) == [no])
        #expect(refusals.first?.place == Place(1, 5))
        #expect(refusals.first?.first?.points.bits.map { Int($0) } == [5])
        #expect(try await spool.books("a").deadPoints == 0)
        await spool.close()
    }

    @Test func `rows that are gone are counted as pruned, blocks that cannot be read as lost`() async throws {
        for first in stride(from: 0, to: 50, by: 10) { try await store(first..<first + 10) }
        let started = try await spool.startReplay(order())
        let first = try #require(try await spool.leaseReplay(started.id, limit: 5))
        #expect(try await spool.integer("DELETE FROM batches WHERE sequence IN (1, 2) RETURNING 0") == 0)
        #expect(try await spool.integer("UPDATE batches SET block = x'00' WHERE sequence = 4 RETURNING 0") == 0)
        fixture.cache.removeAll(spool.cacheID)
        try await spool.settleReplay(first, Make.all(first, .delivered))
        let rest = try await ReplayTests.run(spool, started.id)
        #expect(first.values + rest == Array(0..<5) + Array(20..<30) + Array(40..<50))
        let job = try await job(started.id)
        #expect(job.counts.pruned == 15 && job.counts.lost == 10 && job.counts.sent == 25)
        #expect(job.counts.selected == 50 && job.state == .done)
        await spool.abandon()
    }

    @Test func `a job is paused, goes on, and is cancelled; what is on its way then is counted`() async throws {
        try await store(0..<40)
        let id = try await spool.startReplay(order()).id
        let first = try #require(try await spool.leaseReplay(id, limit: 10))
        #expect(try await spool.leaseReplay(id, limit: 10) == nil, "one piece at a time")
        #expect(try await spool.setReplay(id, to: .paused, asked: "by a test").state == .paused)
        try await spool.settleReplay(first, Make.all(first, .delivered))
        #expect(try await spool.leaseReplay(id, limit: 10) == nil)
        _ = try await spool.setReplay(id, to: .running, asked: "by a test")
        let second = try #require(try await spool.leaseReplay(id, limit: 10))
        #expect(second.values == Array(10..<20))
        _ = try await spool.setReplay(id, to: .cancelled, asked: "by a test")
        try await spool.settleReplay(
            second,
            Make.settlement([Settlement.Part(LeasedRun(piece: 0, ordinals: 0..<4), .delivered)]))
        try await spool.releaseReplay(second)
        let job = try await job(id)
        #expect(job.state == .cancelled && job.counts.sent == 14 && job.counts.selected == 14)
        await #expect(throws: SpoolError.self) { try await spool.setReplay(id, to: .running, asked: "by a test") }
        let events = "SELECT count(*) FROM events WHERE kind LIKE 'replay_%'"
        #expect(try await spool.integer(events) == 4)
        await spool.close()
    }

    @Test func `a backend that refuses all of it is not asked for each point`() async throws {
        try await store(0..<3000)
        let id = try await spool.startReplay(order()).id
        let no = DeadLetterReason(code: "refused", excerpt: "out of order sample", status: 400)
        var asked = 0
        while let lease = try await spool.leaseReplay(id, limit: 10_000) {
            asked += lease.points
            try await spool.settleReplay(lease, Make.all(lease, .dead(no)))
        }
        let paused = try await job(id)
        #expect(paused.state == .paused && paused.problem.contains("out of order sample"))
        #expect(asked == 128 && paused.counts.dead == 128)
        #expect(fixture.raised("a replay has paused itself") == 1)
        // Whoever mended the backend goes on.
        let resumed = try await spool.setReplay(id, to: .running, asked: "by a test")
        #expect(resumed.problem.isEmpty)
        #expect(try await ReplayTests.run(spool, id, limit: 10_000) == Array(128..<3000))
        await spool.close()
    }

    @Test func `so do small pieces, one after another, and one that is taken begins anew`() async throws {
        try await store(0..<300)
        let id = try await spool.startReplay(order()).id
        let no = DeadLetterReason(code: "refused", excerpt: "no", status: 400)
        var asked: [Int] = []
        while let lease = try await spool.leaseReplay(id, limit: 10) {
            asked += lease.values
            try await spool.settleReplay(lease, Make.all(lease, lease.values.contains(55) ? .delivered : .dead(no)))
        }
        #expect(asked == Array(0..<130))
        let paused = try await job(id)
        #expect(paused.state == .paused && paused.counts.dead == 120 && paused.counts.sent == 10)
        #expect(try await spool.replayRefusals(id).map(\.points).reduce(0, +) == 120)
        await spool.close()
    }

    @Test func `what a job overtakes is noted, and nothing else is`() async throws {
        try await store(0..<10)
        try await store(10..<20, deliver: false)
        try await store(20..<30, deliver: false)
        let early = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 10)))
        let late = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 10)))
        let before = try await spool.startReplay(order())
        #expect(try await ReplayTests.run(spool, before.id) == Array(0..<10))
        #expect(try await job(before.id).counts.excluded == 20)
        #expect(await spool.overtaken("a") == nil)
        try await spool.settle(late, Make.all(late, .delivered))
        let behind = try await spool.startReplay(order())
        #expect(try await ReplayTests.run(spool, behind.id) == Array(0..<10) + Array(20..<30))
        #expect(await spool.overtaken("a") == 10..<30)
        await spool.release(early, maybeHaveArrived: true)
        let again = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 10)))
        #expect(again.pieces[0].maybeSent && again.pieces[0].overtaken == 0..<10)
        await spool.close()
    }

    @Test func `a job is its backend's, whatever that is called`() async throws {
        try await store(0..<10)
        let id = try await spool.startReplay(order()).id
        var renamed = fixture.configuration(["b"])
        renamed.backends.append(BackendRegistration(name: "central", type: "archive", renamedFrom: "a"))
        try await spool.configure(renamed)
        #expect(try await job(id).backend == "central")
        #expect(try await ReplayTests.run(spool, id) == Array(0..<10))
        await spool.close()
    }

    @Test func `status says since when points are stored, also of merged rows, and how many jobs run`() async throws {
        #expect(try await spool.status().oldestStoredAt == 0)
        for first in stride(from: 0, to: 50, by: 10) {
            try await store(first..<first + 10, deliver: false)
            fixture.advance(seconds: 60)
        }
        _ = try await spool.startReplay(order())
        #expect(try await spool.status().replays == 1)
        #expect(try await spool.status().oldestStoredAt == SpoolFixture.start)
        await spool.hurryRepack()
        #expect(await spool.repack(RepackRound()).1 == nil)
        #expect(try await spool.rowCount == 2)
        #expect(try await spool.status().oldestStoredAt == SpoolFixture.start)
        await spool.close()
    }

    @Test(arguments: [1, 2, 3, 5, 8])
    func `after a kill at any step each point is counted once, and a piece at most is sent again`(
        stepsALife: Int
    ) async throws {
        for first in stride(from: 0, to: 40, by: 10) { try await store(first..<first + 10) }
        let started = try await spool.startReplay(order { $0.selector = try .parse("m") })
        await spool.abandon()
        var sent: [Int] = []
        var lives = 0
        var last: ReplayJob?
        while last?.state != .done {
            lives += 1
            try #require(lives < 200)
            let next = try await fixture.open(["a", "b"])
            var steps = stepsALife
            /// Takes a step, unless the process is killed before it.
            func step() -> Bool {
                steps -= 1
                return steps >= 0
            }
            while step(), let lease = try await next.leaseReplay(started.id, limit: 7) {
                sent += lease.values
                guard step() else { break }
                let half = lease.points / 2
                func part(_ ordinals: Range<Int>) -> Settlement.Part {
                    Settlement.Part(LeasedRun(piece: 0, ordinals: ordinals), .delivered)
                }
                let all = lease.pieces[0].ordinals
                try await next.settleReplay(lease, Make.settlement([part(all.lowerBound..<all.lowerBound + half)]))
                guard step() else { break }
                try await next.settleReplay(lease, Make.settlement([part(all.lowerBound + half..<all.upperBound)]))
            }
            last = try await next.replayJobs().first
            await next.abandon()
            // A life that is too short to settle a piece gets nowhere: the next one is longer.
            if stepsALife < 3, lives % 2 == 0 {
                let longer = try await fixture.open(["a", "b"])
                if let lease = try await longer.leaseReplay(started.id, limit: 7) {
                    sent += lease.values
                    try await longer.settleReplay(lease, Make.all(lease, .delivered))
                }
                last = try await longer.replayJobs().first
                await longer.abandon()
                lives += 1
            }
        }
        #expect(Set(sent) == Set(0..<40))
        #expect(sent.count <= 40 + 7 * lives)
        #expect(last?.counts.sent == 40 && last?.counts.selected == 40)
        let end = try await fixture.open(["a", "b"])
        #expect(try await end.books("a").balances)
        #expect(try await end.status().replays == 0)
        await end.close()
    }

    @Test func `so many jobs are open, so many are kept`() async throws {
        try await store(0..<1)
        for _ in 0..<Spool.maximumOpenReplays { _ = try await spool.startReplay(order()) }
        await #expect(throws: SpoolError.self) { try await spool.startReplay(order()) }
        #expect(try await spool.status().replays == Int64(Spool.maximumOpenReplays))
        var last: Int64 = 0
        for _ in 0..<Spool.maximumReplays {
            let open = try await spool.replayJobs().filter { !$0.state.isOver }
            _ = try await ReplayTests.run(spool, try #require(open.first?.id))
            last = try await spool.startReplay(order()).id
        }
        #expect(last == Int64(Spool.maximumOpenReplays + Spool.maximumReplays))
        #expect(try await spool.replayJobs().count == Spool.maximumReplays)
        #expect(try await spool.replayJobs().map(\.id) == (try await spool.replayJobs().map(\.id).sorted()))
        await spool.close()
    }

    @Test func `a spool of the first schema takes a job`() async throws {
        let kept = try SpoolFixture()
        try ReleasedSpool(version: 1).copy(to: kept.path, withLog: true)
        kept.advance(seconds: 100)
        let old = try await kept.open(["a"])
        while let lease = try await old.lease(backend: "a", limit: LeaseLimit(points: 1000)) {
            try await old.settle(lease, Make.all(lease, .delivered))
        }
        let started = try await old.startReplay(order { $0.selector = try .parse("other") })
        #expect(try await ReplayTests.run(old, started.id) == Array(40..<60))
        await old.close()
        await spool.close()
    }
}

extension Spool {
    fileprivate func overtaken(_ backend: String) -> Range<Int64>? {
        ledger.backends.first { $0.name == backend }?.overtaken
    }
}
