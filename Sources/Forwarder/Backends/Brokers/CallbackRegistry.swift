import Synchronization

/// What the callbacks of a C library find: they are handed a number instead of an address, so that one that comes late, from
/// whatever thread, finds nothing.
final class CallbackRegistry<Value: Sendable>: Sendable {
    private let state = Mutex((next: UInt(1), values: [UInt: Value]()))

    /// - Returns: a number that no other value gets.
    func add(_ value: Value) -> UInt {
        state.withLock { state in
            let number = state.next
            state.next += 1
            state.values[number] = value
            return number
        }
    }

    func remove(_ number: UInt) {
        // What it held is let go outside the lock.
        _ = state.withLock { $0.values.removeValue(forKey: number) }
    }

    /// - Parameter context: what the library was given: the number as an address.
    func value(_ context: UnsafeMutableRawPointer?) -> Value? {
        let number = UInt(bitPattern: context)
        return state.withLock { $0.values[number] }
    }

    /// The number as what a C library carries along.
    static func context(_ number: UInt) -> UnsafeMutableRawPointer? { UnsafeMutableRawPointer(bitPattern: number) }
}
