import Metrics
import Synchronization

/// An Elasticsearch as far as `_bulk` reaches: it answers item by item, refuses what the real one refuses, and keeps
/// what it was given, so that tests can count documents.
///
/// Rules and their sources: <https://www.elastic.co/guide/en/elasticsearch/reference/current/docs-bulk.html>, and the
/// pages named beside each.
public final class BulkServer: Sendable {
    public struct Document: Sendable, Equatable {
        public var id: String
        /// The index it is in: of a data stream, one of its backing indices.
        public var index: String
        public var source: JSONValue
    }

    /// What a test may set, also while requests come in.
    public struct Behaviour: Sendable {
        /// Names that are data streams; every other name is an index.
        public var dataStreams: Set<String> = []
        /// Whether a missing index is made (`action.auto_create_index`).
        public var createsIndices = true
        /// Whether a document a data stream cannot map goes to its failure store.
        public var usesFailureStore = false
        /// `http.max_content_length`.
        public var maximumBodyBytes = 100 << 20
        /// Of each request, every n-th item is refused once with 429; 0: none.
        public var overloadsEvery = 0
        /// Indices that a full disk has made read-only.
        public var blocked: Set<String> = []
        /// The request is answered with this status instead.
        public var status: Int?
        /// The whole `Authorization` header that is asked for.
        public var authorization: String?
        /// `index.mapping.total_fields.limit`.
        public var maximumFields = 1000
        /// It has no time series data streams.
        public var isOpenSearch = false
        public var version = "9.1.0"
        /// It takes no ids, as OpenSearch Serverless does of time series.
        public var refusesIDs = false
        /// Whether a key may ask what the cluster is, and may manage templates.
        public var maySeeCluster = true
        public var mayManageTemplates = true
        /// Nanoseconds: what a time series data stream takes is around it; 0: any time.
        public var now: Int64 = 0

        public init() {}
    }

    struct State {
        var behaviour = Behaviour()
        var targets: [String: BulkIndex] = [:]
        var timeSeries: [String: BulkTimeSeries] = [:]
        var templates: [String: JSONValue] = [:]
        /// Names, in the order they were put.
        var templatesPut: [String] = []
        var failureStore: [Document] = []
        /// Ids that had their 429.
        var overloaded: Set<String> = []
        var conflicts = 0
        var faults: [String] = []
    }

    let state = Mutex(State())
    private let server: Mutex<HTTPTestServer>
    private var http: HTTPTestServer { server.withLock { $0 } }

    public init(_ behaviour: Behaviour = Behaviour()) throws {
        server = Mutex(try HTTPTestServer())
        state.withLock { $0.behaviour = behaviour }
        listen()
    }

    private func listen() { http.answer { [weak self] request, _ in self?.answer(request) ?? .reset } }

    public var url: String { http.url }
    public var port: Int { http.port }
    public var requests: [HTTPTestServer.Request] { http.requests }
    public func stop() { http.stop() }
    /// Listens again, on the port it had, with the documents it had.
    public func restart() throws {
        let port = http.port
        let again = try HTTPTestServer(port: port)
        server.withLock { $0 = again }
        listen()
    }

    public func change(_ change: @Sendable (inout Behaviour) -> Void) { state.withLock { change(&$0.behaviour) } }

    /// Documents of an index or a data stream, over all its backing indices.
    public func documents(in target: String) -> [Document] {
        state.withLock { $0.targets[target]?.backing.flatMap { Array($0.documents.values) } ?? [] }
    }
    public var failureStore: [Document] { state.withLock { $0.failureStore } }
    public func template(_ name: String) -> JSONValue? { state.withLock { $0.templates[name] } }
    /// Puts a template as somebody else would.
    public func setTemplate(_ name: String, _ template: JSONValue) { state.withLock { $0.templates[name] = template } }
    /// Names of templates that were put by a request.
    public var templatesPut: [String] { state.withLock { $0.templatesPut } }
    /// Items answered with 409.
    public var conflicts: Int { state.withLock { $0.conflicts } }
    /// What a well-made sender never gets: whole requests refused as malformed.
    public var faults: [String] { state.withLock { $0.faults } }

    /// A data stream writes to a new backing index from now on; ids are unique in each only.
    /// <https://github.com/elastic/elasticsearch/issues/44794>
    public func rollOver(_ stream: String) {
        state.withLock { $0.targets[stream]?.backing.append(BulkIndex.Backing()) }
    }

