import Metrics
import WALStore

/// OTLP over HTTP: the OpenTelemetry Collector, Prometheus, Mimir, and the many services that take it.
///
/// Own keys: `encoding: protobuf | json`, `compression: gzip | zstd | none`, those of `TenantHeader`, the rest as in
/// `HTTPEndpoint`. `url` is the whole address, mostly `http://host:4318/v1/metrics`.
/// <https://opentelemetry.io/docs/specs/otlp/#otlphttp>
public struct OTLPHTTP: Backend {
    public static let type = "otlp_http"
    public let traits: BackendTraits
    public var oldPoints: String {
        "A collector passes points of any age on; a Prometheus refuses what is older than its newest point of a series, but "
            + "for its out_of_order_time_window."
    }
    public var mayRefuseOldPoints: Bool { true }

    enum Compression: String, CaseIterable {
        case gzip
        case zstd
        case none
    }

    enum Encoding: String, CaseIterable {
        case protobuf
        case json

        /// A Prometheus compares the whole of it: no parameters.
        var mediaType: String { self == .protobuf ? "application/x-protobuf" : "application/json" }
    }

    private let endpoint: HTTPEndpoint
    private let tenant: TenantHeader?
    private let encoding: Encoding
    private let compression: Compression
    private let scratch = ScratchPool { Scratch() }

    private struct Scratch: Sendable {
        var encoder = OTLPEncoder()
        var plain: [UInt8] = []
        var json: [UInt8] = []

        /// What `plain` says, as JSON.
        mutating func makeJSON() {
            json.removeAll(keepingCapacity: true)
            plain.withUnsafeBytes { OTLPJSON.append($0, to: &json) }
        }
    }

    public init(name: String, settings: Settings) throws(SettingsError) {
        endpoint = try HTTPEndpoint(settings, reserved: [])
        tenant = try TenantHeader(settings, endpoint, reserved: [])
        encoding = try settings.choice("encoding", default: .protobuf)
        compression = try settings.choice("compression", default: .gzip)
        // A sum of differences counts twice what arrives twice, and a Prometheus behind it wants each series in order.
        // Servers take 64 MiB before compression by default, a collector 20 MiB; JSON is some three times as long.
        traits = try BackendTraits(
            keepsOrder: true, maximumPoints: 10_000, maximumBodyBytes: 4 << 20, maximumRawBytes: 16 << 20,
            concurrency: 8
        ).overridden(by: settings)
    }

    // MARK: Out

    /// Where a series is nothing but its labels: of what has a resource or a kind, two may be one at the receiver.
    public func keepsSeriesApart(_ batch: Batch) -> Bool { batch.series.isPlain }

    public func encode(_ chunk: Chunk, into request: inout EncodedRequest) {
        request.reset()
        scratch.withScratch { scratch in
            scratch.plain.removeAll(keepingCapacity: true)
            scratch.encoder.append(chunk, into: &scratch.plain, &request)
            guard request.points > 0 else { return }
            if encoding == .json { scratch.makeJSON() }
            let body = encoding == .json ? scratch.json : scratch.plain
            request.rawBytes = body.count
            body.withUnsafeBytes { plain in
                switch compression {
                case .gzip: Gzip.compress(plain, level: 1, into: &request.body)
                case .zstd: Zstd.compress(plain, into: &request.body)
                case .none: request.body.append(contentsOf: plain)
                }
            }
        }
        // The answer counts refused points and names none: it speaks of all of them.
        request.items = [chunk.runs.subtracting(request.excluded.map(\.run))]
    }

    public func send(
        _ request: EncodedRequest, of chunk: Chunk, attempt: Int, over transport: HTTPTransport
    ) async -> Answer {
        var headers = [(name: "Content-Type", value: encoding.mediaType)]
        if compression != .none { headers.append((name: "Content-Encoding", value: compression.rawValue)) }
        if let tenant { headers.append(tenant(chunk.tenant)) }
        return await transport.perform(
            endpoint.post(request.body, headers: headers, maximumResponseBytes: OTLPAnswer.maximumBytes))
    }

    // MARK: Back

    public func outcome(of answer: Answer, to request: EncodedRequest) -> DeliveryOutcome {
        HTTPOutcome.of(answer) { OTLPAnswer.outcome(of: $0, to: request, now: $1) }
    }
}

/// Reads an OTLP server's answer. <https://opentelemetry.io/docs/specs/otlp/#otlphttp-response>
enum OTLPAnswer {
    /// What the specification bounds an answer to; of a longer one nothing is believed.
    static let maximumBytes = 4 << 20

    static func outcome(of response: HTTPResponse, to request: EncodedRequest, now: Int64) -> DeliveryOutcome {
        switch response.status {
        case 200...299: taken(response, request)
        case 400: HTTPOutcome.refused(response, meansAlreadyThere: isAlreadyThere(response))
        default: HTTPOutcome.of(response, now: now)
        }
    }

    private static func taken(_ response: HTTPResponse, _ request: EncodedRequest) -> DeliveryOutcome {
        guard !response.body.isEmpty else { return .delivered }
        let type = (response.headers["content-type"] ?? "").prefix { $0 != ";" && $0 != " " }.lowercased()
        let said: OTLPResponse?
        switch type {
        case "application/x-protobuf": said = try? OTLPResponse(protobuf: response.body)
        case "application/json": said = try? OTLPResponse(json: response.body)
        default: said = nil
        }
        guard let said else {
            // A login page of a network on the way says 200 as well.
            return .hold(
                reason:
                    "HTTP \(response.status) with a body that is no OTLP answer (\(type))\(HTTPOutcome.said(response))")
        }
        guard said.rejectedPoints > 0 else { return .delivered }
        let words = Excerpt.of(Array(said.message.utf8))
        // A request that was taken in part must not be sent again, nor a part of it, and which points were not taken is
        // not said. <https://opentelemetry.io/docs/specs/otlp/#partial-success-1>
        let verdict: ItemOutcome.Verdict =
            said.rejectedPoints >= Int64(request.points)
            ? .dead(DeadLetterReason(code: "refused", excerpt: words, status: response.status))
            : .assumed(reason: "\(said.rejectedPoints) of \(request.points) points were not taken: \(words)")
        return .partly(request.items.map { ItemOutcome(runs: $0, verdict: verdict) })
    }

    /// Prometheus, and who embeds it, speaks of samples as it does to remote write.
    private static func isAlreadyThere(_ response: HTTPResponse) -> Bool {
        Excerpt.holds(response.body, RemoteWriteAnswer.alreadyTherePhrases)
    }
}
