import Synchronization
import WALStore

/// The clocks of a simulated machine: they go on when a test says so.
final class FaultClock: Sendable {
    static let start: Int64 = 1_800_000_000_000_000_000

    private let now = Mutex(FaultClock.start)
    private let boots = Mutex(1)

    var nanoseconds: Int64 { now.withLock { $0 } }

    func advance(seconds: Int64) { now.withLock { $0 += seconds * 1_000_000_000 } }

    /// The machine starts anew.
    func reboot() { boots.withLock { $0 += 1 } }

    var source: TimeSource {
        TimeSource(
            wall: { [self] in nanoseconds }, boot: { [self] in nanoseconds - FaultClock.start + 1 },
            bootID: { [self] in "boot \(boots.withLock { $0 })" })
    }
}
