import Metrics
import Synchronization

/// New Relic's Metric API, and as much of NerdGraph as tells what it dropped: it answers 202 to what is well formed, drops what it does not
/// keep without a word, and adds up what comes twice.
///
/// Rules and their sources: <https://docs.newrelic.com/docs/data-apis/ingest-apis/metric-api/report-metrics-metric-api/>,
/// <https://docs.newrelic.com/docs/data-apis/ingest-apis/metric-api/metric-api-limits-restricted-attributes/>.
public final class NewRelicServer: Sendable {
    public struct Metric: Sendable, Equatable {
        public var name: String
        public var type: String
        /// Of a summary its sum.
        public var value: Double
        public var count: Double?
        public var milliseconds: Int64
        public var interval: Int64?
        public var attributes: [String: String]
    }

    /// What a test may set, also while requests come in.
    public struct Behaviour: Sendable {
        public var keys: Set<String> = ["good"]
        /// Seconds since the epoch.
        public var now: Int64 = 1_790_000_100
        public var maximumBodyBytes = 1_000_000
        /// Metrics for which a request is refused whole.
        public var refuses: Set<String> = []
        /// Metrics that are dropped after the 202, with an event in the account.
        public var dropsLater: Set<String> = []
        public var queryKey = "user"
        /// By a request's number: answered so instead.
        public var fault: @Sendable (Int) -> (status: Int, headers: [(String, String)], body: String)? = { _ in nil }

        public init() {}
    }

    struct State {
        var behaviour = Behaviour()
        var metrics: [Metric] = []
        var requestIDs: [String] = []
        var faults: [String] = []
        var dropped: [String] = []
        /// Request ids with what is said of them.
        var events: [(String, String)] = []
        var queries: [String] = []
    }

    private let state = Mutex(State())
    private let http: HTTPTestServer

    public init(_ behaviour: Behaviour = Behaviour()) throws {
        http = try HTTPTestServer()
        state.withLock { $0.behaviour = behaviour }
        http.answer { [weak self] request, number in self?.answer(request, number) ?? .reset }
    }

    public var url: String { http.url + "/metric/v1" }
    public var queryURL: String { http.url + "/graphql" }
    public var requests: [HTTPTestServer.Request] { http.requests }
    public func received(_ count: Int) async { await http.received(count) }
    public func stop() { http.stop() }
    public func change(_ change: @Sendable (inout Behaviour) -> Void) { state.withLock { change(&$0.behaviour) } }

    /// What it kept, in order; twice what came twice.
    public var metrics: [Metric] { state.withLock { $0.metrics } }
    public var requestIDs: [String] { state.withLock { $0.requestIDs } }
    /// What a well-made sender never gets: requests refused as malformed.
    public var faults: [String] { state.withLock { $0.faults } }
    /// Answered with 202 and not kept.
    public var dropped: [String] { state.withLock { $0.dropped } }
    public var queries: [String] { state.withLock { $0.queries } }
    /// Of all counts.
    public var countedInAll: Double {
        state.withLock { $0.metrics.reduce(0) { $0 + ($1.type == "count" ? $1.value : 0) } }
    }

    // MARK: Requests

    private struct Refusal: Error {
        var status: Int
        var words: String
        init(_ status: Int, _ words: String) { (self.status, self.words) = (status, words) }
    }

    private func answer(_ request: HTTPTestServer.Request, _ number: Int) -> HTTPTestServer.Action {
        state.withLock { state in
            if request.path == "/graphql" { return NewRelicServer.query(request, &state) }
            if let fault = state.behaviour.fault(number) {
                return .reply(fault.status, headers: fault.headers, body: Array(fault.body.utf8))
            }
            do throws(Refusal) {
                let id = "0a1b2c3d-0000-4000-8000-" + String(1_000_000_000_000 + state.requestIDs.count).suffix(12)
                try NewRelicServer.take(request, id, &state)
                state.requestIDs.append(id)
                return .reply(
                    202, headers: [("Content-Type", "application/json")], body: Array("{\"requestId\":\"\(id)\"}".utf8))
            } catch {
                if error.words != "refused" { state.faults.append("\(error.status): \(error.words)") }
                return .text(error.status, "{\"error\":{\"message\":\"\(error.words)\"}}")
            }
        }
    }

    private static func take(_ request: HTTPTestServer.Request, _ id: String, _ state: inout State) throws(Refusal) {
        guard request.path == "/metric/v1" else { throw Refusal(404, "Not Found") }
        guard request.method == "POST" else { throw Refusal(405, "Method Not Allowed") }
        guard let key = request.headers["api-key"], state.behaviour.keys.contains(key) else {
            throw Refusal(403, "Forbidden")
        }
        guard request.headers["content-type"] == "application/json" else { throw Refusal(415, "content type") }
        guard request.headers["content-length"] != nil else { throw Refusal(411, "length") }
        guard request.body.count <= state.behaviour.maximumBodyBytes else { throw Refusal(413, "Payload too large") }
        guard let coding = ContentCoding(header: request.headers["content-encoding"]),
            coding == .gzip || coding == .identity
        else { throw Refusal(415, "content encoding") }
        guard let body = try? request.plainBody(coding, limit: 64 << 20), let document = try? JSONValue.parse(body),
            let blocks = document.array
        else { throw Refusal(400, "the body is no array") }
        var all: [Metric] = []
        for block in blocks { all += try read(block, state) }
        for metric in all { keep(metric, id, &state) }
    }

