import Metrics
import WALStore

/// Makes increments of running totals, for backends that add up what they are sent (Datadog, New Relic).
///
/// A backend reads each point of its request through the book, in order, and leaves the book in the request: what changed
/// in it becomes durable with the points, when the backend has taken them. A request that is refused, or whose points are
/// sent again, leaves no mark: the increment is then part of the next one of its series.
public struct CounterBook: Sendable {
    /// What a point adds.
    public enum Reading: Sendable, Equatable {
        /// Nothing is known of the total before it: it is what the next one is counted from, and nothing is sent.
        case first
        /// The backend took a point of this total that is as old or newer: what this one adds is in it.
        case passed
        /// - Parameters:
        ///   - amount: since the point before. Never negative: a total that falls has begun anew from 0.
        ///   - since: the time that the increment begins at, nanoseconds since the epoch, before the point's own.
        ///   - windowSum: all increments of the window the point is in, this one included.
        case increment(_ amount: Double, since: Int64, windowSum: Double)
    }

    /// Points in one window are one at the backend; nanoseconds, above 0.
    private let window: Int64
    private var known: [CounterKey: CounterState]
    /// What is written down once the backend has taken the request.
    public private(set) var changes: [CounterKey: CounterState] = [:]
    /// The totals that began with it. These are written down whatever becomes of the request: a point that nothing was counted
    /// from is not in it.
    public private(set) var beginnings: [CounterKey: CounterState] = [:]

    /// - Parameters:
    ///   - known: the state of every total that is going to be read.
    ///   - window: the grain of the backend's timestamps, above 0.
    public init(_ known: [CounterKey: CounterState] = [:], window: Duration = .seconds(1)) {
        let window = window.wholeNanoseconds
        precondition(window > 0, "points have a time, to some grain")
        self.known = known
        self.window = window
    }

    /// Reads one point.
    ///
    /// - Parameters:
    ///   - value: finite; below 0 it is no total, and must not come here.
    ///   - time, startTime: of the point, nanoseconds since the epoch; a start of 0 is unknown.
    public mutating func read(_ key: CounterKey, value: Double, time: Int64, startTime: Int64 = 0) -> Reading {
        precondition(value >= 0 && value.isFinite, "a total is a number from 0 on")
        var state = CounterState(value: value, time: time, startTime: startTime)
        guard let before = changes[key] ?? known[key] else {
            (changes[key], beginnings[key]) = (state, state)
            return .first
        }
        guard time > before.time else { return .passed }
        // A point at its own start says that the start is not known, and one before it says nothing.
        // <https://opentelemetry.io/docs/specs/otel/metrics/data-model/#cumulative-streams-handling-unknown-start-time>
        let start = startTime < time ? startTime : 0
        // A start that moved behind what was seen, or a total that fell: it was counted anew, from 0.
        let isRestarted = start != 0 && start > before.time || value < before.value
        let amount = isRestarted ? value : value - before.value
        let isSameWindow = windowStart(time) == windowStart(before.time)
        // A sum of finite numbers may be infinite.
        state.windowSum = min((isSameWindow ? before.windowSum : 0) + amount, .greatestFiniteMagnitude)
        changes[key] = state
        let since = isRestarted ? max(start, before.time) : before.time
        return .increment(amount, since: since, windowSum: state.windowSum)
    }

    private func windowStart(_ time: Int64) -> Int64 {
        let inside = time % window
        return time &- (inside < 0 ? inside + window : inside)
    }
}
