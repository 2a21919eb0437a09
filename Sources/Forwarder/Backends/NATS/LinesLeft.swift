import Synchronization

/// How many lines of a client were left while they were opened, and hang still.
final class LinesLeft: Sendable {
    /// With as many no further one is opened: each has a thread, until its peer goes.
    static let maximum = 2

    private let number = Atomic<Int>(0)

    var isFull: Bool { number.load(ordering: .acquiring) >= Self.maximum }
    func add(_ change: Int) { number.add(change, ordering: .acquiringAndReleasing) }
}
