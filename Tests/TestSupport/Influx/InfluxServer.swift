import Metrics
import Synchronization

/// An InfluxDB 2 or 3 as far as its write endpoint reaches: it refuses what the real one refuses, in its words, keeps the
/// points that it took, and never says more of the others than the real one does.
///
/// <https://docs.influxdata.com/influxdb/v2/write-data/troubleshoot/>,
/// <https://docs.influxdata.com/influxdb3/core/write-data/http-api/v3-write-lp/>
public final class InfluxServer: Sendable {
    public enum Generation: Sendable { case v2, v3 }

    /// What a test may set, also while requests come in.
    public struct Behaviour: Sendable {
        public var token = "t0k"
        /// The bucket, or the database.
        public var target = "metrics"
        /// Nanoseconds; older points are dropped.
        public var oldest = Int64.min
        /// `max-http-request-size` of version 3, of the body as it is unpacked.
        public var maximumBytes = 10_485_760
        /// Whether version 3 takes the rest of a request with bad lines; by the request's `accept_partial` too.
        public var acceptsPartial = true
        public init() {}
    }

    struct State {
        var behaviour = Behaviour()
        var points: [String: InfluxLine] = [:]
        /// The type of each field, by measurement and name: that of its first point.
        var fields: [String: InfluxLine.Field] = [:]
        var faults: [String] = []
        /// Statuses, in the order they were answered.
        var statuses: [Int] = []
    }

    private let generation: Generation
    private let http: HTTPTestServer
    private let state = Mutex(State())

    public init(_ generation: Generation, _ behaviour: Behaviour = Behaviour()) throws {
        self.generation = generation
        http = try HTTPTestServer()
        state.withLock { $0.behaviour = behaviour }
        http.answer { [weak self] request, _ in self?.answer(request) ?? .reset }
    }

    public var url: String { http.url }
    public func stop() { http.stop() }
    public func change(_ change: @Sendable (inout Behaviour) -> Void) { state.withLock { change(&$0.behaviour) } }
    public var points: [InfluxLine] { state.withLock { Array($0.points.values) } }
    public var statuses: [Int] { state.withLock { $0.statuses } }
    /// What a well-made sender never does.
    public var faults: [String] { state.withLock { $0.faults } }

    /// Gives a field its type.
    public func define(_ measurement: String, _ field: String, _ type: InfluxLine.Field) {
        state.withLock { $0.fields["\(measurement) \(field)"] = type }
    }

    // MARK: Requests

    private struct Reply: Error {
        var status: Int
        var body: JSONValue = .null
    }

    private func answer(_ request: HTTPTestServer.Request) -> HTTPTestServer.Action {
        state.withLock { state in
            let reply: Reply
            do throws(Reply) {
                let lines = try lines(of: request, &state)
                switch generation {
                case .v2: reply = second(lines, &state)
                case .v3: reply = third(lines, request, &state)
                }
            } catch { reply = error }
            state.statuses.append(reply.status)
            if reply.body == .null { return .reply(reply.status) }
            var json = JSONWriter()
            json.value(reply.body)
            return .reply(reply.status, headers: [("Content-Type", "application/json")], body: json.bytes)
        }
    }

    private func lines(
        of request: HTTPTestServer.Request, _ state: inout State
    ) throws(Reply) -> [ArraySlice<UInt8>] {
        let parts = request.target.split(separator: "?", maxSplits: 1)
        var query: [String: String] = [:]
        for pair in (parts.count > 1 ? parts[1] : "").split(separator: "&") {
            let sides = pair.split(separator: "=", maxSplits: 1)
            query[String(sides[0])] = sides.count > 1 ? String(sides[1]) : ""
        }
        let isSecond = generation == .v2
        let path = isSecond ? "/api/v2/write" : "/api/v3/write_lp"
        let target = isSecond ? "bucket" : "db"
        let precisions =
            isSecond ? ["ns", "us", "ms", "s"] : ["nanosecond", "microsecond", "millisecond", "second"]
        let scheme = isSecond ? "Token" : "Bearer"
        func fault(_ status: Int, _ text: String) -> Reply {
            state.faults.append(text)
            return Reply(status: status, body: words(text))
        }
        func words(_ text: String) -> JSONValue {
            isSecond
                ? .object([.init("code", .string("invalid")), .init("message", .string(text))])
                : .object([.init("error", .string(text))])
        }
        guard request.method == "POST", parts[0] == path else { throw fault(404, "nothing at \(request.target)") }
        guard request.headers["authorization"] == "\(scheme) \(state.behaviour.token)" else {
            throw Reply(status: 401, body: words("unauthorized access"))
        }
        guard query["precision"].map({ precisions.contains($0) }) == true else {
            throw fault(400, "precision is not said: \(request.target)")
        }
        guard query[target] == state.behaviour.target else { throw Reply(status: 404, body: words("not found")) }
        let limit = state.behaviour.maximumBytes
        guard let plain = InfluxServer.plain(request, limit: limit), plain.count <= limit else {
            throw Reply(status: 413)
        }
        return plain.split(separator: 10)
    }

