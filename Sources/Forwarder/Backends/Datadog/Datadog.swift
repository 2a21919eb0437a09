import Metrics
import WALStore

/// Datadog's metrics intake: series, version 2.
///
/// Own keys: `site` (or `url`, a proxy's address); `api_key`, or `api_keys` by tenant; `compression: deflate | zstd | gzip | none`;
/// `counters: by_name | typed`; `historical`; `max_raw_size`. The rest as in `HTTPEndpoint`. What a point becomes is in
/// `DatadogSeries.swift`. <https://docs.datadoghq.com/api/latest/metrics/#submit-metrics>
public struct Datadog: Backend {
    public static let type = "datadog"
    public let traits: BackendTraits
    public var oldPoints: String {
        age.oldest == nil
            ? "It takes points of any age for metrics with Historical Metrics Ingestion."
            : "It drops points older than an hour: they are dead letters, and are not sent."
    }

    enum Compression: String, CaseIterable {
        /// zlib's format.
        case deflate
        case zstd
        case gzip
        case none

        /// As the reference names it.
        var header: String? {
            switch self {
            case .zstd: "zstd1"
            case .none: nil
            case .deflate, .gzip: rawValue
            }
        }
    }

    private let endpoint: HTTPEndpoint
    private let key: TenantSecret
    private let compression: Compression
    private let counters: CounterRule
    private let age: PointAge
    private let time: TimeSource
    private let scratch = ScratchPool { DatadogSeries() }

    public init(name: String, settings: Settings) throws(SettingsError) {
        try self.init(name: name, settings: settings, environment: BackendEnvironment())
    }

    public static func make(
        name: String, settings: Settings, environment: BackendEnvironment
    ) throws(SettingsError) -> any Backend {
        try Datadog(name: name, settings: settings, environment: environment)
    }

    private init(name: String, settings: Settings, environment: BackendEnvironment) throws(SettingsError) {
        endpoint = try HTTPEndpoint(settings, reserved: ["dd-api-key"], usual: try Self.address(settings))
        guard !endpoint.url.contains("?"), !endpoint.url.contains("/api/") else {
            throw SettingsError(
                "\(settings.name(of: "url")) must be the server's address: /api/v2/series is put behind it",
                line: settings.line(of: "url"))
        }
        key = try TenantSecret(settings, "api_key", map: "api_keys")
        guard !key.isEmpty else {
            throw SettingsError("\(settings.path) needs api_key, or api_keys by tenant", line: settings.line)
        }
        compression = try settings.choice("compression", default: .deflate)
        counters = try CounterRule(settings)
        let isHistorical = try settings.bool("historical", default: false)
        age = PointAge(owner: "Datadog", oldest: isHistorical ? nil : .seconds(3600), ahead: .seconds(600))
        time = environment.time
        // The intake's own limits, of the body as it is sent and as it is unpacked.
        traits = try BackendTraits(
            keepsOrder: true, maximumPoints: 10_000, maximumBodyBytes: 512_000, maximumRawBytes: 5_242_880,
            takesIncrements: true
        ).overridden(by: settings)
    }

    /// Of the site: `datadoghq.com`, `us5.datadoghq.com`, `datadoghq.eu`, `ddog-gov.com`.
    private static func address(_ settings: Settings) throws(SettingsError) -> String {
        let site = try settings.string("site")
        if let site, settings.has("url") {
            throw SettingsError(
                "\(settings.path): site and url exclude each other, and \"\(site)\" is said too",
                line: settings.line(of: "site"))
        }
        let name = site ?? "datadoghq.com"
        let isHost = name.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (48...57).contains(byte) || byte == 45
                || byte == 46
        }
        guard isHost, name.contains("."), !name.hasPrefix("."), !name.hasPrefix("api.") else {
            throw SettingsError(
                "\(settings.name(of: "site")): \"\(name)\" is no site such as datadoghq.com, us5.datadoghq.com or datadoghq.eu",
                line: settings.line(of: "site"))
        }
        return "https://api.\(name)"
    }

    // MARK: Out

    public func counterKeys(of chunk: Chunk) -> [CounterKey] { NumberReader.keys(of: chunk, counters, .single) }

    public func encode(_ chunk: Chunk, into request: inout EncodedRequest) {
        request.reset()
        var reader = NumberReader(counters, .single, age, now: time.wall(), book: chunk.counters)
        scratch.withScratch { series in
            series.begin()
            for run in chunk.runs { series.append(chunk.pieces[run.piece].batch, run, &reader, into: &request) }
            request.counters = reader.book
            guard request.points > 0 else { return }
            series.finish()
            request.rawBytes = series.body.count
            series.body.withUnsafeBytes { plain in
                switch compression {
                case .deflate: Zlib.compress(plain, level: 1, into: &request.body)
                case .gzip: Gzip.compress(plain, level: 1, into: &request.body)
                case .zstd: Zstd.compress(plain, into: &request.body)
                case .none: request.body.append(contentsOf: plain)
                }
            }
        }
    }

    public func send(
        _ request: EncodedRequest, of chunk: Chunk, attempt: Int, over transport: HTTPTransport
    ) async -> Answer {
        // While it waited its oldest points became too old: they would be dropped, and taken for delivered.
        if age.isTooOld(request.earliest, now: time.wall()) {
            return .said(.encodeAnew(reason: "points became too old while they waited"))
        }
        guard let key = key(chunk.tenant) else {
            return .said(.hold(reason: "there is no API key for tenant \(chunk.tenant)"))
        }
        var headers = [(name: "Content-Type", value: "application/json"), (name: "DD-API-KEY", value: key.reveal)]
        if let coding = compression.header { headers.append((name: "Content-Encoding", value: coding)) }
        return await transport.perform(
            endpoint.post(request.body, to: endpoint.path("api/v2/series"), headers: headers))
    }

    // MARK: Back

    public func outcome(of answer: Answer, to request: EncodedRequest) -> DeliveryOutcome {
        HTTPOutcome.of(answer) { Self.outcome(of: $0, now: $1) }
    }

    /// 202 is all that it says of a success; what it drops afterwards it does not say.
    private static func outcome(of response: HTTPResponse, now: Int64) -> DeliveryOutcome {
        switch response.status {
        case 202:
            let errors = (try? JSONValue.parse(response.body, depth: 8, values: 4096))?["errors"]?.array ?? []
            return errors.isEmpty ? .delivered : HTTPOutcome.refused(response)
        case 200...299:
            return .hold(reason: "HTTP \(response.status) is no answer of Datadog\(HTTPOutcome.said(response))")
        case 400: return HTTPOutcome.refused(response)
        case 429:
            // Seconds until the limit is counted anew.
            let reset = response.headers["x-ratelimit-reset"].flatMap { Int64($0) }.map { max(0, min($0, 86_400)) }
            guard let reset, response.headers["retry-after"] == nil else {
                return HTTPOutcome.retry(response, now: now)
            }
            return .retry(after: .seconds(reset), reason: "HTTP 429\(HTTPOutcome.said(response))")
        case 401...407, 410, 413, 415: return HTTPOutcome.of(response, now: now)
        // Datadog's own senders drop nothing for any other.
        case 408...499: return HTTPOutcome.retry(response, now: now)
        default: return HTTPOutcome.of(response, now: now)
        }
    }
}
