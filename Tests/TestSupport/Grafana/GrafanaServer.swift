import Foundation
import Metrics
import Synchronization

/// Grafana's HTTP API as far as folders, data sources, dashboards and provisioned alert rules reach: it refuses what the real one
/// refuses, takes what the real one takes although nobody wants it, and keeps count of what was written.
///
/// <https://grafana.com/docs/grafana/latest/developers/http_api/>; what is of one kind stands in a file of its own.
public final class GrafanaServer: Sendable {
    /// What a test may set, also while requests come in.
    public struct Behaviour: Sendable {
        public var tokens: Set<String> = ["good"]
        /// May read.
        public var viewers: Set<String> = ["viewer"]
        /// May see and write all but data sources.
        public var editors: Set<String> = ["editor"]
        public var password = "secret"
        public var organisations: Set<String> = ["1"]
        /// What it is served below, as `/grafana`.
        public var basePath = ""
        /// Uids that are there, and not to be seen by us: 403.
        public var hidden: Set<String> = []
        /// Uids of what came from a file.
        public var provisioned: Set<String> = []
        /// Folders of one title are refused, with 412; a rule whose uid or title is taken with 400; nothing is counted.
        public var isOld = false
        /// What dashboards are raised to while they are stored, as from 12 on; nil: they stay as they came.
        public var schemaVersion: Int64?
        /// By a request's number: answered so instead.
        public var fault: @Sendable (Int) -> Fault? = { _ in nil }

        public init() {}
    }

    public enum Fault: Sendable {
        case answer(Int, headers: [(String, String)] = [], body: String = "{\"message\":\"words\"}")
        /// The request is carried out, and its answer does not arrive.
        case lostAnswer
        /// Somebody else saves the thing of this uid just before.
        case overtaken(String)
    }

    struct State {
        var behaviour = Behaviour()
        var folders: [String: JSONValue] = [:]
        var sources: [String: JSONValue] = [:]
        /// `{dashboard, folderUid}`
        var dashboards: [String: JSONValue] = [:]
        var rules: [String: JSONValue] = [:]
        /// Values of data sources, by uid and name.
        var secrets: [String: [String: String]] = [:]
        var writes: [String] = []
        var faults: [String] = []
        var number: Int64 = 0
        var frames: [String: [Frame]] = [:]
    }

    /// What a channel of Grafana Live was sent at a time.
    public struct Frame: Sendable, Equatable {
        /// Nanoseconds since the epoch.
        public var time: Int64
        public var value: Double

        public init(time: Int64, value: Double) { (self.time, self.value) = (time, value) }
    }

    struct Refusal: Error {
        var status: Int
        var message: String
        var reason: String?
        /// A well-made client gets this one too.
        var isExpected: Bool

        init(_ status: Int, _ message: String, reason: String? = nil, isExpected: Bool = false) {
            self.status = status
            self.message = message
            self.reason = reason
            self.isExpected = isExpected
        }
    }

    /// Who asks.
    enum Role: Comparable { case viewer, editor, admin }

    private let state = Mutex(State())
    private let http: HTTPTestServer

    public init(_ behaviour: Behaviour = Behaviour()) throws {
        http = try HTTPTestServer()
        state.withLock { $0.behaviour = behaviour }
        http.answer { [weak self] request, number in self?.answer(request, number) ?? .reset }
    }

    public var url: String { http.url + state.withLock { $0.behaviour.basePath } }
    public var requests: [HTTPTestServer.Request] { http.requests }
    public func stop() { http.stop() }
    public func change(_ change: @Sendable (inout Behaviour) -> Void) { state.withLock { change(&$0.behaviour) } }

    // MARK: What is in it