    private static func read(_ block: JSONValue, _ state: State) throws(Refusal) -> [Metric] {
        guard let members = block.object, members.allSatisfy({ ["common", "metrics"].contains($0.key) }),
            let metrics = block["metrics"]?.array
        else { throw Refusal(400, "a block is {common, metrics}") }
        let common = try attributes(block["common"]?["attributes"])
        var all: [Metric] = []
        for metric in metrics {
            let known = ["name", "type", "value", "timestamp", "interval.ms", "attributes"]
            guard let members = metric.object, members.allSatisfy({ known.contains($0.key) }) else {
                throw Refusal(400, "a metric has an unknown key")
            }
            guard let name = metric["name"]?.string, !name.isEmpty else { throw Refusal(400, "name") }
            if state.behaviour.refuses.contains(name) { throw Refusal(400, "refused") }
            guard case .int(let time)? = metric["timestamp"] else { throw Refusal(400, "timestamp") }
            let type = metric["type"]?.string ?? "gauge"
            let interval = metric["interval.ms"]?.int
            if type != "gauge" {
                guard let interval, interval > 0 else { throw Refusal(400, "interval.ms of a \(type)") }
            }
            var found = Metric(
                name: name, type: type, value: 0, count: nil, milliseconds: time, interval: interval,
                attributes: common.merging(try attributes(metric["attributes"])) { $1 })
            switch type {
            case "gauge", "count":
                guard let value = metric["value"]?.double else { throw Refusal(400, "value") }
                found.value = value
            case "summary":
                guard let value = metric["value"], let count = value["count"]?.double, let sum = value["sum"]?.double,
                    value["min"]?.double != nil, value["max"]?.double != nil, value.object?.count == 4
                else { throw Refusal(400, "value of a summary") }
                (found.value, found.count) = (sum, count)
            default: throw Refusal(400, "type")
            }
            all.append(found)
        }
        return all
    }

    private static func attributes(_ value: JSONValue?) throws(Refusal) -> [String: String] {
        var all: [String: String] = [:]
        guard let value else { return all }
        guard let members = value.object else { throw Refusal(400, "attributes") }
        for member in members {
            switch member.value {
            case .string(let text): all[member.key] = text
            case .int(let number): all[member.key] = "\(number)"
            case .double(let number): all[member.key] = "\(number)"
            case .bool(let flag): all[member.key] = "\(flag)"
            default: throw Refusal(400, "attribute \(member.key)")
            }
        }
        return all
    }

    // MARK: Afterwards

    private static let reserved: Set<String> = [
        "interval.ms", "timestamp", "value", "common", "min", "max", "count", "sum", "metrics", "newrelic.source",
        "metricName", "endTimestamp", "entity.guid", "entity.name", "entity.type", "accountId", "appId", "eventType",
    ]

    private static func keep(_ metric: Metric, _ id: String, _ state: inout State) {
        let second = metric.milliseconds / 1000
        var fault: String?
        if second < state.behaviour.now - 48 * 3600 { fault = "old" }
        if second > state.behaviour.now + 24 * 3600 { fault = "ahead" }
        if metric.name.count >= 255 { fault = "its name" }
        if metric.attributes.count > 150 { fault = "attributes" }
        for (key, value) in metric.attributes {
            let isSound = key.unicodeScalars.allSatisfy {
                $0.isASCII && ($0.properties.isAlphabetic || "0123456789:._".unicodeScalars.contains($0))
            }
            if !isSound || key.count >= 255 || value.count > 4096 || reserved.contains(key) || key == metric.name {
                fault = "attribute \(key)"
            }
        }
        if state.behaviour.dropsLater.contains(metric.name) {
            state.events.append((id, "\(metric.name) is beyond a limit"))
            fault = "later"
        }
        if let fault { return state.dropped.append("\(metric.name): \(fault)") }
        state.metrics.append(metric)
    }

    private static func query(_ request: HTTPTestServer.Request, _ state: inout State) -> HTTPTestServer.Action {
        guard request.headers["api-key"] == state.behaviour.queryKey else { return .text(401, "{}") }
        guard let query = (try? JSONValue.parse(request.body))?["query"]?.string else { return .text(400, "{}") }
        state.queries.append(query)
        var json = JSONWriter()
        json.beginObject()
        for key in ["data", "actor", "account", "nrql"] { json.beginObject(key) }
        json.beginArray("results")
        for (id, words) in state.events {
            json.beginObject()
            json.member("category", "RateLimit")
            json.member("message", words)
            json.member("requestId", id)
            json.end()
        }
        for _ in 0..<6 { json.end() }
        return .reply(200, headers: [("Content-Type", "application/json")], body: json.bytes)
    }
}
