import Synchronization
import WALStore

/// The one session of a backend: what works for it is made by the first message.
final class MQTTClient: Sendable {
    private let endpoint: MQTTEndpoint
    private let makeThread: @Sendable () -> ThreadExecutor?
    private let pending = PendingAnswers()
    private let replies: MQTTReplies
    private let connector = Mutex<MQTTConnector?>(nil)

    /// - Parameter makeThread: nil from it: the system has none.
    init(
        _ endpoint: MQTTEndpoint, quality: Int32, needsSubscriber: Bool,
        makeThread: @escaping @Sendable () -> ThreadExecutor? = { ThreadExecutor.started() }
    ) {
        self.endpoint = endpoint
        self.makeThread = makeThread
        replies = MQTTReplies(pending, quality: quality, needsSubscriber: needsSubscriber)
    }

    /// The reading thread holds the session until it sees this.
    deinit { pending.close() }

    /// Returns with the broker's answer, or at the timeout.
    func publish(_ message: MQTTMessage) async -> Answer {
        let askedAt = TimeSource.system.boot()
        return await pending.answer(within: endpoint.timeout) { attempt in
            guard let connector = current() else {
                return pending.giveUp(attempt, "no thread can be started")
            }
            connector.publish(message, for: attempt, askedAt: askedAt)
        }
    }

    private func current() -> MQTTConnector? {
        connector.withLock { connector in
            if let connector { return connector }
            connector = makeThread().map { MQTTConnector(endpoint, replies, $0) }
            return connector
        }
    }
}
