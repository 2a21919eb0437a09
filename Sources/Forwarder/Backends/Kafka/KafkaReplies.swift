import CKafka
import Synchronization

/// What librdkafka's callbacks change.
///
/// A message stays the producer's until it is reported, which may be later than an attempt waits: with all brokers away the
/// library keeps what may have arrived. An attempt with the same id is then that message's, and not another message.
final class KafkaReplies: Sendable {
    struct LastError: Sendable {
        var words: String
        var isAuthentication: Bool
    }

    private struct State {
        var lastError: LastError?
        var isFatal = false
        var isOver = false
        var next: UInt = 1
        /// By what the library carries along: a message's id, and who waits for it, whose number may be of an attempt that is over.
        var messages: [UInt: (id: String, attempt: UInt64)] = [:]
        var tokens: [String: UInt] = [:]
        /// Delivered while nobody waited, oldest first.
        var delivered: [String] = []
    }

    /// As many are remembered as delivered when nobody asked.
    private static let maximumDelivered = 1024

    private let state = Mutex(State())
    let pending: PendingAnswers

    init(_ pending: PendingAnswers) { self.pending = pending }

    /// The producer cannot go on: another one must be made.
    var isFatal: Bool { state.withLock { $0.isFatal } }
    /// Nobody uses the producer any more.
    var isOver: Bool { state.withLock { $0.isOver } }
    func end() { state.withLock { $0.isOver = true } }
    func fail() { state.withLock { $0.isFatal = true } }

    func noted(_ error: rd_kafka_resp_err_t, _ words: String) {
        let isAuthentication =
            error == RD_KAFKA_RESP_ERR__AUTHENTICATION || error == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED
        state.withLock { state in
            if error == RD_KAFKA_RESP_ERR__FATAL { state.isFatal = true }
            state.lastError = LastError(words: words, isAuthentication: isAuthentication)
        }
    }

    // MARK: Messages

    enum Standing { case new(UInt), known, delivered }

    /// Whether a message is to be handed to the library, and what it then carries along.
    func standing(of id: String, for attempt: UInt64) -> Standing {
        state.withLock { state in
            if let index = state.delivered.firstIndex(of: id) {
                state.delivered.remove(at: index)
                return .delivered
            }
            if let token = state.tokens[id] {
                state.messages[token]?.attempt = attempt
                return .known
            }
            let token = state.next
            state.next += 1
            state.messages[token] = (id, attempt)
            state.tokens[id] = token
            return .new(token)
        }
    }

    /// Of a message, whether the library took it or not.
    func reported(_ token: UInt, _ error: rd_kafka_resp_err_t, _ status: rd_kafka_msg_status_t) {
        let (attempt, id, last) = state.withLock { state in
            let message = state.messages.removeValue(forKey: token)
            if let message { state.tokens[message.id] = nil }
            // What was said of connections before is over when a message arrives.
            if error == RD_KAFKA_RESP_ERR_NO_ERROR { state.lastError = nil }
            let last = error == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT ? state.lastError : nil
            return (message?.attempt ?? 0, message?.id ?? "", last)
        }
        if pending.end(attempt, KafkaReport.answer(error, status, lastError: last)) { return }
        guard error == RD_KAFKA_RESP_ERR_NO_ERROR else { return }
        state.withLock { state in
            if state.delivered.count >= Self.maximumDelivered { state.delivered.removeFirst() }
            state.delivered.append(id)
        }
    }
}
