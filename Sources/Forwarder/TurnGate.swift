import Synchronization

/// Bounds how many do something at once, and lets tenants take turns by weight: however much one of them has waiting,
/// the next free place goes to whoever had the least for its weight.
///
/// Weighted fair queueing by virtual time: each turn of a key is due 1/weight after its last one.
final class TurnGate: Sendable {
    fileprivate struct Waiter {
        var due: Double
        /// Arrival order decides between equals.
        var number: UInt64
        var continuation: CheckedContinuation<Void, Never>
    }

    fileprivate struct State {
        var limit: Int
        var taken = 0
        var clock = 0.0
        var lastDue: [String: Double] = [:]
        var waiters: [Waiter] = []
        var count: UInt64 = 0
    }

    private let state: Mutex<State>

    init(limit: Int) { state = Mutex(State(limit: limit)) }

    /// Returns when it is the turn of `key`; `release` ends it.
    func acquire(_ key: String, weight: Double = 1) async {
        await withCheckedContinuation { continuation in
            let isFree = state.withLock { state in
                let due = max(state.clock, state.lastDue[key] ?? 0) + 1 / weight
                state.lastDue[key] = due
                if state.taken < state.limit {
                    state.taken += 1
                    state.clock = max(state.clock, due - 1 / weight)
                    return true
                }
                state.count += 1
                state.insert(Waiter(due: due, number: state.count, continuation: continuation))
                return false
            }
            if isFree { continuation.resume() }
        }
    }

    func release() {
        let next = state.withLock { state in
            state.taken -= 1
            return state.admit()
        }
        for waiter in next { waiter.continuation.resume() }
    }

    /// How many stand in line.
    var waiting: Int { state.withLock { $0.waiters.count } }

    /// A reload's new limit; a lower one takes effect as turns end.
    func setLimit(_ limit: Int) {
        let next = state.withLock { state in
            state.limit = limit
            return state.admit()
        }
        for waiter in next { waiter.continuation.resume() }
    }
}

// MARK: - A heap of waiters

extension TurnGate.State {
    /// Takes those out whose turn it is now.
    fileprivate mutating func admit() -> [TurnGate.Waiter] {
        var admitted: [TurnGate.Waiter] = []
        while taken < limit, let first = removeFirst() {
            taken += 1
            clock = max(clock, first.due)
            admitted.append(first)
        }
        // Nobody waits and nobody runs: what was had before no longer matters.
        if taken == 0 { lastDue.removeAll() }
        return admitted
    }

    fileprivate mutating func insert(_ waiter: TurnGate.Waiter) {
        waiters.append(waiter)
        var child = waiters.count - 1
        while child > 0, waiters[child].isBefore(waiters[(child - 1) / 2]) {
            waiters.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    private mutating func removeFirst() -> TurnGate.Waiter? {
        guard let first = waiters.first else { return nil }
        waiters.swapAt(0, waiters.count - 1)
        waiters.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < waiters.count && waiters[child].isBefore(waiters[least]) { least = child }
            if least == parent { return first }
            waiters.swapAt(parent, least)
            parent = least
        }
    }
}

extension TurnGate.Waiter {
    fileprivate func isBefore(_ other: TurnGate.Waiter) -> Bool { (due, number) < (other.due, other.number) }
}
