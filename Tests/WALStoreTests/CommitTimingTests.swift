import Metrics
import Synchronization
import TestSupport
import Testing

@testable import WALStore

/// When what waits is committed: rule 17. Nothing here takes time: a wait ends when the test says so.
struct CommitTimingTests {
    /// Waits that a spool began.
    private final class Waits: Sendable {
        private struct State {
            var begun: [Duration] = []
            var sleepers: [CheckedContinuation<Void, Never>] = []
        }
        private let state = Mutex(State())

        var scheduling: Scheduling {
            Scheduling(sleep: { [self] duration in
                await withCheckedContinuation { continuation in
                    state.withLock {
                        $0.begun.append(duration)
                        $0.sleepers.append(continuation)
                    }
                }
            })
        }

        var begun: [Duration] { state.withLock { $0.begun } }

        func begun(_ count: Int) async { while begun.count < count { await Task.yield() } }

        /// Ends the oldest of those that have not ended, or all.
        func end(_ count: Int = .max) {
            let ended = state.withLock { state in
                let ended = Array(state.sleepers.prefix(count))
                state.sleepers.removeFirst(ended.count)
                return ended
            }
            for sleeper in ended { sleeper.resume() }
        }
    }

    private static let hour: Int64 = 3_600_000_000_000

    /// A spool with points `0..<20` in two rows.
    private func open(
        _ fixture: SpoolFixture, _ waits: Waits, linger: Int64 = 0
    ) async throws -> Spool {
        var environment = fixture.environment
        environment.scheduling = waits.scheduling
        let spool = try await Spool.open(path: fixture.path, fixture.configuration(), environment)
        for first in [0, 10] { _ = try await spool.append(Make.request(Make.batch(first..<first + 10))) }
        var configuration = fixture.configuration()
        configuration.commitLingerNanoseconds = linger
        try await spool.configure(configuration)
        return spool
    }

