import Metrics
import TestSupport
import Testing

@testable import WALStore

/// The time until a budget is used up, and the warning before it is.
struct TimeToFullTests {
    @Test func `an operator is warned once when the budget will be used up within an hour`() async throws {
        let folder = try TemporaryFolder()
        let node = FaultStore(folder.path + "/data")
        let store = try node.openUnlimited()
        // 200 MB at 45 kB in ten seconds: twelve hours.
        try await store.configure([FaultStore.tenant("acme", maximumBytes: 200 << 20)])
        let warning = "a spool's budget will be used up within an hour"
        var sent = SentBatches()
        for _ in 0..<20 {
            await sent.send(1, to: store)
            node.advance(seconds: 10)
            await store.maintain()
        }
        let slow = try #require(try await store.spoolStatus("acme").secondsToFull)
        #expect(slow > 4 * 3600 && slow < 48 * 3600, "\(slow) s")
        #expect(node.raised(warning) == 0)
        // Eighty times as fast, less what a repack gives back meanwhile.
        for _ in 0..<20 {
            await sent.send(8, points: 10_000, to: store)
            node.advance(seconds: 4)
            await store.maintain()
        }
        let fast = try #require(try await store.spoolStatus("acme").secondsToFull)
        #expect(fast < 3600, "\(fast) s")
        #expect(node.raised(warning) == 1)
        #expect(store.nodeSecondsToFull.map { $0 > 3600 } ?? false, "the node itself has a terabyte")
        await store.close()
    }

    @Test func `a tenant whose budget is used up has no time left, and is named until it has room`() async throws {
        let folder = try TemporaryFolder()
        let node = FaultStore(folder.path + "/data")
        let store = try node.openUnlimited()
        try await store.configure([FaultStore.tenant("acme", maximumBytes: 2 << 20), FaultStore.tenant("other")])
        var sent = SentBatches()
        await sent.send(1, to: store)
        await store.maintain()
        #expect(store.refusals().isEmpty)
        await sent.send(100, to: store)
        #expect(sent.refusals > 0)
        await store.maintain()
        let reason = "the tenant's spool has used up its budget"
        let full = try await store.spoolStatus("acme")
        #expect(full.refusal == reason && full.secondsToFull == 0)
        #expect(store.refusals() == ["acme": reason])
        _ = try await store.drain("acme")
        await store.maintain()
        #expect(try await store.spoolStatus("acme").refusal == nil)
        #expect(store.refusals().isEmpty)
        await store.close()
    }

    @Test func `nothing that stands still or shrinks has a time until full`() async throws {
        let folder = try TemporaryFolder()
        let node = FaultStore(folder.path + "/data")
        let store = try node.openUnlimited()
        try await store.configure([FaultStore.tenant("acme", maximumBytes: 200 << 20, retainSeconds: 0)])
        #expect(store.nodeSecondsToFull == nil)
        var sent = SentBatches()
        await sent.send(40, to: store)
        await store.maintain()
        _ = try await store.drain("acme")
        for _ in 0..<20 {
            node.advance(seconds: 60)
            await store.maintain()
        }
        #expect(try await store.spoolStatus("acme").secondsToFull == nil)
        await store.close()
    }

    @Test func `growth is forgotten two minutes after its end, and not between two that come once a minute`() {
        var meter = GrowthMeter()
        var now: Int64 = 0
        func look(_ bytes: Int64, seconds: Int) -> [Bool] {
            (0..<seconds).map { _ in
                now += 1_000_000_000
                meter.measured(bytes, at: now)
                return meter.seconds(to: 1 << 30) != nil
            }
        }
        _ = look(0, seconds: 1)
        for minute in 1...5 { #expect(look(Int64(minute) << 20, seconds: 60).allSatisfy { $0 }) }
        #expect(look(5 << 20, seconds: 61).last == true)
        #expect(look(5 << 20, seconds: 1) == [false])
        #expect(look(6 << 20, seconds: 1) == [true], "it begins anew")
    }

    @Test func `a spool that nobody sends to any more has no time until full, open or closed`() async throws {
        let folder = try TemporaryFolder()
        let node = FaultStore(folder.path + "/data")
        let store = try node.open(NodeConfiguration(maximumBytes: 1 << 40, freeSpaceReservePercent: 0, openSpools: 1))
        try await store.configure(["acme", "other"].map { FaultStore.tenant($0, maximumBytes: 200 << 20) })
        var sent = SentBatches()
        func secondsToFull() async throws -> Double? { try #require(await store.status("acme")).secondsToFull }
        func grow() async throws {
            for _ in 0..<10 {
                await sent.send(4, to: store)
                node.advance(seconds: 1)
                await store.maintain()
            }
            #expect(try await secondsToFull() != nil)
        }
        try await grow()
        for _ in 0..<125 {
            node.advance(seconds: 1)
            await store.maintain()
        }
        #expect(try await secondsToFull() == nil)
        #expect(store.nodeSecondsToFull == nil)
        try await grow()
        // Closes the other one.
        await sent.send(1, to: store, "other")
        #expect(try await secondsToFull() == nil)
        await store.close()
    }
}
