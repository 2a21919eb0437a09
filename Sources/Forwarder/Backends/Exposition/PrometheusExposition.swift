import Metrics
import WALStore

/// A page of the node's own for each tenant, which a Prometheus scrapes: the newest value of each series.
///
/// Own keys: `expiry`, `max_series`, `timestamps`. A pull acknowledges nothing: what is on the page counts as delivered, and what
/// a newer value has taken the place of is excluded. Decision 0059.
public struct PrometheusExposition: Backend {
    public static let type = "prometheus_exposition"
    public let traits: BackendTraits
    public var oldPoints: String {
        "It has no past: what is older than expiry, or than what is on the page, is not shown."
    }

    private let name: String
    private let rules: ExpositionRules
    private let hasTimes: Bool
    private let board: ExpositionBoard
    private let time: TimeSource
    private let encoders = ScratchPool { ExpositionEncoder() }

    public init(name: String, settings: Settings) throws(SettingsError) {
        try self.init(name: name, settings: settings, environment: BackendEnvironment())
    }

    public static func make(
        name: String, settings: Settings, environment: BackendEnvironment
    ) throws(SettingsError) -> any Backend {
        try PrometheusExposition(name: name, settings: settings, environment: environment)
    }

    private init(name: String, settings: Settings, environment: BackendEnvironment) throws(SettingsError) {
        self.name = name
        rules = ExpositionRules(
            expiry: (try settings.duration("expiry") ?? .seconds(300)).wholeNanoseconds,
            maximumSeries: try settings.int("max_series", default: 50_000, in: 1...10_000_000))
        hasTimes = try settings.bool("timestamps", default: false)
        board = environment.board
        time = environment.time
        traits = try BackendTraits(keepsOrder: true, maximumPoints: 10_000, maximumBodyBytes: 16 << 20)
            .overridden(by: settings)
    }

    // MARK: In

    /// The body is what the lines are going to be.
    public func encode(_ chunk: Chunk, into request: inout EncodedRequest) {
        request.reset()
        let (shelf, now) = (board.shelf(name, chunk.tenant), time.wall())
        encoders.withScratch { encoder in
            // Not under its lock: whoever scrapes would wait.
            shelf.read(sweeping: (rules, now)) { ExposedPoints.choose(chunk, rules, now: now, encoder, $0, &request) }
        }
        for point in request.exposed {
            for line in point.lines { ExpositionPage.append(line, point.time, .text, to: &request.body) }
            if point.lines.isEmpty { request.body += Array("# end of ".utf8) + point.key + [UInt8(ascii: "\n")] }
        }
        request.rawBytes = request.body.count
    }

    public func send(
        _ request: EncodedRequest, of chunk: Chunk, attempt: Int, over transport: HTTPTransport
    ) async -> Answer {
        guard board.shelf(name, chunk.tenant).put(request.exposed, rules, now: time.wall()) else {
            return .said(.encodeAnew(reason: "another request took the places of some series"))
        }
        return .said(.delivered)
    }

    public func outcome(of answer: Answer, to request: EncodedRequest) -> DeliveryOutcome {
        switch answer {
        case .said(let outcome): outcome
        case .failure(let failure): .retry(after: nil, reason: failure.reason)
        case .response(let response): .retry(after: nil, reason: "HTTP \(response.status) from a page of our own")
        }
    }

    // MARK: Out

    /// What a scrape of `tenant`'s page gets now.
    public func page(of tenant: String, _ form: ExpositionPage.Form) -> ExpositionPage {
        board.shelf(name, tenant).read {
            ExpositionPage($0, form, rules, now: time.wall(), hasTimes: hasTimes)
        }
    }
}
