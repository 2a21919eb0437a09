import Metrics
import WALStore

/// An MQTT broker, 5.0 or 3.1.1: a request is a message, and its acknowledgement (QoS 1), or the end of its handshake (QoS 2),
/// the success.
///
/// Own keys: `topic` (may hold `{tenant}`), `qos: 1 | 2`, `without_subscribers: retry | deliver`, those of `BrokerPayload` and
/// `MQTTEndpoint`. <https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html>
public struct MQTT: Backend {
    public static let type = "mqtt"
    public let traits: BackendTraits
    public var oldPoints: String { "It takes points of any age; who is subscribed has rules of its own." }

    /// What a message is that the broker took and nobody was subscribed to (5.0 says so with QoS 1).
    enum WithoutSubscribers: String, CaseIterable {
        case retry
        case deliver
    }

    private let topic: TenantTemplate
    private let quality: Int32
    private let payload: BrokerPayload
    private let client: MQTTClient

    public init(name: String, settings: Settings) throws(SettingsError) {
        let endpoint = try MQTTEndpoint(settings)
        _ = try settings.required("topic")
        topic = try Self.topic(settings)
        quality = Int32(try settings.int("qos", default: 1, in: 1...2))
        let without: WithoutSubscribers = try settings.choice("without_subscribers", default: .retry)
        // In 3.1.1 nothing says how a payload is packed.
        payload = try BrokerPayload(settings, compression: endpoint.version == .v5 ? .gzip : .none)
        // Who is subscribed wants each series in order, and may see a copy.
        traits = try BackendTraits(
            keepsOrder: true, maximumPoints: 10_000, maximumBodyBytes: 1 << 20, concurrency: 8
        ).overridden(by: settings)
        client = MQTTClient(endpoint, quality: quality, needsSubscriber: without == .retry)
    }

    /// Levels between slashes, none of them empty, no wildcards; `$` begins the broker's own.
    private static func topic(_ settings: Settings) throws(SettingsError) -> TenantTemplate {
        guard let topic = try TenantTemplate(settings, "topic") else { preconditionFailure("it is required") }
        let levels = topic("tenant").split(separator: "/", omittingEmptySubsequences: false)
        guard topic.text.utf8.count <= 1024, !topic.text.hasPrefix("$"),
            levels.allSatisfy({ level in
                !level.isEmpty && level.utf8.allSatisfy { $0 > 32 && $0 < 127 && !"+#".utf8.contains($0) }
            })
        else {
            throw SettingsError(
                "\(settings.name(of: "topic")): \"\(topic.text)\" is no topic to publish to",
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
        var properties = [
            (name: "Holdfast-Id", value: request.messageID), (name: "Holdfast-Tenant", value: chunk.tenant),
        ]
        if let encoding = payload.contentEncoding { properties.append((name: "Content-Encoding", value: encoding)) }
        return await client.publish(
            MQTTMessage(
                id: request.messageID, topic: topic(chunk.tenant), quality: quality, contentType: payload.contentType,
                userProperties: properties, body: request.body))
    }

    public func outcome(of answer: Answer, to request: EncodedRequest) -> DeliveryOutcome { BrokerOutcome.of(answer) }
}
