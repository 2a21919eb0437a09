import CKafka
import WALStore

/// Reads librdkafka's report of a message, and the error of a call that takes none.
enum KafkaReport {
    /// - Parameters:
    ///   - status: whether the message is in the log, may be, or is not.
    ///   - lastError: of the connections, where the message waited in vain for one.
    static func answer(
        _ error: rd_kafka_resp_err_t, _ status: rd_kafka_msg_status_t, lastError: KafkaReplies.LastError? = nil
    ) -> Answer {
        let words = words(of: error)
        switch error {
        case RD_KAFKA_RESP_ERR_NO_ERROR: return .said(.delivered)
        case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
            return .said(.tooLarge(limitBytes: nil))
        case RD_KAFKA_RESP_ERR_INVALID_RECORD:
            return .said(
                .refused(
                    DeadLetterReason(code: "refused", excerpt: words, status: Int(error.rawValue)),
                    meansAlreadyThere: false))
        // An operator makes topics, and says who may write to them and who somebody is.
        case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
            RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
            RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION,
            RD_KAFKA_RESP_ERR_POLICY_VIOLATION, RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED,
            RD_KAFKA_RESP_ERR__AUTHENTICATION, RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS,
            RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION:
            return .said(.hold(reason: words))
        default: break
        }
        if status == RD_KAFKA_MSG_STATUS_NOT_PERSISTED, let lastError, lastError.isAuthentication {
            return .said(.hold(reason: lastError.words))
        }
        let reason = lastError.map { "\(words); \($0.words)" } ?? words
        return .failure(
            TransportFailure(mayHaveArrived: status != RD_KAFKA_MSG_STATUS_NOT_PERSISTED, reason: reason))
    }

    static func words(of error: rd_kafka_resp_err_t) -> String {
        "\(String(cString: rd_kafka_err2name(error))): \(String(cString: rd_kafka_err2str(error)))"
    }
}
