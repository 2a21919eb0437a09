import Synchronization

/// Runs what blocks its thread for as long as a question takes, and waits for what comes of it.
enum SqlThread {
    private final class Slot<Value: Sendable>: Sendable {
        let value = Mutex<Value?>(nil)
    }

    static func run<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
        let slot = Slot<Value>()
        await Blocking.run {
            let value = body()
            slot.value.withLock { $0 = value }
        }
        guard let value = slot.value.withLock({ $0 }) else { preconditionFailure("the body has run") }
        return value
    }
}
