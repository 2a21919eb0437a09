import Testing
import WALStore

@testable import Forwarder

@Suite struct LaneRateTests {
    private static let second: Int64 = 1_000_000_000

    private func lane() -> LaneState {
        LaneState(DeliveryRoute(tenant: "acme", name: "central", backend: LineBackend(url: "http://127.0.0.1:1")))
    }

    @Test func `the rate out is right from the first seconds on`() {
        var lane = lane()
        for second in 1...5 {
            lane.settled(
                [Settlement.Part(LeasedRun(piece: 0, ordinals: 0..<1000), .delivered)], now: Int64(second) * Self.second
            )
        }
        let rate = lane.status(now: 5 * Self.second, wall: 0).pointsPerSecond
        #expect((900...1400).contains(rate))
    }

    @Test func `a settlement in many parts counts as much as one in a single part`() {
        var (whole, pieces) = (lane(), lane())
        for second in 1...60 {
            let now = Int64(second) * Self.second
            whole.settled([Settlement.Part(LeasedRun(piece: 0, ordinals: 0..<1000), .delivered)], now: now)
            let parts = (0..<100).map {
                Settlement.Part(LeasedRun(piece: 0, ordinals: $0 * 10..<$0 * 10 + 10), .delivered)
            }
            pieces.settled(parts, now: now)
        }
        let now = 60 * Self.second
        let rates = [whole, pieces].map { $0.status(now: now, wall: 0).pointsPerSecond }
        #expect(abs(rates[0] - rates[1]) < 1)
        #expect((900...1100).contains(rates[1]))
    }
}
