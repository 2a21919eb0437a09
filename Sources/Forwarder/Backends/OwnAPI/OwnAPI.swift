import Metrics
import WALStore

/// An HTTP API of your own: a body by one of our encoders or by a template, and rules for what its answers mean.
///
/// Own keys: `method: POST | PUT`, `{tenant}` in `url`, those of `BodyWriter`, `outcomes` (`OutcomeRule`), `ordered`,
/// `idempotency_header`, `secret_headers`, those of `TenantHeader`, the rest as in `HTTPEndpoint`. With nothing but a `url`
/// it speaks to `/api/v1/json` of another node.
public struct OwnAPI: Backend {
    public static let type = "http"
    public let traits: BackendTraits
    public var mayRefuseOldPoints: Bool { true }

    enum Method: String, CaseIterable {
        case post = "POST"
        case put = "PUT"
    }

    private let endpoint: HTTPEndpoint
    private let url: TenantTemplate
    private let method: HTTPRequest.Method
    private let tenant: TenantHeader?
    private let secretHeaders: [(name: String, value: Secret)]
    private let keyHeader: String?
    private let body: BodyWriter
    private let rules: [OutcomeRule]

    public init(name: String, settings: Settings) throws(SettingsError) {
        body = try BodyWriter(settings)
        endpoint = try HTTPEndpoint(settings, reserved: body.reservedHeaders)
        url = try TenantTemplate(settings, "url") ?? TenantTemplate(endpoint.url)
        method = try settings.choice("method", default: Method.post) == .post ? .post : .put
        tenant = try TenantHeader(settings, endpoint, reserved: body.reservedHeaders)
        secretHeaders = try Self.secretHeaders(settings, endpoint, reserved: body.reservedHeaders)
        keyHeader = try Self.keyHeader(settings, endpoint)
        rules = try OutcomeRule.list(settings, "outcomes")
        // Nothing is known of it: one request after the other is right for every API, and the config may say that more are.
        let isOrdered = try settings.bool("ordered", default: true)
        traits = try BackendTraits(
            keepsOrder: isOrdered, maximumPoints: 5000, maximumBodyBytes: 3 << 20, concurrency: isOrdered ? 1 : 2
        ).overridden(by: settings)
    }

    private static func secretHeaders(
        _ settings: Settings, _ endpoint: HTTPEndpoint, reserved: Set<String>
    ) throws(SettingsError) -> [(name: String, value: Secret)] {
        var all: [(name: String, value: Secret)] = []
        for (name, value) in try settings.secretPairs("secret_headers") {
            let place = "\(settings.name(of: "secret_headers")).\(name)"
            let line = settings.line(of: "secret_headers")
            guard HTTPRequest.isHeader(name: name, value: value.reveal), !value.reveal.isEmpty else {
                throw SettingsError("\(place) is no HTTP header, or empty", line: line)
            }
            let lower = name.lowercased()
            let isTaken =
                endpoint.headers.contains { $0.name.lowercased() == lower }
                || all.contains { $0.name.lowercased() == lower }
            guard !HTTPEndpoint.isReserved(lower, reserved), !isTaken else {
                throw SettingsError("\(place) is set elsewhere already", line: line)
            }
            all.append((name, value))
        }
        return all
    }

    /// `none` leaves it out. Our own ingest, and many others, know `Idempotency-Key`.
    private static func keyHeader(
        _ settings: Settings, _ endpoint: HTTPEndpoint
    ) throws(SettingsError) -> String? {
        let name = try settings.string("idempotency_header") ?? "Idempotency-Key"
        if name == "none" { return nil }
        let lower = name.lowercased()
        let isTaken = endpoint.headers.contains { $0.name.lowercased() == lower }
        guard HTTPRequest.isHeader(name: name, value: ""), !HTTPEndpoint.isReserved(lower, []), !isTaken else {
            throw SettingsError(
                "\(settings.name(of: "idempotency_header")): \"\(name)\" is no header of one's own",
                line: settings.line(of: "idempotency_header"))
        }
        return name
    }

    // MARK: Out

    public func encode(_ chunk: Chunk, into request: inout EncodedRequest) {
        request.reset()
        body.encode(chunk, into: &request)
    }

    public func send(
        _ request: EncodedRequest, of chunk: Chunk, attempt: Int, over transport: HTTPTransport
    ) async -> Answer {
        var headers = body.headers
        if let keyHeader { headers.append((name: keyHeader, value: RequestKey.of(request, chunk))) }
        if let tenant { headers.append(tenant(chunk.tenant)) }
        for (name, value) in secretHeaders { headers.append((name: name, value: value.reveal)) }
        var theirs = endpoint
        if url.namesTenant { theirs.url = url(PercentEncoding.encode(chunk.tenant)) }
        var message = theirs.post(request.body, headers: headers)
        message.method = method
        return await transport.perform(message)
    }

    // MARK: Back

    public func outcome(of answer: Answer, to request: EncodedRequest) -> DeliveryOutcome {
        // What a rule says of an answer holds, whatever it looks like.
        if case .response(let response) = answer, let rule = rules.first(where: { $0.matches(response) }) {
            return rule.outcome(of: response, now: TimeSource.system.wall())
        }
        return HTTPOutcome.of(answer, saysRefusalsAsPages: true) { response, now in
            // The first sending of the key is still under way, here as in our own ingest.
            // <https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header-07#section-2.6>
            if response.status == 409, keyHeader != nil { return HTTPOutcome.retry(response, now: now) }
            return HTTPOutcome.of(response, now: now)
        }
    }
}
