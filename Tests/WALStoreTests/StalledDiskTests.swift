import Metrics
import Synchronization
import TestSupport
import Testing

@testable import WALStore

/// A disk of one tenant that does not answer, and everybody else.
@Suite struct StalledDiskTests {
    /// Short, so that a test need not wait: what it waits for are events.
    private static let limits = StallLimits(
        standIn: .milliseconds(10), passedOver: .milliseconds(30), said: .milliseconds(50))

    private final class Track: Sendable {
        struct State {
            var isInside = false
            var done: [Int] = []
        }
        let state = Mutex(State())
    }

    private func open(_ fixture: StoreFixture) throws -> WALStore {
        var scheduling = Scheduling()
        scheduling.stalls = Self.limits
        return try WALStore(
            directory: fixture.path, node: NodeConfiguration(writerThreads: 1, readerThreads: 1), upkeepInterval: nil,
            scheduling: scheduling
        ) { event in fixture.events.withLock { $0.append(event) } }
    }

    private func append(_ values: Range<Int>, _ tenant: String, _ store: WALStore) async throws {
        _ = try await withCheckedContinuation { continuation in
            store.append(Make.request(Make.batch(values)), tenant: tenant) { continuation.resume(returning: $0) }
        }.get()
    }

    private func isSaid(_ message: String, _ level: Event.Level, _ fixture: StoreFixture) -> Bool {
        fixture.events.withLock { events in
            events.contains { $0.message == message && $0.level == level && $0.metadata["tenant"] == "slow" }
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func `while the disk of one tenant does not answer, the others of its thread go on, and status tells`()
        async throws
    {
        let fixture = try StoreFixture()
        let folder = "\(fixture.path)/tenants/slow"
        SyncProbe.watch(folder)
        let store = try open(fixture)
        try await store.configure([StoreFixture.tenant("slow"), StoreFixture.tenant("well")])
        try await append(0..<10, "slow", store)
        try await append(0..<10, "well", store)
        // On a machine that is slow enough upkeep passes it over.
        while store.state.withLock({ $0.summary.entries["slow"]?.status.acceptedPoints }) != 10 {
            await store.maintain()
        }

        let hold = SyncProbe.holdSyncs(folder, "-wal")
        let stuck = Task { try await append(10..<20, "slow", store) }
        while hold.arrived == 0 { await Task.yield() }
        // There is one thread, and it is held: each of these ends only because another one stands in.
        for round in 1...5 { try await append(round * 10..<round * 10 + 10, "well", store) }
        let status = try #require(await store.status("slow"))
        #expect(status.acceptedPoints == 10, "what was known last")
        #expect(store.stalls()["slow"] ?? 0 >= 0.03)
        await store.maintain()
        try await append(60..<70, "well", store)
        let well = try await store.withSpool("well") { (spool) async throws(SpoolError) in try await spool.status() }
        #expect(well.acceptedPoints == 70)
        while !isSaid("the disk keeps a spool waiting", .warning, fixture) { await Task.yield() }

        hold.letGo()
        try await stuck.value
        while !isSaid("the disk answers a spool again", .info, fixture) { await Task.yield() }
        while await store.status("slow")?.acceptedPoints != 20 { await Task.yield() }
        #expect(store.longestWriteSeconds >= 0.05)
        await store.close()
    }

    /// Each piece of work but the last waits for one of another queue, behind it: with two threads that takes stand-ins.
    @Test(.timeLimit(.minutes(2))) func `a queue is run by one thread at a time, in order, however many stand in`() {
        let crew = ThreadCrew(threads: 2, limits: Self.limits)
        let (queues, rounds) = (12, 40)
        let gates = (0..<queues).map { _ in (0..<rounds).map { _ in Semaphore() } }
        let tracks = (0..<queues).map { _ in Track() }
        let over = Semaphore()
        for round in 0..<rounds {
            for index in 0..<queues {
                crew.queue("q\(index)").submit {
                    let isAlone = tracks[index].state.withLock { state in
                        defer { state.isInside = true }
                        return !state.isInside
                    }
                    #expect(isAlone)
                    if index + 1 < queues, round % 10 == 0 { gates[index + 1][round].wait() }
                    gates[index][round].post()
                    tracks[index].state.withLock { state in
                        state.isInside = false
                        state.done.append(round)
                    }
                    over.post()
                }
            }
        }
        for _ in 0..<queues * rounds { over.wait() }
        for track in tracks { #expect(track.state.withLock { $0.done } == Array(0..<rounds)) }
        crew.stop()
    }
}
