import Metrics
import Synchronization

/// Datadog's metrics intake as far as `/api/v2/series` reaches: it answers 202 to what is well formed, and then drops, changes and
/// overwrites as the real one does, and tells afterwards what it has.
///
/// Rules and their sources: <https://docs.datadoghq.com/api/latest/metrics/#submit-metrics>,
/// <https://docs.datadoghq.com/metrics/custom_metrics/historical_metrics/>, <https://docs.datadoghq.com/getting_started/tagging/>.
public final class DatadogServer: Sendable {
    /// What tells its series apart.
    public struct Series: Sendable, Hashable {
        public var metric: String
        public var host: String?
        /// In order.
        public var tags: [String]

        public init(metric: String, host: String?, tags: [String]) {
            (self.metric, self.host, self.tags) = (metric, host, tags)
        }
    }

    public struct Point: Sendable, Equatable {
        public var value: Double
        /// 1 count, 3 gauge.
        public var type: Int64
        public var interval: Int64?

        public init(value: Double, type: Int64, interval: Int64? = nil) {
            (self.value, self.type, self.interval) = (value, type, interval)
        }
    }

    /// What a test may set, also while requests come in.
    public struct Behaviour: Sendable {
        public var keys: Set<String> = ["good"]
        /// Seconds since the epoch.
        public var now: Int64 = 1_790_000_100
        /// Metrics with Historical Metrics Ingestion.
        public var historical: Set<String> = []
        public var maximumBodyBytes = 512_000
        public var maximumRawBytes = 5_242_880
        /// Metrics for which a request is refused whole.
        public var refuses: Set<String> = []
        /// By a request's number: answered so instead.
        public var fault: @Sendable (Int) -> Fault? = { _ in nil }

        public init() {}
    }

    public enum Fault: Sendable {
        case answer(Int, headers: [(String, String)] = [], body: String = "{\"errors\":[\"words\"]}")
        /// The request is taken, and its answer does not arrive.
        case lostAnswer
    }

    struct State {
        var behaviour = Behaviour()
        var series: [Series: [Int64: Point]] = [:]
        var faults: [String] = []
        var dropped: [String] = []
        var changed: [String] = []
    }

    private let state = Mutex(State())
    private let http: HTTPTestServer

    public init(_ behaviour: Behaviour = Behaviour()) throws {
        http = try HTTPTestServer()
        state.withLock { $0.behaviour = behaviour }
        http.answer { [weak self] request, number in self?.answer(request, number) ?? .reset }
    }

    public var url: String { http.url }
    public var requests: [HTTPTestServer.Request] { http.requests }
    public func received(_ count: Int) async { await http.received(count) }
    public func stop() { http.stop() }
    public func change(_ change: @Sendable (inout Behaviour) -> Void) { state.withLock { change(&$0.behaviour) } }

    public var series: [Series: [Int64: Point]] { state.withLock { $0.series } }
    /// What a well-made sender never gets: requests refused as malformed.
    public var faults: [String] { state.withLock { $0.faults } }
    /// Answered with 202 and not kept.
    public var dropped: [String] { state.withLock { $0.dropped } }
    /// Names and tags that were not as it keeps them.
    public var changed: [String] { state.withLock { $0.changed } }
    /// Of all counts.
    public var countedInAll: Double {
        state.withLock {
            $0.series.values.reduce(0) { $0 + $1.values.reduce(0) { $0 + ($1.type == 1 ? $1.value : 0) } }
        }
    }

    // MARK: Requests

    private struct Refusal: Error {
        var status: Int
        var words: String
        init(_ status: Int, _ words: String) { (self.status, self.words) = (status, words) }
    }

    private func answer(_ request: HTTPTestServer.Request, _ number: Int) -> HTTPTestServer.Action {
        state.withLock { state in
            let fault = state.behaviour.fault(number)
            if case .answer(let status, let headers, let body) = fault {
                return .reply(status, headers: headers, body: Array(body.utf8))
            }
            do throws(Refusal) {
                try DatadogServer.take(request, &state)
                if case .lostAnswer = fault { return .reset }
                return .reply(
                    202, headers: [("Content-Type", "application/json")], body: Array("{\"errors\":[]}".utf8))
            } catch {
                if error.words != "refused" { state.faults.append("\(error.status): \(error.words)") }
                return .text(error.status, "{\"errors\":[\"\(error.words)\"]}")
            }
        }
    }

