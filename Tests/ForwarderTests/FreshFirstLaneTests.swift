import Testing
import WALStore

@testable import Forwarder

/// What a lane asks for next, where what is fresh goes ahead.
@Suite struct FreshFirstLaneTests {
    private func lane(_ order: DeliveryOrder = .freshFirst(CatchUp(outOfOrderSeconds: 7200))) -> LaneState {
        var backend = LineBackend(url: "http://127.0.0.1:1")
        (backend.traits.keepsOrder, backend.traits.concurrency) = (true, 32)
        return LaneState(DeliveryRoute(tenant: "acme", name: "central", backend: backend, order: order))
    }

    private func plan(_ lane: inout LaneState) throws -> LaneState.LeasePlan {
        guard case .lease(let plan) = lane.nextStep(now: 0) else { throw NoLease() }
        return plan
    }
    private struct NoLease: Error {}

    private func lease(_ points: Int, _ owed: FreshFirst.Turn) -> Lease {
        let piece = LeasedPiece(
            places: PlaceRange(sequence: 1, ordinals: 0..<points), ordinals: 0..<points, maybeSent: false)
        let id = LeaseID(life: 1, number: 1)
        return Lease(id: id, backend: "central", lane: owed == .fresh ? .live : .backlog, pieces: [piece])
    }

    @Test func `what the config says is asked of the spool`() throws {
        var lane = lane()
        let plan = try self.plan(&lane)
        let order = try #require(plan.limit.freshFirst)
        #expect(order.turn == .fresh && order.freshSeconds == 60 && order.keepsOrder)
        #expect(order.maximumBacklogSeconds == 3600, "half of the window")
        var oldest = self.lane(.oldestFirst)
        let oldestPlan = try self.plan(&oldest)
        #expect(oldestPlan.limit.freshFirst == nil)
    }

    @Test(arguments: [(0.0, 32), (0.05, 32), (2, 16), (20, 1), (60, 1)])
    func `a lease of many requests is done within about a second, or is one request`(
        _ answerSeconds: Double, _ shards: Int
    ) throws {
        var lane = lane()
        lane.isBehind = true
        if answerSeconds > 0 { lane.answered(after: answerSeconds, isTaken: true) }
        let plan = try self.plan(&lane)
        #expect(plan.shards == shards)
        var oldest = self.lane(.oldestFirst)
        oldest.isBehind = true
        if answerSeconds > 0 { oldest.answered(after: answerSeconds, isTaken: true) }
        let oldestPlan = try self.plan(&oldest)
        #expect(oldestPlan.shards == 32, "in the old order nothing waits for it")
    }

    @Test func `while the backend does not answer fresh points are tried, and nobody pays for what did not go out`()
        throws
    {
        var lane = lane()
        let first = try plan(&lane)
        lane.leased(lease(100, .fresh), first)
        #expect(lane.freshFirst?.turn == .backlog)
        _ = lane.failed(reason: "down", generation: 0, startedAt: 1, now: 1, wall: 1) { _ in .zero }
        #expect(lane.freshFirst?.turn == .fresh)
        lane.leased(lease(100, .fresh), first)
        let wasFailing = lane.answered()
        #expect(wasFailing)
        #expect(lane.freshFirst?.turn == .fresh)
    }

    @Test(arguments: [true, false])
    func `who looks for points at fault stays in the lane where they are`(_ isOfBacklog: Bool) throws {
        var lane = lane()
        _ = lane.suspect(sequence: 1, ordinal: 0, points: 10, isOfBacklog: isOfBacklog, now: 1)
        #expect(lane.freshFirst?.turn == (isOfBacklog ? .backlog : .fresh))
        lane.delivered()
        #expect(lane.freshFirst?.turn == .fresh)
    }
}
