import Metrics
import WALStore

/// A stream of NATS JetStream: a message is a request, and its PubAck the success.
///
/// Own keys: `subject` (may hold `{tenant}`), `stream` (which stream must take it), those of `BrokerPayload` and
/// `NATSEndpoint`. Copies have the same `Nats-Msg-Id`: within its `duplicate_window` the stream keeps one.
/// <https://docs.nats.io/nats-concepts/jetstream/headers>
public struct NATSJetStream: Backend {
    public static let type = "nats_jetstream"
    public let traits: BackendTraits
    public var oldPoints: String { "It takes points of any age; what reads the stream has rules of its own." }

    private let subject: TenantTemplate
    private let stream: String?
    private let payload: BrokerPayload
    private let client: NATSClient

    public init(name: String, settings: Settings) throws(SettingsError) {
        let endpoint = try NATSEndpoint(settings)
        _ = try settings.required("subject")
        subject = try Self.subject(settings)
        stream = try settings.string("stream")
        if let stream, !Self.isToken(stream) {
            throw SettingsError(
                "\(settings.name(of: "stream")): \"\(stream)\" is no name of a stream",
                line: settings.line(of: "stream"))
        }
        payload = try BrokerPayload(settings, compression: .gzip)
        // A server takes 1 MiB by default (`max_payload`), headers included. Whoever reads a stream wants each series in
        // order, and finds a copy twice once the window is over.
        traits = try BackendTraits(
            keepsOrder: true, maximumPoints: 10_000, maximumBodyBytes: 1_000_000, concurrency: 8
        ).overridden(by: settings)
        client = NATSClient(endpoint)
    }

    /// Tokens between dots, none of them empty, no wildcards; `$` and `_INBOX` are the server's.
    private static func subject(_ settings: Settings) throws(SettingsError) -> TenantTemplate {
        guard let subject = try TenantTemplate(settings, "subject") else { preconditionFailure("it is required") }
        let name = subject("tenant")
        guard isSubject(name), !name.hasPrefix("$"), name.split(separator: ".").first != "_INBOX",
            subject.text.utf8.count <= 255
        else {
            throw SettingsError(
                "\(settings.name(of: "subject")): \"\(subject.text)\" is no subject to publish to",
                line: settings.line(of: "subject"))
        }
        return subject
    }

    /// Tokens between dots, none of them empty, no wildcards.
    static func isSubject(_ text: String) -> Bool {
        text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { isToken($0) }
    }

    private static func isToken(_ text: some StringProtocol) -> Bool {
        !text.isEmpty && text.utf8.count <= 255
            && text.utf8.allSatisfy { $0 > 32 && $0 < 127 && !"*>./\\".utf8.contains($0) }
    }

    public func keepsSeriesApart(_ batch: Batch) -> Bool { batch.series.isPlain }

    public func encode(_ chunk: Chunk, into request: inout EncodedRequest) {
        payload.encode(chunk, to: subject(chunk.tenant), into: &request)
    }

    public func send(
        _ request: EncodedRequest, of chunk: Chunk, attempt: Int, over transport: HTTPTransport
    ) async -> Answer {
        var headers = [
            (name: "Nats-Msg-Id", value: request.messageID), (name: "Content-Type", value: payload.contentType),
            (name: "Holdfast-Tenant", value: chunk.tenant),
        ]
        if let encoding = payload.contentEncoding { headers.append((name: "Content-Encoding", value: encoding)) }
        if let stream { headers.append((name: "Nats-Expected-Stream", value: stream)) }
        return await client.publish(
            NATSMessage(subject: subject(chunk.tenant), headers: headers, body: request.body))
    }

    public func outcome(of answer: Answer, to request: EncodedRequest) -> DeliveryOutcome { BrokerOutcome.of(answer) }
}
