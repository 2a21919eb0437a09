import Metrics
import Synchronization
import TestSupport
import Testing

@testable import WALStore

struct SpoolBackendTests {
    private func configuration(_ fixture: SpoolFixture, _ backends: BackendRegistration...) -> SpoolConfiguration {
        var configuration = fixture.configuration([])
        configuration.backends = backends
        return configuration
    }

    @Test func `a backend that leaves keeps its backlog, and what it misses is excluded`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open(["a", "b"])
        _ = try await spool.append(Make.request(Make.batch(0..<10)))
        try await spool.configure(fixture.configuration(["a"]))
        _ = try await spool.append(Make.request(Make.batch(10..<30)))
        var books = try await spool.books("b")
        #expect(books.isDetached && books.pendingPoints == 10 && books.excludedPoints == 20 && books.balances)

        try await spool.configure(fixture.configuration(["a", "b"]))
        _ = try await spool.append(Make.request(Make.batch(30..<35)))
        books = try await spool.books("b")
        #expect(!books.isDetached && books.pendingPoints == 15 && books.excludedPoints == 20 && books.balances)
        let backlog = try #require(try await spool.lease(backend: "b", limit: LeaseLimit(points: 100)))
        #expect(backlog.lane == .backlog && backlog.values == Array(0..<10))
        try await spool.settle(backlog, Make.all(backlog, .delivered))
        let live = try #require(try await spool.lease(backend: "b", limit: LeaseLimit(points: 100)))
        #expect(live.lane == .live && live.values == Array(30..<35))
        await spool.close()
    }

    @Test func `a backend removed while the daemon was down is detached before the first append`() async throws {
        let fixture = try SpoolFixture()
        var spool = try await fixture.open(["a", "b"])
        _ = try await spool.append(Make.request(Make.batch(0..<10)))
        await spool.close()
        spool = try await fixture.open(["a"])
        _ = try await spool.append(Make.request(Make.batch(10..<20)))
        let books = try await spool.books("b")
        #expect(books.isDetached && books.pendingPoints == 10 && books.excludedPoints == 10 && books.balances)
        await spool.close()
    }

    @Test func `another type under the same name is refused and changes nothing`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open(["a", "b"])
        let before = try await spool.status()
        let failure = await #expect(throws: SpoolError.self) {
            try await spool.configure(
                configuration(fixture, BackendRegistration(name: "a", type: "influxdb")))
        }
        #expect(failure?.code == .misuse)
        #expect(try await spool.status().backends == before.backends)
        await spool.close()
    }

    @Test func `a renamed backend keeps its ledger`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open(["old"])
        _ = try await spool.append(Make.request(Make.batch(0..<10)))
        let lease = try #require(try await spool.lease(backend: "old", limit: LeaseLimit(points: 4)))
        try await spool.settle(lease, Make.all(lease, .delivered))
        try await spool.configure(
            configuration(fixture, BackendRegistration(name: "new", type: "archive", renamedFrom: "old")))
        #expect(try await spool.status().backends.map(\.name) == ["new"])
        let books = try await spool.books("new")
        #expect(books.deliveredPoints == 4 && books.pendingPoints == 6)
        await spool.close()
    }

    /// The tenant was out of the config when its backend was renamed, and came back without `renamed_from`.
    @Test func `a rename told late hands on the backlog from before, in order, once nobody sends it any more`()
        async throws
    {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open(["old"])
        _ = try await spool.append(Make.request(Make.batch(0..<10)))
        let first = try #require(try await spool.lease(backend: "old", limit: LeaseLimit(points: 3)))
        try await spool.settle(first, Make.all(first, .delivered))
        try await spool.configure(fixture.configuration(["new"]))
        let warning = "a backend that is not in the config is still owed points, which nothing sends"
        #expect(fixture.raised(warning) == 1)
        _ = try await spool.append(Make.request(Make.batch(10..<20)))
        let live = try #require(try await spool.lease(backend: "new", limit: LeaseLimit(points: 4)))
        #expect(live.values == Array(10..<14))
        let former = try #require(try await spool.lease(backend: "old", limit: LeaseLimit(points: 2)))
        let late = BackendRegistration(name: "new", type: "archive", renamedFrom: "old")
        try await spool.configure(configuration(fixture, late))
        #expect(try await spool.books("new").pendingPoints == 10, "the former one still sends")
        #expect(fixture.raised(warning) == 2)
        try await spool.settle(former, Make.all(former, .delivered))
        try await spool.maintain()
        #expect(fixture.raised("a backend takes over the backlog of its former name") == 1)
        let (old, new) = (try await spool.books("old"), try await spool.books("new"))
        #expect(old.pendingPoints == 0 && old.deliveredPoints == 5 && old.excludedPoints == 15 && old.balances)
        #expect(new.pendingPoints == 15 && new.excludedPoints == 5 && new.balances)
        let backlog = try #require(try await spool.lease(backend: "new", limit: LeaseLimit(points: 100)))
        #expect(backlog.lane == .backlog && backlog.values == Array(5..<10))
        // Later points were on their way first: "out of order" does not prove that these are there.
        #expect(backlog.pieces.allSatisfy { $0.overtaken == $0.ordinals })
        try await spool.settle(backlog, Make.all(backlog, .delivered))
        try await spool.settle(live, Make.all(live, .delivered))
        let rest = try #require(try await spool.lease(backend: "new", limit: LeaseLimit(points: 100)))
        #expect(rest.values == Array(14..<20))
        try await spool.settle(rest, Make.all(rest, .delivered))
        await spool.close()
        let again = try await fixture.open(["new"])
        #expect(try await again.books("new").deliveredPoints == 15)
        await again.close()
    }

    @Test func `a rename told late hands on nothing that the new name was owed itself`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open(["old"])
        _ = try await spool.append(Make.request(Make.batch(0..<10)))
        var both = fixture.configuration(["old", "new"])
        both.backends[1].backfill = .all
        try await spool.configure(both)
        _ = try await spool.append(Make.request(Make.batch(10..<20)))
        try await spool.configure(
            configuration(fixture, BackendRegistration(name: "new", type: "archive", renamedFrom: "old")))
        try await spool.maintain()
        let (old, new) = (try await spool.books("old"), try await spool.books("new"))
        #expect(old.pendingPoints == 20 && new.pendingPoints == 20 && new.excludedPoints == 0 && new.balances)
        await spool.close()
    }

    /// Found by the simulator: the renamed lane sent later points while the former one still had earlier ones.
    @Test func `a renamed backend leases nothing until the leases of its former name have ended`() async throws {
        let fixture = try SpoolFixture()
        let notices = Mutex(0)
        var environment = fixture.environment
        environment.onWork = { notices.withLock { $0 += 1 } }
        let spool = try await Spool.open(path: fixture.path, fixture.configuration(["old"]), environment)
        _ = try await spool.append(Make.request(Make.batch(0..<10)))
        let former = try #require(try await spool.lease(backend: "old", limit: LeaseLimit(points: 4)))
        try await spool.configure(
            configuration(fixture, BackendRegistration(name: "new", type: "archive", renamedFrom: "old")))
        #expect(try await spool.lease(backend: "new", limit: LeaseLimit(points: 4)) == nil)
        let before = notices.withLock { $0 }
        try await spool.settle(former, Make.all(former, .delivered))
        #expect(notices.withLock { $0 } == before + 1)
        #expect(try await spool.lease(backend: "new", limit: LeaseLimit(points: 4))?.values == [4, 5, 6, 7])
        await spool.close()
    }

    @Test func `a new backend starts now, with everything, or with the last seconds`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open(["a"])
        _ = try await spool.append(Make.request(Make.batch(0..<10)))
        fixture.advance(seconds: 100)
        _ = try await spool.append(Make.request(Make.batch(10..<30)))
        try await spool.configure(
            configuration(
                fixture, BackendRegistration(name: "a", type: "archive"),
                BackendRegistration(name: "now", type: "archive"),
                BackendRegistration(name: "all", type: "archive", backfill: .all),
                BackendRegistration(name: "late", type: "archive", backfill: .seconds(50))))
        for (name, pending) in [("now", Int64(0)), ("all", 30), ("late", 20)] {
            let books = try await spool.books(name)
            #expect(books.pendingPoints == pending && books.excludedPoints == 30 - pending, "\(name)")
            #expect(books.balances)
        }
        await spool.close()
    }

    @Test func `a backfill of seconds begins at the first row that is young enough, wherever rows are missing`()
        async throws
    {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open(["a"])
        for row in 0..<30 {
            fixture.advance(seconds: 10)
            _ = try await spool.append(Make.request(Make.batch(row..<row + 1)))
        }
        // Every third row goes; the last one stays, it carries the spool's end.
        let gone = Array(stride(from: 0, to: 29, by: 3))
        try await spool.deliver(gone.map { $0..<$0 + 1 })
        while try await spool.prune(receivedBy: .max) > 0 {}
        let start = [BackendRegistration(name: "a", type: "archive")]
        let late = (0...31).map { age in
            BackendRegistration(name: "late \(age)", type: "archive", backfill: .seconds(Int64(age) * 10 + 5))
        }
        var wanted = fixture.configuration(["a"])
        wanted.backends = start + late
        try await spool.configure(wanted)
        for age in 0...31 {
            // Row 29 is 0 seconds old, row 28 is 10.
            let left = (0..<30).filter { 29 - $0 <= age && !gone.contains($0) }
            let books = try await spool.books("late \(age)")
            #expect(books.pendingPoints == Int64(left.count) && books.balances, "age \(age)")
        }
        await spool.close()
    }

    @Test func `a backfill owes what is stored, and nothing that has been deleted between`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open(["a"])
        for index in 0..<5 { _ = try await spool.append(Make.request(Make.batch(index * 10..<index * 10 + 10))) }
        try await spool.deliver(10..<20, 30..<40)
        #expect(try await spool.prune(receivedBy: .max) == 1)
        #expect(try await spool.prune(receivedBy: .max) == 1)
        try await spool.configure(
            configuration(
                fixture, BackendRegistration(name: "a", type: "archive"),
                BackendRegistration(name: "b", type: "archive", backfill: .all)))
        let books = try await spool.books("b")
        #expect(books.pendingPoints == 30 && books.excludedPoints == 20 && books.balances)
        var values: [Int] = []
        while let lease = try await spool.lease(backend: "b", limit: LeaseLimit(points: 100)) {
            values += lease.values
            try await spool.settle(lease, Make.all(lease, .delivered))
        }
        #expect(values == Array(0..<10) + Array(20..<30) + Array(40..<50))
        #expect(try await spool.books("b").pendingPoints == 0)
        await spool.close()
    }

    @Test func `a backend that returns is owed what a backfill asks of its gap`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open(["a", "b"])
        _ = try await spool.append(Make.request(Make.batch(0..<10)))
        try await spool.configure(fixture.configuration(["a"]))
        _ = try await spool.append(Make.request(Make.batch(10..<30)))
        try await spool.configure(
            configuration(
                fixture, BackendRegistration(name: "a", type: "archive"),
                BackendRegistration(name: "b", type: "archive", backfill: .all)))
        let books = try await spool.books("b")
        #expect(books.pendingPoints == 30 && books.excludedPoints == 0 && books.balances)
        await spool.close()
    }

    @Test func `a row with leased points is pinned, the rest is lost once for each backend`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open(["a", "b"])
        for index in 0..<3 { _ = try await spool.append(Make.request(Make.batch(index * 10..<index * 10 + 10))) }
        let lease = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 5)))
        let lost = try await spool.loseAll(.quota)
        #expect(lost == 2)
        for name in ["a", "b"] {
            let books = try await spool.books(name)
            #expect(books.lostPoints == 20 && books.pendingPoints == 10 && books.balances)
        }
        try await spool.settle(lease, Make.all(lease, .delivered))
        #expect(try await spool.losses().map(\.points) == [20, 20], "neighbours share a row")
        await spool.close()
    }

    @Test func `the newest points are dropped by policy with a loss row, and the equation holds`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        _ = try await spool.append(Make.request(Make.batch(0..<10)))
        await spool.set(.dropNewest)
        let receipt = try await spool.append(Make.request(Make.batch(10..<15)))
        #expect(receipt.places.isEmpty && receipt.droppedPoints == 5 && receipt.storedPoints == 0)
        await spool.set(.reject("over the budget"))
        let failure = await #expect(throws: SpoolError.self) {
            try await spool.append(Make.request(Make.batch(15..<16)))
        }
        #expect(failure?.code == .full)
        let status = try await spool.status()
        #expect(status.acceptedPoints == 10 && status.droppedAtIngestPoints == 5 && status.lossRows == 1)
        #expect(try await spool.losses().map(\.reason) == [.dropNewest])
        #expect(try await spool.books("a").balances)
        await spool.close()
    }

    @Test func `retry states outlive a restart`() async throws {
        let fixture = try SpoolFixture()
        var spool = try await fixture.open()
        let state = RetryState(mode: .held, attempts: 7, nextAttemptAt: 12, reason: "401 \"no\"\n")
        try await spool.setRetryState(state, backend: "a")
        await spool.close()
        spool = try await fixture.open()
        #expect(try await spool.retryState(backend: "a") == state)
        await spool.close()
    }
}

extension Spool {
    /// Settles the points with these values, wherever they are, and nothing else.
    fileprivate func deliver(_ wanted: Range<Int>...) async throws { try await deliver(wanted) }

    fileprivate func deliver(_ wanted: [Range<Int>]) async throws {
        let lease = try #require(try await lease(backend: "a", limit: LeaseLimit(points: 1000)))
        let parts = lease.pieces.indices.filter { index in
            wanted.contains { $0.contains(Int(lease.pieces[index].batch.points.bits[0])) }
        }.map { Settlement.Part(LeasedRun(piece: $0, ordinals: lease.pieces[$0].ordinals), .delivered) }
        try await settle(lease, Make.settlement(parts))
        release(lease)
    }

    fileprivate func set(_ admission: Admission) { self.admission = admission }

    fileprivate func loseAll(_ reason: LossReason) throws -> Int {
        var rows: [StoredRow] = []
        try eachRow(from: Place(1, 0), try openDatabase()) { row in
            rows.append(row)
            return true
        }
        return try transact { (database) throws(SpoolError) in try lose(rows, reason, database).count }
    }
}
