import Glibc
import Synchronization

/// A rate that forgets: an exponentially weighted average over about a minute, right from the first second on; 0 when
/// nothing has come for much longer than the pauses were.
final class RateMeter: Sendable {
    private static let windowSeconds = 60.0
    private struct State {
        var startedAt: Int64
        var updatedAt: Int64
        var perSecond = 0.0
        /// When something came last, and the longest pause before that, which is forgotten over minutes: seconds.
        var addedAt: Int64
        var pause = 0.0

        func isOver(_ now: Int64) -> Bool {
            Double(now - addedAt) / 1e9 > max(RateMeter.silenceSeconds, 3 * pause)
        }

        mutating func decay(to now: Int64) {
            let elapsed = Double(max(0, now - updatedAt)) / 1e9
            perSecond *= exp(-elapsed / RateMeter.windowSeconds)
            updatedAt = max(now, updatedAt)
        }
    }
    private static let pauseWindowSeconds = 300.0
    /// Shorter ones are no end.
    private static let silenceSeconds = 5.0
    private let state: Mutex<State>

    /// - Parameter now: nanoseconds of a clock that never goes back, here and below.
    init(now: Int64) { state = Mutex(State(startedAt: now, updatedAt: now, addedAt: now)) }

    func add(_ amount: Int, now: Int64) {
        state.withLock { state in
            state.decay(to: now)
            state.perSecond += Double(amount) / Self.windowSeconds
            let pause = min(Self.windowSeconds, Double(max(0, now - state.addedAt)) / 1e9)
            state.pause = max(pause, state.pause * exp(-pause / Self.pauseWindowSeconds))
            state.addedAt = max(now, state.addedAt)
        }
    }

    func perSecond(now: Int64) -> Double {
        state.withLock { state in
            state.decay(to: now)
            if state.isOver(now) { return 0 }
            // The average of a window that has not passed yet is over what has; one second at least.
            let age = max(1, Double(now - state.startedAt) / 1e9)
            return state.perSecond / (1 - exp(-age / Self.windowSeconds))
        }
    }
}
