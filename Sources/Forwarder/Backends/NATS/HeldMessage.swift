import Synchronization

/// A message as long as its attempt waits: a connection that hangs keeps none of its bytes.
final class HeldMessage: Sendable {
    private let message: Mutex<NATSMessage?>

    init(_ message: NATSMessage) { self.message = Mutex(message) }

    /// - Returns: nil when nobody waits any more.
    func take() -> NATSMessage? {
        message.withLock { message in
            defer { message = nil }
            return message
        }
    }
}