    private static func plain(_ request: HTTPTestServer.Request, limit: Int) -> [UInt8]? {
        guard request.headers["content-encoding"] == "gzip" else { return request.body }
        var decompressor = Decompressor(.gzip, limit: limit)
        var plain: [UInt8] = []
        do {
            try request.body.withUnsafeBytes { try decompressor.feed($0, into: &plain) }
            try decompressor.finish(into: &plain)
        } catch { return nil }
        return plain
    }

    // MARK: Version 2

    /// A line that cannot be parsed refuses the request, and is the only one that is named; of those that cannot be stored
    /// the first is, and how many there are.
    private func second(_ lines: [ArraySlice<UInt8>], _ state: inout State) -> Reply {
        var read: [InfluxLine] = []
        for line in lines {
            do throws(InfluxLine.Refusal) { read.append(try InfluxLine(line)) } catch {
                let words = "unable to parse '\(String(decoding: line, as: UTF8.self))': \(error.words)"
                return Reply(
                    status: 400, body: .object([.init("code", "invalid"), .init("message", .string(words))]))
            }
        }
        let young = read.filter { $0.time >= state.behaviour.oldest }
        var reasons: [String] = []
        for line in young {
            if let conflict = conflict(line, state) { reasons.append(conflict) } else { store(line, &state) }
        }
        var words = "failure writing points to database: partial write: "
        if let first = reasons.first {
            words += "\(first) dropped=\(reasons.count)"
        } else if young.count < read.count {
            words += "points beyond retention policy dropped=\(read.count - young.count)"
        } else {
            return Reply(status: 204)
        }
        return Reply(
            status: 422,
            body: .object([.init("code", "unprocessable entity"), .init("message", .string(words))]))
    }

    private func conflict(_ line: InfluxLine, _ state: State) -> String? {
        for (name, type) in line.fields {
            if let known = state.fields["\(line.measurement) \(name)"], known != type {
                return "field type conflict: input field \"\(name)\" on measurement \"\(line.measurement)\" is type "
                    + "\(type), already exists as type \(known)"
            }
        }
        return nil
    }

    private func store(_ line: InfluxLine, _ state: inout State) {
        for (name, type) in line.fields { state.fields["\(line.measurement) \(name)"] = type }
        state.points[line.identity, default: line].fields.merge(line.fields) { $1 }
    }

    // MARK: Version 3

    /// Each line by itself, with its number and text where it is refused; a hundred of them are named at most.
    private func third(
        _ lines: [ArraySlice<UInt8>], _ request: HTTPTestServer.Request, _ state: inout State
    ) -> Reply {
        let before = state
        var refused: [JSONValue] = []
        for (index, text) in lines.enumerated() {
            var fault: String?
            do throws(InfluxLine.Refusal) {
                let line = try InfluxLine(text)
                fault = conflict(line, state) ?? columns(line)
                if line.time < state.behaviour.oldest { fault = "point is beyond the retention period" }
                if fault == nil { store(line, &state) }
            } catch { fault = error.words }
            guard let fault else { continue }
            refused.append(
                .object([
                    .init("original_line", .string(String(decoding: text, as: UTF8.self))),
                    .init("line_number", .int(Int64(index + 1))), .init("error_message", .string(fault)),
                ]))
        }
        guard let first = refused.first else { return Reply(status: 204) }
        if !state.behaviour.acceptsPartial || request.target.contains("accept_partial=false") {
            state.points = before.points
            state.fields = before.fields
            return Reply(
                status: 400,
                body: .object([.init("error", "parsing failed for write_lp endpoint"), .init("data", first)]))
        }
        return Reply(
            status: 400,
            body: .object([
                .init("error", "partial write of line protocol occurred"),
                .init("data", .array(Array(refused.prefix(100)))),
            ]))
    }

    /// A column of a table is a tag or a field.
    private func columns(_ line: InfluxLine) -> String? {
        line.fields.keys.first { line.tags[$0] != nil }.map { "column \($0) is a tag and a field" }
    }
}
