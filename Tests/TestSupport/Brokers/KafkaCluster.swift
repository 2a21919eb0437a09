import CKafka
import Foundation

/// librdkafka's own mock cluster: real sockets, in this process, with errors as asked for.
///
/// `@unchecked Sendable`: no property changes after `init`, and librdkafka guards both handles with its own locks.
public final class KafkaCluster: @unchecked Sendable {
    private let handle: OpaquePointer
    private let cluster: OpaquePointer
    public static let brokers: Int32 = 3

    public struct Failure: Error { public var words: String }

    public struct Message: Sendable {
        public var partition: Int32
        public var key: String
        public var headers: [String: String]
        public var body: [UInt8]
    }

    public init() throws {
        var words = [CChar](repeating: 0, count: 256)
        guard let handle = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), &words, words.count),
            let cluster = rd_kafka_mock_cluster_new(handle, Self.brokers)
        else { throw Failure(words: "no mock cluster") }
        (self.handle, self.cluster) = (handle, cluster)
    }

    deinit {
        rd_kafka_mock_cluster_destroy(cluster)
        rd_kafka_destroy(handle)
    }

    public var bootstraps: [String] {
        String(cString: rd_kafka_mock_cluster_bootstraps(cluster)).split(separator: ",").map(String.init)
    }

    public func makeTopic(_ name: String, partitions: Int32) {
        rd_kafka_mock_topic_create(cluster, name, partitions, 1)
    }
    public func fail(_ topic: String, _ error: rd_kafka_resp_err_t) {
        rd_kafka_mock_topic_set_error(cluster, topic, error)
    }

    /// What the next Produce requests (API key 0) are answered.
    public func failProduce(_ errors: [rd_kafka_resp_err_t]) {
        rd_kafka_mock_push_request_errors_array(cluster, 0, errors.count, errors)
    }

    public func goDown() { for id in 1...Self.brokers { rd_kafka_mock_broker_set_down(cluster, id) } }
    public func comeUp() { for id in 1...Self.brokers { rd_kafka_mock_broker_set_up(cluster, id) } }

    /// Everything in a topic, by a consumer of its own, which blocks: not for the shared pool.
    public func messages(of topic: String, partitions: Int32) async throws -> [Message] {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result { try self.read(topic, partitions) }) }
        }
    }

    private func read(_ topic: String, _ partitions: Int32) throws -> [Message] {
        let configuration = rd_kafka_conf_new()
        var words = [CChar](repeating: 0, count: 256)
        for (name, value) in [
            ("bootstrap.servers", bootstraps.joined(separator: ",")), ("group.id", "readers"),
            ("enable.partition.eof", "true"), ("auto.offset.reset", "earliest"),
        ] { rd_kafka_conf_set(configuration, name, value, &words, words.count) }
        guard let consumer = rd_kafka_new(RD_KAFKA_CONSUMER, configuration, &words, words.count) else {
            throw Failure(words: "no consumer")
        }
        defer { rd_kafka_destroy(consumer) }
        rd_kafka_poll_set_consumer(consumer)
        let list = rd_kafka_topic_partition_list_new(partitions)
        defer { rd_kafka_topic_partition_list_destroy(list) }
        for partition in 0..<partitions {
            // -2: from the beginning.
            rd_kafka_topic_partition_list_add(list, topic, partition).pointee.offset = -2
        }
        rd_kafka_assign(consumer, list)
        var all: [Message] = []
        var ended: Set<Int32> = []
        for _ in 0..<200 where ended.count < Int(partitions) {
            guard let message = rd_kafka_consumer_poll(consumer, 200) else { continue }
            defer { rd_kafka_message_destroy(message) }
            switch message.pointee.err {
            case RD_KAFKA_RESP_ERR__PARTITION_EOF: ended.insert(message.pointee.partition)
            case RD_KAFKA_RESP_ERR_NO_ERROR: all.append(Self.message(message))
            default: continue
            }
        }
        guard ended.count == Int(partitions) else { throw Failure(words: "the end of \(topic) was not reached") }
        return all
    }

    private static func message(_ raw: UnsafeMutablePointer<rd_kafka_message_t>) -> Message {
        func bytes(_ start: UnsafeRawPointer?, _ count: Int) -> [UInt8] {
            Array(UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : count))
        }
        var headers: [String: String] = [:]
        var list: OpaquePointer?
        if rd_kafka_message_headers(raw, &list) == RD_KAFKA_RESP_ERR_NO_ERROR {
            var (name, value, size) = (UnsafePointer<CChar>?.none, UnsafeRawPointer?.none, 0)
            var index = 0
            while rd_kafka_header_get_all(list, index, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR {
                if let name { headers[String(cString: name)] = String(decoding: bytes(value, size), as: UTF8.self) }
                index += 1
            }
        }
        let message = raw.pointee
        return Message(
            partition: message.partition,
            key: String(decoding: bytes(UnsafeRawPointer(message.key), message.key_len), as: UTF8.self),
            headers: headers, body: bytes(UnsafeRawPointer(message.payload), message.len))
    }
}