    public var folders: [String: JSONValue] { state.withLock { $0.folders } }
    public var sources: [String: JSONValue] { state.withLock { $0.sources } }
    public var dashboards: [String: JSONValue] { state.withLock { $0.dashboards } }
    public var rules: [String: JSONValue] { state.withLock { $0.rules } }
    public var secrets: [String: [String: String]] { state.withLock { $0.secrets } }
    /// By channel, in the order in which they came.
    public var frames: [String: [Frame]] { state.withLock { $0.frames } }
    /// Each as `POST /api/folders`, carried out.
    public var writes: [String] { state.withLock { $0.writes } }
    /// What a well-made client never gets.
    public var faults: [String] { state.withLock { $0.faults } }

    /// What somebody else put there.
    public func put(folder uid: String, title: String, parent: String? = nil) {
        state.withLock {
            $0.folders[uid] = .map([
                "uid": .string(uid), "title": .string(title), "version": 1, "parentUid": parent.map { .string($0) },
            ])
        }
    }

    public func put(source uid: String, _ document: JSONValue) {
        state.withLock { $0.sources[uid] = document.with("uid", .string(uid)).with("version", 1) }
    }

    public func put(dashboard uid: String, _ document: JSONValue, folder: String) {
        state.withLock {
            $0.dashboards[uid] = .map([
                "dashboard": document.with("uid", .string(uid)).with("version", 1), "folderUid": .string(folder),
            ])
        }
    }

    public func put(rule uid: String, _ document: JSONValue) {
        state.withLock { $0.rules[uid] = document.with("uid", .string(uid)) }
    }

    // MARK: Requests

    private func answer(_ request: HTTPTestServer.Request, _ number: Int) -> HTTPTestServer.Action {
        state.withLock { state in
            let fault = state.behaviour.fault(number)
            if case .answer(let status, let headers, let body) = fault {
                return .reply(status, headers: headers, body: Array(body.utf8))
            }
            if case .overtaken(let uid) = fault { GrafanaServer.touch(uid, &state) }
            let action: HTTPTestServer.Action
            do throws(Refusal) {
                let (status, body) = try GrafanaServer.take(request, &state)
                action = .reply(
                    status, headers: [("Content-Type", "application/json")],
                    body: status == 204 ? [] : Array(body.rendered.utf8))
            } catch {
                if !error.isExpected {
                    state.faults.append("\(request.method) \(request.target) \(error.status): \(error.message)")
                }
                let body = JSONValue.map([
                    "message": .string(error.message), "status": error.reason.map { .string($0) },
                ])
                action = .reply(error.status, body: Array(body.rendered.utf8))
            }
            if case .lostAnswer = fault { return .reset }
            return action
        }
    }

    /// A save by somebody else: the version rises, and a word of theirs is in it.
    private static func touch(_ uid: String, _ state: inout State) {
        func raised(_ document: JSONValue) -> JSONValue {
            document.with("version", .int((document["version"]?.int ?? 0) + 1)).with("description", "theirs")
        }
        if let folder = state.folders[uid] { state.folders[uid] = raised(folder) }
        if let source = state.sources[uid] { state.sources[uid] = raised(source) }
        if let dashboard = state.dashboards[uid] {
            state.dashboards[uid] = dashboard.with("dashboard", raised(dashboard["dashboard"] ?? .null))
        }
    }

