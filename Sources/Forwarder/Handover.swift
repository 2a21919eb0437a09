import Synchronization

/// Said once: whether whoever comes next may begin. Any number of tasks wait for it.
final class Handover: Sendable {
    private struct State {
        var isClear: Bool?
        var waiters: [CheckedContinuation<Bool, Never>] = []
    }

    private let state = Mutex(State())

    func resolve(isClear: Bool) {
        let waiters = state.withLock { state in
            precondition(state.isClear == nil, "it is said once")
            state.isClear = isClear
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume(returning: isClear) }
    }

    var isResolved: Bool { state.withLock { $0.isClear != nil } }

    var isClear: Bool {
        get async {
            await withCheckedContinuation { continuation in
                let known = state.withLock { state in
                    if state.isClear == nil { state.waiters.append(continuation) }
                    return state.isClear
                }
                if let known { continuation.resume(returning: known) }
            }
        }
    }
}
