import Synchronization
import WALStore

/// A wall clock that a test sets, in seconds after a moment of its own.
final class SecondsClock: Sendable {
    /// Nanoseconds since the epoch.
    static let base: Int64 = 1_790_000_000_000_000_000
    private let seconds: Mutex<Int64>

    init(_ seconds: Int64 = 0) { self.seconds = Mutex(seconds) }

    func set(_ now: Int64) { seconds.withLock { $0 = now } }
    var nanoseconds: Int64 { SecondsClock.base + seconds.withLock { $0 } * 1_000_000_000 }
    var time: TimeSource { TimeSource(wall: { self.nanoseconds }, boot: { 0 }, bootID: { "a boot" }) }
}
