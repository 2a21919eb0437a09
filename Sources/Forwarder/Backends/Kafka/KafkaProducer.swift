import CKafka

/// An idempotent producer of librdkafka: what it sends again by itself is in the log once.
///
/// Its calls do not block; reports are fetched by a thread that ends, and lets the handle go, when the producer is no longer
/// used.
///
/// `@unchecked Sendable`: no property changes after `init`; librdkafka guards `handle` with its own locks, and `replies` has a
/// mutex.
final class KafkaProducer: @unchecked Sendable {
    private static let registry = CallbackRegistry<KafkaReplies>()

    /// Why there is none.
    struct Failure: Error { var answer: Answer }

    private let handle: OpaquePointer
    private let number: UInt
    let replies: KafkaReplies

    init(_ properties: [(name: String, value: String)], _ pending: PendingAnswers) throws(Failure) {
        replies = KafkaReplies(pending)
        number = Self.registry.add(replies)
        do throws(Failure) {
            handle = try Self.open(properties, number)
        } catch {
            Self.registry.remove(number)
            throw error
        }
        guard Self.poll(handle, number, replies) else {
            Self.registry.remove(number)
            rd_kafka_destroy(handle)
            throw Failure(
                answer: .failure(TransportFailure(mayHaveArrived: false, reason: "no thread can be started")))
        }
    }

    deinit { replies.end() }

    private static func open(
        _ properties: [(name: String, value: String)], _ number: UInt
    ) throws(Failure) -> OpaquePointer {
        let configuration = rd_kafka_conf_new()
        var words = [CChar](repeating: 0, count: 512)
        for (name, value) in properties {
            guard rd_kafka_conf_set(configuration, name, value, &words, words.count) == RD_KAFKA_CONF_OK else {
                rd_kafka_conf_destroy(configuration)
                throw Failure(answer: .said(.hold(reason: "\(name): \(text(words))")))
            }
        }
        rd_kafka_conf_set_opaque(configuration, CallbackRegistry<KafkaReplies>.context(number))
        rd_kafka_conf_set_dr_msg_cb(configuration, reported)
        rd_kafka_conf_set_error_cb(configuration, failed)
        // What it would write to standard error is in its answers.
        rd_kafka_conf_set_log_cb(configuration, { _, _, _, _ in })
        guard let handle = rd_kafka_new(RD_KAFKA_PRODUCER, configuration, &words, words.count) else {
            rd_kafka_conf_destroy(configuration)
            // Files of certificates that cannot be read, mostly.
            throw Failure(answer: .failure(TransportFailure(mayHaveArrived: false, reason: text(words))))
        }
        return handle
    }

    private static func text(_ words: [CChar]) -> String {
        Excerpt.of(words.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, bytes: 256)
    }

    /// - Returns: false when there is no thread for it.
    private static func poll(_ handle: OpaquePointer, _ number: UInt, _ replies: KafkaReplies) -> Bool {
        let address = UInt(bitPattern: handle)
        return OneOffThread.run {
            let handle = OpaquePointer(bitPattern: address)
            while !replies.isOver { rd_kafka_poll(handle, 200) }
            rd_kafka_purge(handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT)
            rd_kafka_poll(handle, 0)
            registry.remove(number)
            rd_kafka_destroy(handle)
        }
    }

    // MARK: Out

    /// Queues a message. Its answer goes to attempt `attempt`; so does any failure.
    func produce(_ message: KafkaMessage, for attempt: UInt64) {
        let token: UInt
        switch replies.standing(of: message.id, for: attempt) {
        case .delivered:
            replies.pending.end(attempt, .said(.delivered))
            return
        case .known:
            _ = replies.pending.leaves(attempt, over: number, to: message.topic)
            return
        case .new(let made): token = made
        }
        _ = replies.pending.leaves(attempt, over: number, to: message.topic)
        let error = message.body.withUnsafeBytes { body in
            Array(message.key.utf8).withUnsafeBytes { key in
                holdfast_kafka_produce(
                    handle, message.topic, key.baseAddress, key.count, body.baseAddress, body.count, message.id,
                    message.tenant, message.contentType, UnsafeMutableRawPointer(bitPattern: token))
            }
        }
        guard error != RD_KAFKA_RESP_ERR_NO_ERROR else { return }
        if error == RD_KAFKA_RESP_ERR__FATAL { replies.fail() }
        replies.reported(token, error, RD_KAFKA_MSG_STATUS_NOT_PERSISTED)
    }

    // MARK: In

    private static let reported:
        @convention(c) (OpaquePointer?, UnsafePointer<rd_kafka_message_t>?, UnsafeMutableRawPointer?) -> Void = {
            _, message, context in
            guard let replies = registry.value(context), let message else { return }
            replies.reported(
                UInt(bitPattern: message.pointee._private), message.pointee.err, rd_kafka_message_status(message))
        }

    private static let failed:
        @convention(c) (OpaquePointer?, Int32, UnsafePointer<CChar>?, UnsafeMutableRawPointer?) -> Void = {
            _, code, reason, context in
            let words = reason.map { Excerpt.of(Array(String(cString: $0).utf8), bytes: 256) } ?? ""
            registry.value(context)?.noted(rd_kafka_resp_err_t(rawValue: code), words)
        }
}

/// One message for a topic.
struct KafkaMessage: Sendable {
    /// `EncodedRequest.messageID`.
    var id: String
    var tenant: String
    var topic: String
    /// Messages with one key are in one partition, in order.
    var key: String
    var contentType: String
    /// Copied when it is queued.
    var body: [UInt8]
}
