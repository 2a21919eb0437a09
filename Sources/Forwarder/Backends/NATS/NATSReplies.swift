import Synchronization

/// What the library's callbacks change of a connection, beside the attempts that they answer.
final class NATSReplies: Sendable {
    static let noAnswer = "no acknowledgement could come"

    let pending: PendingAnswers
    private let over = Atomic(false)

    init(_ pending: PendingAnswers) { self.pending = pending }

    /// No answer comes over the connection any more.
    var isOver: Bool { over.load(ordering: .acquiring) }
    func end() { over.store(true, ordering: .releasing) }

    /// - Parameter why: the library's words for its status, empty: none.
    func closed(over connection: UInt, _ why: String) {
        end()
        let reason = why.isEmpty ? "the connection ended" : "the connection ended: \(why)"
        pending.endAll(over: connection, .failure(TransportFailure(mayHaveArrived: true, reason: reason)))
    }

    /// A publication or a subscription is not permitted. The connection stays, and no reply will come.
    ///
    /// - Parameter words: `Permissions Violation for Publish to "subject"`. They may be those of a later violation by now, or
    ///   half of them: they choose among the subjects that wait, and are never passed on.
    func refused(over connection: UInt, _ words: String) {
        let lowercased = words.lowercased()
        if lowercased.contains("subscription") {
            end()
            pending.endAll(over: connection, .said(.hold(reason: "not permitted to subscribe: \(Self.noAnswer)")))
            return
        }
        let quoted = words.split(separator: "\"", omittingEmptySubsequences: false)
        guard quoted.count == 3, lowercased.contains("publish") else { return }
        let subject = String(quoted[1])
        pending.endAll(
            over: connection, to: subject, .said(.hold(reason: "not permitted to publish to \(subject)")))
    }
}