    private static func take(_ request: HTTPTestServer.Request, _ state: inout State) throws(Refusal) {
        guard request.path == "/api/v2/series" else { throw Refusal(404, "Not Found") }
        guard request.method == "POST" else { throw Refusal(405, "Method Not Allowed") }
        guard let key = request.headers["dd-api-key"] else { throw Refusal(401, "Unauthorized") }
        guard state.behaviour.keys.contains(key) else { throw Refusal(403, "Forbidden") }
        guard request.headers["content-type"] == "application/json" else { throw Refusal(415, "content type") }
        guard request.body.count <= state.behaviour.maximumBodyBytes else { throw Refusal(413, "Payload too large") }
        let body = try plain(request, state)
        guard let document = try? JSONValue.parse(body), let members = document.object, members.count == 1,
            let series = document["series"]?.array
        else { throw Refusal(400, "payload is not {\"series\":[...]}") }
        var all: [(Series, Int64, Point)] = []
        for one in series { all += try read(one, &state) }
        for (series, second, point) in all { keep(series, second, point, &state) }
    }

    private static func plain(_ request: HTTPTestServer.Request, _ state: State) throws(Refusal) -> [UInt8] {
        let codings: [String: ContentCoding] = ["deflate": .deflate, "gzip": .gzip, "zstd1": .zstd, "": .identity]
        guard let coding = codings[request.headers["content-encoding"] ?? ""] else {
            throw Refusal(415, "content encoding")
        }
        do throws(WireError) {
            return try request.plainBody(coding, limit: state.behaviour.maximumRawBytes)
        } catch {
            throw error.code == .tooLarge ? Refusal(413, "Payload too large") : Refusal(400, "not in its coding")
        }
    }

    private static func read(_ one: JSONValue, _ state: inout State) throws(Refusal) -> [(Series, Int64, Point)] {
        guard let members = one.object else { throw Refusal(400, "a series is no object") }
        let known = [
            "metric", "type", "interval", "unit", "source_type_name", "points", "resources", "tags", "metadata",
        ]
        if let odd = members.first(where: { !known.contains($0.key) }) { throw Refusal(400, "unknown \(odd.key)") }
        guard let metric = one["metric"]?.string, !metric.isEmpty else { throw Refusal(400, "metric is missing") }
        if state.behaviour.refuses.contains(metric) { throw Refusal(400, "refused") }
        guard case .int(let type)? = one["type"], (0...3).contains(type) else { throw Refusal(400, "type") }
        let interval = one["interval"]?.int
        if type == 1 || type == 2 {
            guard let interval, interval > 0 else { throw Refusal(400, "interval of a count") }
        }
        var series = Series(metric: metric, host: nil, tags: [])
        for resource in one["resources"]?.array ?? [] {
            guard let kind = resource["type"]?.string, let name = resource["name"]?.string else {
                throw Refusal(400, "resource")
            }
            if kind == "host" { series.host = name } else { series.tags.append("\(kind):\(name)") }
        }
        for tag in one["tags"]?.array ?? [] {
            guard let tag = tag.string else { throw Refusal(400, "tag") }
            series.tags.append(tag)
        }
        guard let points = one["points"]?.array, !points.isEmpty else { throw Refusal(400, "points") }
        var all: [(Series, Int64, Point)] = []
        for point in points {
            guard point.object?.count == 2, case .int(let second)? = point["timestamp"],
                let value = point["value"]?.double,
                value.isFinite
            else { throw Refusal(400, "point") }
            all.append((series, second, Point(value: value, type: type, interval: interval)))
        }
        return all
    }

    // MARK: Afterwards

    private static func keep(_ series: Series, _ second: Int64, _ point: Point, _ state: inout State) {
        let now = state.behaviour.now
        var kept = series
        kept.metric = name(series.metric)
        kept.tags = series.tags.map(tag).sorted()
        if kept.metric != series.metric { state.changed.append(series.metric) }
        for tag in series.tags where self.tag(tag) != tag { state.changed.append(tag) }
        guard series.metric.utf8.count <= 200 else { return state.dropped.append("\(series.metric): its name") }
        guard second <= now + 600 else { return state.dropped.append("\(series.metric) at \(second): ahead") }
        guard second >= now - 3600 || state.behaviour.historical.contains(kept.metric) else {
            return state.dropped.append("\(series.metric) at \(second): old")
        }
        state.series[kept, default: [:]][second] = point
    }

    /// ASCII, a letter first.
    private static func name(_ name: String) -> String {
        let kept = String(
            name.unicodeScalars.map { scalar in
                let isKept =
                    scalar.isASCII && (scalar.properties.isAlphabetic || "0123456789_.".unicodeScalars.contains(scalar))
                return isKept ? Character(scalar) : "_"
            })
        return String(kept.drop { !$0.isLetter })
    }

    private static func tag(_ tag: String) -> String {
        let kept = String(
            tag.lowercased().unicodeScalars.map { scalar in
                let isKept =
                    scalar.properties.isAlphabetic || scalar.properties.numericType != nil
                    || "_-:./".unicodeScalars.contains(scalar)
                return isKept ? Character(scalar) : "_"
            }.drop { !$0.isLetter }.prefix(200))
        return kept.hasSuffix(":") ? String(kept.dropLast()) : kept
    }
}
