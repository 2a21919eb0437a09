import Glibc
import Synchronization

/// A rate that forgets: an exponentially weighted average over about a minute, right from the first second on.
final class RateMeter: Sendable {
    private static let windowSeconds = 60.0
    private struct State {
        var startedAt: Int64
        var updatedAt: Int64
        var perSecond = 0.0

        mutating func decay(to now: Int64) {
            let elapsed = Double(max(0, now - updatedAt)) / 1e9
            perSecond *= exp(-elapsed / RateMeter.windowSeconds)
            updatedAt = max(now, updatedAt)
        }
    }
    private let state: Mutex<State>

    /// - Parameter now: nanoseconds of a clock that never goes back, here and below.
    init(now: Int64) { state = Mutex(State(startedAt: now, updatedAt: now)) }

    func add(_ amount: Int, now: Int64) {
        state.withLock { state in
            state.decay(to: now)
            state.perSecond += Double(amount) / Self.windowSeconds
        }
    }

    func perSecond(now: Int64) -> Double {
        state.withLock { state in
            state.decay(to: now)
            // The average of a window that has not passed yet is over what has; one second at least.
            let age = max(1, Double(now - state.startedAt) / 1e9)
            return state.perSecond / (1 - exp(-age / Self.windowSeconds))
        }
    }
}
