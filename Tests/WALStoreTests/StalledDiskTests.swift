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

    private let events = Recorder<Event>()

    private func open(_ fixture: StoreFixture, openWait: Duration = .seconds(3600)) throws -> WALStore {
        var scheduling = Scheduling()
        scheduling.stalls = Self.limits
        return try WALStore(
            directory: fixture.path, node: NodeConfiguration(writerThreads: 1, readerThreads: 1), upkeepInterval: nil,
            openWait: openWait, scheduling: scheduling
        ) { [events] event in events.record(event) }
    }

    private func append(_ values: Range<Int>, _ tenant: String, _ store: WALStore) async throws {
        _ = try await store.append(Make.batch(values), tenant: tenant)
    }

    private func said(_ message: String, _ level: Event.Level) async {
        await events.first { $0.message == message && $0.level == level && $0.metadata["tenant"] == "slow" }
    }

    @Test(.timeLimit(.minutes(10)))
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
        await hold.arrived()
        // There is one thread, and it is held: each of these ends only because another one stands in.
        for round in 1...5 { try await append(round * 10..<round * 10 + 10, "well", store) }
        let status = try #require(await store.status("slow"))
        #expect(status.acceptedPoints == 10, "what was known last")
        #expect(store.stalls()["slow"] ?? 0 >= 0.03)
        await store.maintain()
        try await append(60..<70, "well", store)
        let well = try await store.withSpool("well") { (spool) async throws(SpoolError) in try await spool.status() }
        #expect(well.acceptedPoints == 70)
        await said("the disk keeps a spool waiting", .warning)

        hold.letGo()
        try await stuck.value
        await said("the disk answers a spool again", .info)
        while await store.status("slow")?.acceptedPoints != 20 { await Task.yield() }
        #expect(store.longestWriteSeconds >= 0.05)
        await store.close()
    }

    @Test(.timeLimit(.minutes(10)))
    func `a request for a spool whose disk does not let it open is told so`() async throws {
        let fixture = try StoreFixture()
        let folder = "\(fixture.path)/tenants/slow"
        SyncProbe.watch(folder)
        let store = try open(fixture, openWait: .milliseconds(50))
        try await store.configure([StoreFixture.tenant("slow")])
        let hold = SyncProbe.holdSyncs(folder, "-wal")
        let error = await #expect(throws: SpoolError.self) { try await append(0..<10, "slow", store) }
        #expect(error?.code == .full)
        #expect(error?.message.contains("takes long to open") == true, "\(error?.message ?? "")")
        hold.letGo()
        await store.close()
    }

    /// Each piece of work but the last waits for one of another queue, behind it: with two threads that takes stand-ins.
    @Test(.timeLimit(.minutes(10)))
    func `a queue is run by one thread at a time, in order, however many stand in`() async {
        let crew = ThreadCrew(threads: 2, limits: Self.limits)
        let (queues, rounds) = (12, 40)
        let gates = (0..<queues).map { _ in (0..<rounds).map { _ in Semaphore() } }
        let tracks = (0..<queues).map { _ in Track() }
        let over = Recorder<Int>()
        let left = Atomic(queues * rounds)
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
                    over.record(left.subtract(1, ordering: .relaxed).newValue)
                }
            }
        }
        await over.first { $0 == 0 }
        for track in tracks { #expect(track.state.withLock { $0.done } == Array(0..<rounds)) }
        crew.stop()
    }
}
