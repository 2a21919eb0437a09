import Metrics
import WALStore

/// A topic of Kafka, by librdkafka's idempotent producer: a request is a message, and the acknowledgement of all replicas in
/// sync the success.
///
/// Own keys: `topic` (may hold `{tenant}`), `key: tenant | none`, `payload`, `compression` (Kafka's own: consumers see the plain
/// payload), those of `KafkaEndpoint`. <https://kafka.apache.org/documentation/#producerconfigs>
public struct Kafka: Backend {
    public static let type = "kafka"
    public let traits: BackendTraits
    public var oldPoints: String { "It takes points of any age; what reads the topic has rules of its own." }

    enum Key: String, CaseIterable {
        /// A tenant's messages are in one partition, in order.
        case tenant
        /// Messages are spread over the partitions.
        case none
    }

    enum Compression: String, CaseIterable { case zstd, lz4, snappy, gzip, none }

    private let topic: TenantTemplate
    private let key: Key
    private let payload: BrokerPayload
    private let client: KafkaClient

    public init(name: String, settings: Settings) throws(SettingsError) {
        let endpoint = try KafkaEndpoint(settings)
        _ = try settings.required("topic")
        topic = try Self.topic(settings)
        key = try settings.choice("key", default: .tenant)
        payload = try BrokerPayload(packedElsewhere: settings)
        let compression: Compression = try settings.choice("compression", default: .zstd)
        // A broker takes 1 MiB by default (`message.max.bytes`), after compression. Where messages of a tenant are in one
        // partition, each series is in order.
        traits = try BackendTraits(
            keepsOrder: true, maximumPoints: 10_000, maximumBodyBytes: 900 << 10, concurrency: 8
        ).overridden(by: settings)
        client = KafkaClient(
            endpoint.properties + [
                ("client.id", "holdfast"), ("enable.idempotence", "true"), ("acks", "all"),
                ("compression.codec", compression.rawValue),
                // A broker judges what it is sent together as one: no tenant's message is refused for another's. Each is many
                // points already.
                ("batch.num.messages", "1"),
                // The headers of a message are within it.
                ("message.max.bytes", "\(traits.maximumBodyBytes + (16 << 10))"),
                ("message.timeout.ms", "\(KafkaClient.producerMilliseconds(endpoint.timeout))"),
                // A topic that is not there is said to be so soon: the lane asks again.
                ("topic.metadata.propagation.max.ms", "5000"),
            ], timeout: endpoint.timeout)
    }

    private static func topic(_ settings: Settings) throws(SettingsError) -> TenantTemplate {
        guard let topic = try TenantTemplate(settings, "topic") else { preconditionFailure("it is required") }
        let name = topic("tenant")
        guard (1...180).contains(name.utf8.count), name != ".", name != "..",
            name.utf8.allSatisfy({ byte in
                (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
                    || "._-".utf8.contains(byte)
            })
        else {
            throw SettingsError(
                "\(settings.name(of: "topic")): \"\(topic.text)\" is no name of a topic",
                line: settings.line(of: "topic"))
        }
        return topic
    }

    public func keepsSeriesApart(_ batch: Batch) -> Bool { batch.series.isPlain }

    public func encode(_ chunk: Chunk, into request: inout EncodedRequest) {
        payload.encode(chunk, to: topic(chunk.tenant), into: &request)
    }

    public func send(
        _ request: EncodedRequest, of chunk: Chunk, attempt: Int, over transport: HTTPTransport
    ) async -> Answer {
        await client.publish(
            KafkaMessage(
                id: request.messageID, tenant: chunk.tenant, topic: topic(chunk.tenant),
                key: key == .tenant ? chunk.tenant : "", contentType: payload.contentType, body: request.body))
    }

    public func outcome(of answer: Answer, to request: EncodedRequest) -> DeliveryOutcome { BrokerOutcome.of(answer) }
}
