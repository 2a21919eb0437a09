import Synchronization
import WALStore

/// The one producer of a backend: made by the first message, and made anew after an error that it cannot get over.
final class KafkaClient: Sendable {
    private let properties: [(name: String, value: String)]
    private let timeout: Duration
    private let pending = PendingAnswers()
    private let producer = Mutex<KafkaProducer?>(nil)

    /// How long the producer tries: less than `timeout`, as it knows what became of a message, and looks about once a second.
    static func producerMilliseconds(_ timeout: Duration) -> Int64 {
        max(1, max(timeout - .seconds(5), timeout / 2).wholeNanoseconds / 1_000_000)
    }

    init(_ properties: [(name: String, value: String)], timeout: Duration) {
        self.properties = properties
        self.timeout = timeout
    }

    func publish(_ message: KafkaMessage) async -> Answer {
        await pending.answer(within: timeout) { attempt in
            do throws(KafkaProducer.Failure) {
                try current().produce(message, for: attempt)
            } catch {
                pending.end(attempt, error.answer)
            }
        }
    }

    private func current() throws(KafkaProducer.Failure) -> KafkaProducer {
        let found = producer.withLock { producer -> Result<KafkaProducer, KafkaProducer.Failure> in
            if let producer, !producer.replies.isFatal { return .success(producer) }
            do throws(KafkaProducer.Failure) {
                let made = try KafkaProducer(properties, pending)
                producer = made
                return .success(made)
            } catch {
                return .failure(error)
            }
        }
        return try found.get()
    }
}
