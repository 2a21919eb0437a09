import Metrics
import Synchronization
import TestSupport
import Testing

@testable import WALStore

/// A point finds the request that brought it (rule 10), without an index.
struct ReceiptTests {
    /// Commits groups of so many requests of ten points, one sequence each.
    private func append(_ groups: [Int], to spool: Spool, _ fixture: SpoolFixture) async throws {
        for (number, requests) in groups.enumerated() {
            let gate = Semaphore()
            fixture.writer.submit { gate.wait() }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for request in 0..<requests {
                    group.addTask {
                        _ = try await spool.append(Make.request(Make.batch(0..<10), id: "\(number)/\(request)"))
                    }
                    while spool.queued <= request { await Task.yield() }
                }
                gate.post()
                try await group.waitForAll()
            }
        }
    }

    @Test func `every point finds its request, whatever lies around it`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        let groups = [1, 3, 1, 1, 40, 2, 1, 7]
        try await append(groups, to: spool, fixture)
        // Receipts without points stand at the newest sequence.
        await spool.admit(.dropNewest)
        try await append([1, 1, 1], to: spool, fixture)
        await spool.admit(.accept)
        _ = try await spool.append(Make.request(Make.batch(0..<10), id: "last"))

        func check(from oldest: Int) async throws {
            for (number, requests) in groups.enumerated() {
                for ordinal in stride(from: 0, to: requests * 10, by: 5).reversed() {
                    let found = try await spool.request(at: Place(Int64(number + 1), Int64(ordinal)))
                    #expect(found == (number < oldest ? nil : "\(number)/\(ordinal / 10)"))
                }
                #expect(try await spool.request(at: Place(Int64(number + 1), Int64(requests * 10))) != "last")
            }
            #expect(try await spool.request(at: Place(Int64(groups.count + 1), 9)) == "last")
            #expect(try await spool.request(at: Place(Int64(groups.count + 2), 0)) == nil)
        }
        try await check(from: 0)
        // The oldest go first, and leave ids that nobody has.
        _ = try await spool.integer("DELETE FROM receipts WHERE sequence <= 3")
        await spool.forgetLastReceipt()
        try await check(from: 3)
        await spool.close()
    }

    @Test func `a sequence without receipts is as old as the next that has some`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        #expect(try await spool.received(since: 1) == nil)
        for _ in 0..<5 {
            _ = try await spool.append(Make.request(Make.batch(0..<10)))
            fixture.advance(seconds: 10)
        }
        let times = try await spool.received(since: 1, through: 6)
        #expect(times.compactMap { $0 }.count == 5 && times.last == .some(nil))
        _ = try await spool.integer("DELETE FROM receipts WHERE sequence IN (1, 2, 4)")
        let left = try await spool.received(since: 1, through: 6)
        #expect(left == [times[2], times[2], times[2], times[4], times[4], nil])
        await spool.close()
    }
}

/// A group of which nothing is stored.
struct RefusedGroupTests {
    /// Found by an attack: it was answered twice, which ended the process.
    @Test func `a request there is no room for is answered once, also where the settle beside it fails`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        _ = try await spool.append(Make.request(Make.batch(0..<10)))
        let lease = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 10)))
        await spool.admit(.reject("no room"))
        _ = try await spool.integer("DROP TABLE deliveries")
        let gate = Semaphore()
        fixture.writer.submit { gate.wait() }
        let answers = Recorder<SpoolError.Code>()
        spool.append(Make.request(Make.batch(10..<20))) {
            if case .failure(let error) = $0 { answers.record(error.code) }
        }
        let settled = Task { try await spool.settle(lease, Make.all(lease, .delivered)) }
        while spool.queue.withLock({ $0.settles.isEmpty }) { await Task.yield() }
        gate.post()
        await #expect(throws: SpoolError.self) { try await settled.value }
        #expect(answers.elements == [.full])
        await spool.abandon()
    }
}

extension Spool {
    fileprivate func request(at place: Place) throws -> String? { try requestID(of: place, try openDatabase()) }
    fileprivate func received(since sequence: Int64) throws -> Int64? {
        try received(since: sequence, try openDatabase())
    }
    fileprivate func received(since first: Int64, through last: Int64) throws -> [Int64?] {
        try (first...last).map { try received(since: $0, try openDatabase()) }
    }
    fileprivate func admit(_ admission: Admission) { self.admission = admission }
    fileprivate func forgetLastReceipt() { lastReceipt = nil }
}