    private static func take(
        _ request: HTTPTestServer.Request, _ state: inout State
    ) throws(Refusal) -> (Int, JSONValue) {
        // Asked by load balancers, who are nobody.
        if request.path == state.behaviour.basePath + "/api/health" {
            return (200, .map(["database": "ok", "version": "12.0.0"]))
        }
        let role = try role(request, state.behaviour)
        guard request.path.hasPrefix(state.behaviour.basePath) else { throw Refusal(404, "Not found") }
        let path = request.path.dropFirst(state.behaviour.basePath.count)
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst().map(String.init)
        let isWrite = request.method != "GET"
        if isWrite, role == .viewer { throw Refusal(403, "You'll need additional permissions", isExpected: true) }
        if parts.starts(with: ["api", "live", "push"]) {
            try push(request, Array(parts.dropFirst(3)), &state)
            return (200, .null)
        }
        var body = JSONValue.null
        if request.method == "POST" || request.method == "PUT" {
            guard request.headers["content-type"]?.hasPrefix("application/json") == true else {
                throw Refusal(415, "bad content type")
            }
            guard let parsed = try? JSONValue.parse(request.body, depth: 63) else {
                throw Refusal(400, "bad request data")
            }
            body = parsed
        }
        if let last = parts.last, state.behaviour.hidden.contains(last) {
            throw Refusal(403, "Access denied to this resource", isExpected: true)
        }
        let result: (Int, JSONValue)
        switch Array(parts.prefix(2)) {
        case ["api", "folders"]: result = try folders(request, Array(parts.dropFirst(2)), body, &state)
        case ["api", "datasources"]:
            guard role == .admin else {
                throw Refusal(403, "You'll need additional permissions", isExpected: true)
            }
            result = try sources(request, Array(parts.dropFirst(2)), body, &state)
        case ["api", "dashboards"]: result = try dashboards(request, Array(parts.dropFirst(2)), body, &state)
        case ["api", "search"]: result = try search(request, state)
        case ["api", "v1"]:
            guard parts.count > 3, parts[2] == "provisioning" else { throw Refusal(404, "Not found") }
            result = try rules(request, Array(parts.dropFirst(3)), body, &state)
        default: throw Refusal(404, "Not found")
        }
        if isWrite { state.writes.append("\(request.method) \(path)") }
        return result
    }

    private static func role(
        _ request: HTTPTestServer.Request, _ behaviour: Behaviour
    ) throws(Refusal) -> Role {
        if let organisation = request.headers["x-grafana-org-id"], !behaviour.organisations.contains(organisation) {
            throw Refusal(401, "Unauthorized", isExpected: true)
        }
        let given = request.headers["authorization"] ?? ""
        if given.hasPrefix("Bearer ") {
            let token = String(given.dropFirst(7))
            if behaviour.tokens.contains(token) { return .admin }
            if behaviour.editors.contains(token) { return .editor }
            if behaviour.viewers.contains(token) { return .viewer }
        }
        if given == "Basic " + Data("admin:\(behaviour.password)".utf8).base64EncodedString() { return .admin }
        throw Refusal(401, "Invalid API key", isExpected: true)
    }

    // MARK: Shared rules

    /// Uids are 1 to 40 letters, digits, `-` and `_`.
    static func check(uid: String?) throws(Refusal) {
        guard let uid, !uid.isEmpty else { throw Refusal(400, "a stable uid is missing") }
        guard uid.utf8.count <= 40 else { throw Refusal(400, "uid too long, max 40 characters") }
        guard uid.utf8.allSatisfy({ isPlain($0) }) else { throw Refusal(400, "uid contains illegal characters") }
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    static func check(_ body: JSONValue, has known: Set<String>, _ what: String) throws(Refusal) {
        guard let members = body.object else { throw Refusal(400, "\(what) is no object") }
        if let unknown = members.first(where: { !known.contains($0.key) }) {
            throw Refusal(400, "\(what) has an unknown field \(unknown.key)")
        }
    }

    /// The number of an install means another thing in the next.
    static func checkNumber(_ document: JSONValue) throws(Refusal) {
        guard document["id"] == nil || document["id"] == .null else { throw Refusal(404, "a numeric id was sent") }
    }
}

extension JSONValue {
    /// With a member set.
    func with(_ key: String, _ value: JSONValue) -> JSONValue {
        guard case .object(var members) = self else { return self }
        if let index = members.firstIndex(where: { $0.key == key }) {
            members[index].value = value
        } else {
            members.append(Member(key, value))
        }
        return .object(members)
    }

    func without(_ key: String) -> JSONValue {
        guard case .object(let members) = self else { return self }
        return .object(members.filter { $0.key != key })
    }
}
