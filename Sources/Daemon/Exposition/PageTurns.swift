import Synchronization

/// A few pages are written at a time: each takes a processor for some milliseconds, and memory for what is on it. The others
/// wait in the order in which they were asked for, as one Prometheus scrapes the pages of all tenants.
final class PageTurns: Sendable {
    static let maximumPages = 4
    static let maximumWaiting = 256

    private struct State {
        var running = 0
        /// From `next` on.
        var waiting: [@Sendable () -> Void] = []
        var next = 0

        /// Forgets the first one that waits.
        mutating func shift() {
            next += 1
            if next == waiting.count || next >= PageTurns.maximumWaiting {
                waiting.removeFirst(next)
                next = 0
            }
        }
    }
    private let state = Mutex(State())

    /// - Parameter work: called now or at the end of another page, and ends with a call of `end`.
    /// - Returns: false when too many wait; `work` is then never called.
    func take(_ work: @escaping @Sendable () -> Void) -> Bool {
        let (isTaken, isNow) = state.withLock { state in
            if state.running < PageTurns.maximumPages {
                state.running += 1
                return (true, true)
            }
            guard state.waiting.count - state.next < PageTurns.maximumWaiting else { return (false, false) }
            state.waiting.append(work)
            return (true, false)
        }
        if isNow { work() }
        return isTaken
    }

    func end() {
        let next = state.withLock { state -> (@Sendable () -> Void)? in
            guard state.next < state.waiting.count else {
                state.running -= 1
                return nil
            }
            defer { state.shift() }
            return state.waiting[state.next]
        }
        next?()
    }
}
