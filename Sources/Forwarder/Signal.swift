import Synchronization

/// Something happened: one task waits for it, any thread says so. Said before it is waited for, it is not lost; said
/// twice, it counts once.
final class Signal: Sendable {
    private struct State {
        var isSet = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    func set() {
        let waiter = state.withLock { state in
            defer { state.waiter = nil }
            state.isSet = state.waiter == nil
            return state.waiter
        }
        waiter?.resume()
    }

    func wait() async {
        await withCheckedContinuation { continuation in
            let wasSet = state.withLock { state in
                precondition(state.waiter == nil, "a signal has one task that waits for it")
                if state.isSet {
                    state.isSet = false
                    return true
                }
                state.waiter = continuation
                return false
            }
            if wasSet { continuation.resume() }
        }
    }
}