    /// The fields an index has are all it may have from now on (`index.mapping.total_fields.limit`).
    public func fillMapping(of target: String) {
        state.withLock { $0.behaviour.maximumFields = $0.targets[target]?.fields.count ?? 0 }
    }

    // MARK: Requests

    private func answer(_ request: HTTPTestServer.Request) -> HTTPTestServer.Action {
        state.withLock { state in
            if let status = state.behaviour.status { return BulkServer.error(status, "scripted", "as the test asked") }
            if let wanted = state.behaviour.authorization, request.headers["authorization"] != wanted {
                return BulkServer.error(401, "security_exception", "unable to authenticate")
            }
            let action = BulkServer.handle(request, &state)
            // To ask for a template that is not there is no mistake.
            let mayMiss = request.method == "GET"
            if case .reply(let status, _, let body) = action, (400...406).contains(status), !(mayMiss && status == 404)
            {
                state.faults.append(String(decoding: body, as: UTF8.self))
            }
            return action
        }
    }

    private static func handle(_ request: HTTPTestServer.Request, _ state: inout State) -> HTTPTestServer.Action {
        let parts = request.target.split(separator: "?", maxSplits: 1)
        let path = parts[0].split(separator: "/").map { unescape($0) }
        if let answer = BulkTemplates.answer(request, path, parts.count > 1 ? String(parts[1]) : "", &state) {
            return answer
        }
        guard request.method == "POST" || request.method == "PUT" else {
            return error(405, "method_not_allowed", "Incorrect HTTP method for uri [\(request.target)]")
        }
        guard path.last == "_bulk", path.count <= 2 else {
            return error(400, "illegal_argument_exception", "no handler found for uri [\(request.target)]")
        }
        let media = request.headers["content-type"]?.split(separator: ";")[0]
        guard media == "application/x-ndjson" || media == "application/json" else {
            return error(406, "media_type_header_exception", "Invalid media-type value on headers [Content-Type]")
        }
        guard request.body.count <= state.behaviour.maximumBodyBytes else { return .reply(413) }
        var body: [UInt8] = []
        do throws(WireError) {
            body = try plain(request, limit: state.behaviour.maximumBodyBytes)
        } catch {
            return error.code == .tooLarge
                ? .reply(413) : Self.error(400, "parse_exception", "not in the coding it says: \(error)")
        }
        do throws(BulkFault) {
            let operations = try BulkOperation.parse(body, target: path.count == 2 ? path[0] : nil)
            return .reply(
                200, headers: [("Content-Type", "application/json")],
                body: respond(operations.map { $0.run(&state) }))
        } catch {
            return Self.error(400, error.type, error.reason)
        }
    }

    private static func plain(_ request: HTTPTestServer.Request, limit: Int) throws(WireError) -> [UInt8] {
        guard request.headers["content-encoding"] == "gzip" else { return request.body }
        var decompressor = Decompressor(.gzip, limit: limit)
        var plain: [UInt8] = []
        let failure = request.body.withUnsafeBytes { bytes -> WireError? in
            do throws(WireError) {
                try decompressor.feed(bytes, into: &plain)
                return nil
            } catch { return error }
        }
        if let failure { throw failure }
        try decompressor.finish(into: &plain)
        return plain
    }

    /// The form that `filter_path=errors,items.*.status,items.*.failure_store,items.*.error.*` leaves.
    private static func respond(_ answers: [BulkItemAnswer]) -> [UInt8] {
        var json = JSONWriter()
        json.beginObject()
        json.member("errors", answers.contains { $0.error != nil })
        json.beginArray("items")
        for answer in answers {
            json.beginObject()
            json.beginObject(answer.action)
            json.member("status", answer.status)
            if let store = answer.failureStore { json.member("failure_store", store) }
            if let error = answer.error {
                json.beginObject("error")
                json.member("type", error.type)
                json.member("reason", error.reason)
                json.end()
            }
            json.end()
            json.end()
        }
        json.end()
        json.end()
        return json.bytes
    }

    static func error(_ status: Int, _ type: String, _ reason: String) -> HTTPTestServer.Action {
        var json = JSONWriter()
        json.beginObject()
        json.beginObject("error")
        json.member("type", type)
        json.member("reason", reason)
        json.end()
        json.member("status", status)
        json.end()
        return .reply(status, headers: [("Content-Type", "application/json")], body: json.bytes)
    }

    private static func unescape(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2,
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