    private func claim(_ spool: Spool, points: Int) async throws -> Lease {
        try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: points)))
    }

    @Test func `a settle goes alone, and lingering points linger on`() async throws {
        let (fixture, waits) = (try SpoolFixture(), Waits())
        let spool = try await open(fixture, waits, linger: Self.hour)
        let append = Task { try await spool.append(Make.request(Make.batch(20..<30))) }
        await waits.begun(1)
        let lease = try await claim(spool, points: 5)
        try await spool.settle(lease, Make.all(lease, .delivered))
        #expect(spool.queued == 1)
        #expect(try await spool.rowCount == 2)
        #expect(try await spool.books("a").deliveredPoints == 5)
        waits.end()
        #expect(try await append.value.storedPoints == 10)
        #expect(waits.begun == [.seconds(3600)])
        await spool.close()
    }

    @Test func `points that linger are committed at once when they are more than eight mebibytes`() async throws {
        let (fixture, waits) = (try SpoolFixture(), Waits())
        let spool = try await open(fixture, waits, linger: Self.hour)
        let batch = Make.batch(0..<100_000)
        let requests = CommitQueue.lingeringBytes / batch.memoryBytes + 1
        #expect(requests > 1)
        // No wait ever ends.
        let stored = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<requests {
                group.addTask { try await spool.append(Make.request(batch)).storedPoints }
            }
            return try await group.reduce(0, +)
        }
        #expect(stored == requests * 100_000)
        #expect(try await spool.rowCount == 3, "one commit, one row")
        await spool.close()
        waits.end()
    }

    @Test func `a settle that may wait rides with the ninth commit of new points`() async throws {
        let (fixture, waits) = (try SpoolFixture(), Waits())
        let spool = try await open(fixture, waits)
        let lease = try await claim(spool, points: 5)
        let version = await spool.ledger.version
        let settle = Task { try await spool.settle(lease, Make.all(lease, .delivered), mayWait: true) }
        await waits.begun(1)
        #expect(waits.begun == [.milliseconds(50)])
        #expect(try await spool.books("a").deliveredPoints == 0)
        for number in 0..<CommitQueue.passes {
            _ = try await spool.append(Make.request(Make.batch(20 + 10 * number..<30 + 10 * number)))
            #expect(spool.waitingSettles == 1)
        }
        _ = try await spool.append(Make.request(Make.batch(100..<110)))
        try await settle.value
        #expect(await spool.ledger.version == version + Int64(CommitQueue.passes) + 1)
        // The wait that ends now was another group's.
        let other = try await claim(spool, points: 5)
        let later = Task { try await spool.settle(other, Make.all(other, .delivered), mayWait: true) }
        await waits.begun(2)
        waits.end(1)
        await fixture.writer.letOthersPass()
        #expect(spool.waitingSettles == 1)
        // Nobody comes: alone, after its time.
        waits.end()
        try await later.value
        #expect(await spool.ledger.version == version + Int64(CommitQueue.passes) + 2)
        #expect(try await spool.books("a").deliveredPoints == 10)
        await spool.close()
    }

    @Test func `a settle waits longer where commits go by, and then goes alone`() async throws {
        let (fixture, waits) = (try SpoolFixture(), Waits())
        let spool = try await open(fixture, waits)
        let lease = try await claim(spool, points: 5)
        let settle = Task { try await spool.settle(lease, Make.all(lease, .delivered), mayWait: true) }
        await waits.begun(1)
        _ = try await spool.append(Make.request(Make.batch(20..<30)))
        waits.end()
        await waits.begun(2)
        #expect(waits.begun == [.milliseconds(50), .milliseconds(150)])
        #expect(spool.waitingSettles == 1)
        waits.end()
        try await settle.value
        #expect(try await spool.books("a").deliveredPoints == 5)
        await spool.close()
    }

    @Test func `a settle that somebody waits for takes those along that may wait`() async throws {
        let (fixture, waits) = (try SpoolFixture(), Waits())
        let spool = try await open(fixture, waits)
        let (lease, other) = (try await claim(spool, points: 5), try await claim(spool, points: 5))
        let settle = Task { try await spool.settle(lease, Make.all(lease, .delivered), mayWait: true) }
        await waits.begun(1)
        try await spool.settle(other, Make.all(other, .delivered))
        try await settle.value
        #expect(try await spool.books("a").deliveredPoints == 10)
        await spool.close()
        waits.end()
    }

    @Test func `a settle that may wait goes with lingering points, however long these linger`() async throws {
        let (fixture, waits) = (try SpoolFixture(), Waits())
        let spool = try await open(fixture, waits, linger: Self.hour)
        let lease = try await claim(spool, points: 5)
        let version = await spool.ledger.version
        let settle = Task { try await spool.settle(lease, Make.all(lease, .delivered), mayWait: true) }
        await waits.begun(1)
        let append = Task { try await spool.append(Make.request(Make.batch(20..<30))) }
        await waits.begun(2)
        #expect(waits.begun == [.milliseconds(50), .seconds(3600)])
        waits.end(1)
        await fixture.writer.letOthersPass()
        #expect(try await spool.books("a").deliveredPoints == 0)
        waits.end()
        try await settle.value
        _ = try await append.value
        #expect(await spool.ledger.version == version + 1)
        await spool.close()
    }

    @Test func `a few settles that may wait do not, so that no lane stands still`() async throws {
        let (fixture, waits) = (try SpoolFixture(), Waits())
        let spool = try await open(fixture, waits, linger: Self.hour)
        let append = Task { try await spool.append(Make.request(Make.batch(20..<30))) }
        await waits.begun(1)
        // No wait ever ends.
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<CommitQueue.waitingSettles {
                let lease = try await claim(spool, points: 1)
                group.addTask { try await spool.settle(lease, Make.all(lease, .delivered), mayWait: true) }
            }
            try await group.waitForAll()
        }
        #expect(spool.queued == 1)
        #expect(try await spool.books("a").deliveredPoints == Int64(CommitQueue.waitingSettles))
        waits.end()
        _ = try await append.value
        await spool.close()
    }
}

extension Spool {
    fileprivate nonisolated var waitingSettles: Int { queue.withLock { $0.settles.count } }
}
