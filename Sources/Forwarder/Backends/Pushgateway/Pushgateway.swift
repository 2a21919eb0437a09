import Metrics
import WALStore

/// Prometheus' Pushgateway: a place that shows the newest value of each series, and has no past.
///
/// A group for each tenant. Own keys: `job`, `grouping` (labels of the group; both may hold `{tenant}`), `newest_within`,
/// `max_series`, `own_metrics`, `gzip`; the rest as in `HTTPEndpoint`. `url` is the gateway's address.
/// <https://github.com/prometheus/pushgateway#api>, decision 0052.
public struct Pushgateway: Backend {
    public static let type = "prometheus_pushgateway"
    public let traits: BackendTraits
    public var oldPoints: String { "It has no past: what is older than newest_within is not pushed." }

    /// Why a point is not pushed.
    enum Exclusion: String {
        case superseded = "a newer value of its series is in the request"
        case pushed = "a newer value of its series was pushed"
        case past = "older than newest_within"
        case ahead = "ahead of this node's clock by more than newest_within"
        case own = "the gateway has a metric of this name itself"
        case tooMany = "more series than max_series"
    }

    private let endpoint: HTTPEndpoint
    private let group: PushGroup
    /// Nanoseconds; 0: whatever its age.
    private let newestWithin: Int64
    private let maximumSeries: Int
    private let own: [[UInt8]]
    private let isCompressed: Bool
    private let pushed = PushedSeries()
    private let time: TimeSource
    private let scratch = ScratchPool { PushBody() }

    public init(name: String, settings: Settings) throws(SettingsError) {
        try self.init(name: name, settings: settings, environment: BackendEnvironment())
    }

    public static func make(
        name: String, settings: Settings, environment: BackendEnvironment
    ) throws(SettingsError) -> any Backend {
        try Pushgateway(name: name, settings: settings, environment: environment)
    }

    private init(name: String, settings: Settings, environment: BackendEnvironment) throws(SettingsError) {
        endpoint = try HTTPEndpoint(settings, reserved: [])
        try endpoint.refuseQuery(settings, in: "the gateway's")
        group = try PushGroup(settings)
        newestWithin = (try settings.duration("newest_within") ?? .seconds(300)).wholeNanoseconds
        maximumSeries = try settings.int("max_series", default: 50_000, in: 1...10_000_000)
        let own = settings.has("own_metrics") ? try settings.strings("own_metrics") : Self.usualOwn
        self.own = own.map { Array($0.utf8) }
        isCompressed = try settings.bool("gzip", default: true)
        time = environment.time
        // One push of a group after the other: a POST replaces the families that are in it.
        traits = try BackendTraits(
            keepsOrder: true, maximumPoints: 10_000, maximumBodyBytes: 3 << 20
        ).overridden(by: settings)
    }

    /// Beginnings of names. The gateway shows its own metrics on the same page, and refuses whatever has the name of one with
    /// another type or another help; every program in Go that is scraped has the first two.
    private static let usualOwn = [
        "go_", "process_", "promhttp_", "pushgateway_", "push_time_seconds", "push_failure_time_seconds",
    ]

    // MARK: Out

    public func encode(_ chunk: Chunk, into request: inout EncodedRequest) {
        request.reset()
        let wall = time.wall()
        let times = newestWithin == 0 ? Int64.min...Int64.max : wall - newestWithin...wall + newestWithin
        scratch.withScratch { scratch in
            scratch.begin(group, own)
            pushed.read(chunk.tenant) { known in
                scratch.take(chunk, times, known, maximumSeries, &request)
                guard request.points > 0 else { return }
                scratch.render(known, wall: wall, newestWithin)
            }
            guard request.points > 0 else { return }
            request.pushed = scratch.samples
            request.rawBytes = scratch.body.count
            request.isSmallerWithFewerPoints = !scratch.isMostlyOthers
            if isCompressed {
                scratch.body.withUnsafeBytes { Gzip.compress($0, level: 1, into: &request.body) }
            } else {
                request.body.append(contentsOf: scratch.body)
            }
        }
    }

    public func send(
        _ request: EncodedRequest, of chunk: Chunk, attempt: Int, over transport: HTTPTransport
    ) async -> Answer {
        // Whatever is said here, the gateway reads the text format.
        var headers = [(name: "Content-Type", value: "text/plain; version=0.0.4; charset=utf-8")]
        if isCompressed { headers.append((name: "Content-Encoding", value: "gzip")) }
        let answer = await transport.perform(
            endpoint.post(request.body, to: endpoint.path(group.path(chunk.tenant)), headers: headers))
        if answer.isTaken {
            pushed.add(
                request.pushed, chunk.tenant, wall: time.wall(), newestWithin: newestWithin,
                maximumSeries: maximumSeries)
        }
        return answer
    }

    // MARK: Back

    /// 400 names one family at fault, not the points of ours that are in it: they are looked for.
    public func outcome(of answer: Answer, to request: EncodedRequest) -> DeliveryOutcome {
        let outcome = HTTPOutcome.of(answer) { HTTPOutcome.of($0, now: $1) }
        guard case .tooLarge = outcome, !request.isSmallerWithFewerPoints else { return outcome }
        return .hold(
            reason: "a push of \(request.rawBytes) bytes is too large, most of it the other series of its families: "
                + "lower max_series or raise the limit")
    }
}
