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

    private func plan(_ lane: inout LaneState, now: Int64 = 0) throws -> LaneState.LeasePlan {
        guard case .lease(let plan) = lane.nextStep(now: now, passesAfter: .seconds(2)) else { throw NoLease() }
        return plan
    }
    private struct NoLease: Error {}

    /// - Parameter isOvertaken: the spool knows that later points may arrive before it.
    private func lease(_ points: Int, _ owed: FreshFirst.Turn, isOvertaken: Bool = true) -> Lease {
        let piece = LeasedPiece(
            places: PlaceRange(sequence: 1, ordinals: 0..<points), ordinals: 0..<points, maybeSent: false,
            overtaken: isOvertaken ? 0..<points : 0..<0)
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

    @Test(arguments: [(0, 1), (500, 1), (2500, 2), (40_000, 32)])
    func `a lease is of as much as went out in a second of late, all requests together, or is one request`(
        _ pointsPerSecond: Int, _ shards: Int
    ) throws {
        var (lane, oldest) = (lane(), lane(.oldestFirst))
        if pointsPerSecond > 0 {
            // On a link of which each of four has a quarter.
            for _ in 0..<4 { lane.sends(points: pointsPerSecond, now: 0) }
            for _ in 0..<4 {
                lane.answered(points: pointsPerSecond, startedAt: 0, now: 4_000_000_000, isTaken: true)
            }
        }
        (lane.isBehind, oldest.isBehind) = (true, true)
        let (plan, oldestPlan) = try (self.plan(&lane), self.plan(&oldest))
        #expect(plan.shards == shards)
        #expect(oldestPlan.shards == 32, "in the old order nothing waits for it")
    }

    @Test func `while the backend does not answer fresh points are tried, and nobody pays for what did not go out`()
        throws
    {
        var lane = lane()
        let first = try plan(&lane)
        lane.leased(lease(100, .fresh), first, now: 0)
        #expect(lane.freshFirst(now: 0)?.turn == .backlog)
        _ = lane.failed(reason: "down", generation: 0, startedAt: 1, now: 1, wall: 1) { _ in .zero }
        #expect(lane.freshFirst(now: 1)?.turn == .fresh)
        lane.leased(lease(100, .fresh), first, now: 1)
        let wasFailing = lane.answered()
        #expect(wasFailing)
        #expect(lane.freshFirst(now: 1)?.turn == .fresh)
    }

    @Test(arguments: [true, false])
    func `who looks for points at fault stays in the lane where they are`(_ isOfBacklog: Bool) throws {
        var lane = lane()
        _ = lane.suspect(sequence: 1, ordinal: 0, points: 10, isOfBacklog: isOfBacklog, now: 1)
        #expect(lane.freshFirst(now: 1)?.turn == (isOfBacklog ? .backlog : .fresh))
        lane.delivered(isOfBacklog: !isOfBacklog)
        #expect(
            lane.freshFirst(now: 1)?.turn == (isOfBacklog ? .backlog : .fresh), "the other lane's points prove nothing")
        lane.delivered(isOfBacklog: isOfBacklog)
        #expect(lane.freshFirst(now: 1)?.turn == .fresh)
    }

    @Test func `a backlog that fails waits by itself, and only what is fresh is asked for meanwhile`() throws {
        var lane = lane()
        let first = try plan(&lane)
        lane.leased(lease(100, .backlog), first, now: 0)
        _ = lane.backlog.failed("no", startedAt: 0, now: 10) { _ in .nanoseconds(90) }
        lane.backlog.ended()
        lane.deliveries = 0
        #expect(lane.isWell)
        let fresh = try plan(&lane, now: 20)
        #expect(fresh.freshFirst?.turn == .fresh && fresh.freshFirst?.isAlone == true)
        lane.foundNothing(fresh)
        lane.deliveries = 0
        guard case .waitUpTo(.nanoseconds(70), _) = lane.nextStep(now: 30, passesAfter: .seconds(2)) else {
            return #expect(Bool(false), "until the backlog is due")
        }
        let again = try plan(&lane, now: 100)
        #expect(again.freshFirst?.turn == .backlog && again.shards == 1)
    }

    @Test(arguments: [true, false])
    func `fresh points pass a backlog that takes long, but not where nobody would know of it`(_ isOvertaken: Bool)
        throws
    {
        var lane = lane()
        let first = try plan(&lane)
        lane.leased(lease(100, .backlog, isOvertaken: isOvertaken), first, now: 0)
        switch lane.nextStep(now: 500_000_000, passesAfter: .seconds(2)) {
        case .waitUpTo(.milliseconds(1500), _): #expect(isOvertaken)
        case .wait: #expect(!isOvertaken)
        default: Issue.record("it is too early")
        }
        guard case .lease(let plan) = lane.nextStep(now: 2_000_000_000, passesAfter: .seconds(2)) else {
            return #expect(!isOvertaken)
        }
        #expect(isOvertaken && plan.freshFirst?.turn == .fresh && plan.freshFirst?.isAlone == true)
        guard case .wait = lane.nextStep(now: 3_000_000_000, passesAfter: .seconds(2)) else {
            return #expect(Bool(false), "one at a time")
        }
    }

    @Test(arguments: [false, true])
    func
        `while the backend keeps failing it is asked with few points, or with the same ones where they may be at fault`(
            _ areSuspects: Bool
        ) throws
    {
        var (lane, oldest) = (lane(), lane(.oldestFirst))
        for number in 1...3 as ClosedRange<Int64> {
            if areSuspects { _ = lane.suspect(sequence: 1, ordinal: 0, points: 700, isOfBacklog: false, now: number) }
            _ = lane.failed(reason: "down", generation: 0, startedAt: number, now: number, wall: 0) { _ in .zero }
            _ = oldest.failed(reason: "down", generation: 0, startedAt: number, now: number, wall: 0) { _ in .zero }
        }
        #expect(lane.asksOften == !areSuspects)
        #expect(lane.keepsWaiting(points: 700, isShard: false) == false, "no delivery is under way")
        let (plan, oldestPlan) = try (self.plan(&lane, now: 3), self.plan(&oldest, now: 3))
        #expect(plan.points == (areSuspects ? 700 : LaneState.probePoints) && oldestPlan.points == 1000)
        #expect(lane.keepsWaiting(points: 700, isShard: false) == areSuspects)
        #expect(oldest.keepsWaiting(points: 700, isShard: false))
    }

    @Test func `status says what is wrong with the backlog while fresh points go out`() {
        var lane = lane()
        _ = lane.backlog.failed("status 500", startedAt: 0, now: 10) { _ in .seconds(1) }
        let status = lane.status(now: 10, wall: 10)
        #expect(status.state == .backingOff(until: 1_000_000_010) && status.attempts == 1)
        #expect(status.lastError == "the backlog: status 500")
        let wasFailing = lane.answered(isOfBacklog: true)
        #expect(!wasFailing && lane.status(now: 20, wall: 20).state == .ok)
    }
}
