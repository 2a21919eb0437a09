import Synchronization

/// Says to whoever reads a long file that the node closes: nobody waits for the end of it any more.
final class StopFlag: Sendable {
    private let flag = Atomic(false)

    func raise() { flag.store(true, ordering: .relaxed) }
    var isRaised: Bool { flag.load(ordering: .relaxed) }

    /// - Throws: `.closing` once it is raised.
    func check() throws(SpoolError) {
        if isRaised { throw SpoolError(.closing, "the node is closing") }
    }
}
