import Testing
import WALStore

@testable import Forwarder

/// When a lane says that it tries again, whatever was done to the wall clock while it waits.
@Suite struct LaneStatusTests {
    private static let second: Int64 = 1_000_000_000
    /// Wall clock at the failure; 5,000 s on the boot clock.
    private static let wall: Int64 = 1_790_000_000 * second
    private static let boot: Int64 = 5000 * second

    private func lane() -> LaneState {
        LaneState(DeliveryRoute(tenant: "acme", name: "central", backend: LineBackend(url: "http://127.0.0.1:1")))
    }

    @Test(arguments: [0, 3 * 86_400, -3 * 86_400] as [Int64])
    func `the next attempt is told by the time that is left of the wait`(_ step: Int64) {
        var lane = lane()
        _ = lane.failed(
            reason: "status 503", generation: 0, startedAt: Self.boot, now: Self.boot, wall: Self.wall
        ) { _ in .seconds(60) }
        let wall = Self.wall + (step + 20) * Self.second
        let status = lane.status(now: Self.boot + 20 * Self.second, wall: wall)
        #expect(status.state == .backingOff(until: wall + 40 * Self.second))
        // The attempt is under way.
        let late = lane.status(now: Self.boot + 70 * Self.second, wall: wall)
        #expect(late.state == .backingOff(until: wall))
    }

    @Test(arguments: [0, 3 * 86_400, -3 * 86_400] as [Int64])
    func `the next probe of a held lane is told by the time that is left`(_ step: Int64) {
        var lane = lane()
        _ = lane.hold(reason: "no", generation: 0, probeIn: .seconds(60), now: Self.boot, wall: Self.wall)
        let wall = Self.wall + (step + 20) * Self.second
        let status = lane.status(now: Self.boot + 20 * Self.second, wall: wall)
        #expect(status.state == .held(because: "no", probe: wall + 40 * Self.second))
    }

    @Test(arguments: [0, 3 * 86_400, -3 * 86_400] as [Int64])
    func `the next settle on a full disk is told by the time that is left`(_ step: Int64) {
        var lane = lane()
        lane.settleProblem = ("no room", Self.boot + 10 * Self.second)
        let wall = Self.wall + step * Self.second
        let status = lane.status(now: Self.boot + 4 * Self.second, wall: wall)
        #expect(status.state == .backingOff(until: wall + 6 * Self.second))
    }
}
