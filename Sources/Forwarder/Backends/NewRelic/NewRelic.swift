import Metrics
import WALStore

/// New Relic's Metric API.
///
/// Own keys: `region: us | eu` (or `url`, the whole address); `api_key` (a license key), or `api_keys` by tenant; `gzip`;
/// `counters: by_name | typed`; `query_key` with `account_id`, to read back what was dropped. The rest as in `HTTPEndpoint`. What a point
/// becomes is in `NewRelicMetrics.swift`.
/// <https://docs.newrelic.com/docs/data-apis/ingest-apis/metric-api/report-metrics-metric-api/>
public struct NewRelic: Backend {
    public static let type = "newrelic"
    public let traits: BackendTraits
    public var oldPoints: String { "It drops points older than 48 hours: they are dead letters, and are not sent." }

    enum Region: String, CaseIterable {
        case us
        case eu

        var host: String { self == .us ? "newrelic.com" : "eu.newrelic.com" }
    }

    private let name: String
    private let endpoint: HTTPEndpoint
    private let key: TenantSecret
    private let isCompressed: Bool
    private let counters: CounterRule
    private let age = PointAge(owner: "New Relic", oldest: .seconds(48 * 3600), ahead: .seconds(24 * 3600))
    private let errors: NewRelicErrors?
    private let environment: BackendEnvironment
    private let scratch = ScratchPool { NewRelicMetrics() }

    public init(name: String, settings: Settings) throws(SettingsError) {
        try self.init(name: name, settings: settings, environment: BackendEnvironment())
    }

    public static func make(
        name: String, settings: Settings, environment: BackendEnvironment
    ) throws(SettingsError) -> any Backend {
        try NewRelic(name: name, settings: settings, environment: environment)
    }

    private init(name: String, settings: Settings, environment: BackendEnvironment) throws(SettingsError) {
        self.name = name
        self.environment = environment
        let region: Region = try settings.choice("region", default: .us)
        endpoint = try HTTPEndpoint(
            settings, reserved: ["api-key", "x-license-key"], usual: "https://metric-api.\(region.host)/metric/v1")
        key = try TenantSecret(settings, "api_key", map: "api_keys")
        guard !key.isEmpty else {
            throw SettingsError("\(settings.path) needs api_key, or api_keys by tenant", line: settings.line)
        }
        isCompressed = try settings.bool("gzip", default: true)
        counters = try CounterRule(settings)
        errors = try Self.errors(settings, region)
        // A million bytes as they are sent. Nothing tells a copy: a request that is small doubles little.
        traits = try BackendTraits(
            // 100,000 payloads a minute and account.
            keepsOrder: true, maximumPoints: 2000, maximumBodyBytes: 1_000_000, requestsPerSecond: 1600,
            takesIncrements: true
        ).overridden(by: settings)
    }

    private static func errors(_ settings: Settings, _ region: Region) throws(SettingsError) -> NewRelicErrors? {
        let account = try settings.int("account_id", default: 0, in: 0...1 << 53)
        let url = try settings.string("query_url") ?? "https://api.\(region.host)/graphql"
        guard url.hasPrefix("https://") || url.hasPrefix("http://"), url.utf8.allSatisfy({ $0 > 32 && $0 != 127 })
        else {
            throw SettingsError(
                "\(settings.name(of: "query_url")) must begin with http:// or https://",
                line: settings.line(of: "query_url"))
        }
        guard let key = try settings.secret("query_key") else { return nil }
        guard account > 0 else {
            throw SettingsError(
                "\(settings.name(of: "query_key")) needs account_id", line: settings.line(of: "query_key"))
        }
        return NewRelicErrors(key: try HTTPEndpoint.usable(key, settings, "query_key"), account: account, url: url)
    }

    // MARK: Out

    public func counterKeys(of chunk: Chunk) -> [CounterKey] { NumberReader.keys(of: chunk, counters, .cumulative) }

    public func encode(_ chunk: Chunk, into request: inout EncodedRequest) {
        request.reset()
        let now = environment.time.wall()
        var reader = NumberReader(counters, .cumulative, age, now: now, book: chunk.counters)
        scratch.withScratch { metrics in
            // Inside the limit, so that the request may wait a while: it is the beginning that is held against it.
            metrics.begin(earliestStart: now - (Duration.seconds(48 * 3600 - 60)).wholeNanoseconds)
            for run in chunk.runs { metrics.append(chunk.pieces[run.piece].batch, run, &reader, into: &request) }
            request.counters = reader.book
            guard request.points > 0 else { return }
            metrics.finish()
            request.fill(metrics.body, isCompressed: isCompressed)
        }
    }

    public func send(
        _ request: EncodedRequest, of chunk: Chunk, attempt: Int, over transport: HTTPTransport
    ) async -> Answer {
        // While it waited its oldest points became too old: they would be dropped, and taken for delivered.
        if age.isTooOld(request.earliest, now: environment.time.wall()) {
            return .said(.encodeAnew(reason: "points became too old while they waited"))
        }
        guard let key = key(chunk.tenant) else {
            return .said(.hold(reason: "there is no API key for tenant \(chunk.tenant)"))
        }
        var headers = [(name: "Content-Type", value: "application/json"), (name: "Api-Key", value: key.reveal)]
        if isCompressed { headers.append((name: "Content-Encoding", value: "gzip")) }
        let answer = await transport.perform(endpoint.post(request.body, headers: headers))
        if case .response(let response) = answer, response.status == 202,
            let id = NewRelicAnswer.requestID(response)
        {
            await took(id, request, chunk, transport)
        }
        return answer
    }

    /// What it does with the request from here on, New Relic says under this id alone.
    private func took(_ id: String, _ request: EncodedRequest, _ chunk: Chunk, _ transport: HTTPTransport) async {
        environment.events(
            Event(
                .debug, "New Relic took a request",
                ["backend": name, "tenant": chunk.tenant, "request.id": id, "points": "\(request.points)"]))
        guard let errors else { return }
        errors.took(id)
        for error in await errors.ask(endpoint, now: environment.time.boot(), over: transport) {
            environment.events(
                Event(
                    .warning, "New Relic dropped points of a request that it had taken",
                    ["backend": name, "tenant": chunk.tenant, "request.id": error.request, "reason": error.words]))
        }
    }

    // MARK: Back

    public func outcome(of answer: Answer, to request: EncodedRequest) -> DeliveryOutcome {
        HTTPOutcome.of(answer) { NewRelicAnswer.outcome(of: $0, now: $1) }
    }
}
