import Metrics
import Synchronization

/// A Splunk as far as the HTTP Event Collector reaches: it takes metric events, refuses what the real one refuses, with its codes,
/// and indexes late, or never, as told.
///
/// Rules and their sources: <https://docs.splunk.com/Documentation/Splunk/latest/Data/TroubleshootHTTPEventCollector>,
/// <https://docs.splunk.com/Documentation/Splunk/latest/Data/AboutHECIDXAck>.
public final class SplunkServer: Sendable {
    /// One metric in an index.
    public struct Sample: Sendable, Equatable {
        public var index: String
        public var metric: String
        public var value: Double
        public var dimensions: [String: String]
        public var milliseconds: Int64
        public var host: String?
        public var source: String?
    }

    public struct Token: Sendable {
        public var indexes = ["main_metrics"]
        public var isDisabled = false
        public var usesAcknowledgement = false
        public init(indexes: [String] = ["main_metrics"], isDisabled: Bool = false, usesAcknowledgement: Bool = false) {
            self.indexes = indexes
            self.isDisabled = isDisabled
            self.usesAcknowledgement = usesAcknowledgement
        }
    }

    /// What a test may set, also while requests come in.
    public struct Behaviour: Sendable {
        public var tokens = ["good": Token()]
        /// `max_content_length`, of the body as it is unpacked.
        public var maximumContentBytes = 1_000_000
        /// Whether what comes before a bad event is indexed.
        public var keepsHead = false
        /// Metrics that no event may have, with the code.
        public var refuses: [String: Int] = [:]
        /// Requests are answered as a success, and nothing is indexed.
        public var losesSilently = false
        /// Polls of an acknowledgement that are answered with false before it is indexed.
        public var polls = 1
        /// Answered instead: status, and a body.
        public var answer: (status: Int, body: String)?

        public init() {}
    }

    /// The acknowledgements of a channel: those of its next requests count on from `next`.
    struct Channel {
        var next = 0
        var waiting: [Int: (polls: Int, samples: [Sample])] = [:]
    }

    struct State {
        var behaviour = Behaviour()
        var samples: [Sample] = []
        var channels: [String: Channel] = [:]
        var channelsSeen: [String] = []
        var faults: [String] = []
    }

    private let state = Mutex(State())
    private let http: HTTPTestServer

    public init(_ behaviour: Behaviour = Behaviour()) throws {
        http = try HTTPTestServer()
        state.withLock { $0.behaviour = behaviour }
        http.answer { [weak self] request, _ in self?.answer(request) ?? .reset }
    }

    public var url: String { http.url }
    public var requests: [HTTPTestServer.Request] { http.requests }
    public func stop() { http.stop() }
    public func change(_ change: @Sendable (inout Behaviour) -> Void) { state.withLock { change(&$0.behaviour) } }

    /// What is indexed, in order.
    public var samples: [Sample] { state.withLock { $0.samples } }
    public var channels: [String] { state.withLock { $0.channelsSeen } }
    /// What a well-made sender never gets.
    public var faults: [String] { state.withLock { $0.faults } }

    /// The indexer starts anew: what it had not indexed is gone, and so is what it knew of channels.
    public func forget() { state.withLock { $0.channels = [:] } }

    // MARK: Requests

    private func answer(_ request: HTTPTestServer.Request) -> HTTPTestServer.Action {
        state.withLock { state in
            if let answer = state.behaviour.answer {
                return .reply(answer.status, headers: SplunkServer.json, body: Array(answer.body.utf8))
            }
            do throws(Fault) {
                return try SplunkServer.handle(request, &state)
            } catch {
                if ![7, 9, 14].contains(error.code), error.status == 400 { state.faults.append(error.text) }
                return error.reply
            }
        }
    }

    private static let json = [("Content-Type", "application/json")]

    private static func handle(_ request: HTTPTestServer.Request, _ state: inout State) throws(Fault)
        -> HTTPTestServer.Action
    {
        guard request.method == "POST" else { throw Fault(405, 0, "Method Not Allowed") }
        let token = try token(of: request, state)
        switch request.path {
        case "/services/collector", "/services/collector/event", "/services/collector/event/1.0":
            return try collect(request, token, &state)
        case "/services/collector/ack": return try acknowledge(request, token, &state)
        default: throw Fault(404, 404, "The requested URL was not found on this server.")
        }
    }

    private static func token(of request: HTTPTestServer.Request, _ state: State) throws(Fault) -> Token {
        if request.query["token"] != nil { throw Fault(400, 16, "Query string authorization is not enabled") }
        guard let header = request.headers["authorization"] else { throw Fault(401, 2, "Token is required") }
        let parts = header.split(separator: " ", maxSplits: 1).map(String.init)
        guard parts.count == 2, parts[0] == "Splunk" else { throw Fault(401, 3, "Invalid authorization") }
        guard let token = state.behaviour.tokens[parts[1]] else { throw Fault(403, 4, "Invalid token") }
        if token.isDisabled { throw Fault(403, 1, "Token disabled") }
        return token
    }

    private static func channel(of request: HTTPTestServer.Request, isNeeded: Bool) throws(Fault) -> String? {
        guard let channel = request.headers["x-splunk-request-channel"] ?? request.query["channel"] else {
            if isNeeded { throw Fault(400, 10, "Data channel is missing") }
            return nil
        }
        let parts = channel.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.map(\.count) == [8, 4, 4, 4, 12], parts.allSatisfy({ $0.allSatisfy(\.isHexDigit) }) else {
            throw Fault(400, 11, "Invalid data channel")
        }
        return channel
    }

    private static func collect(
        _ request: HTTPTestServer.Request, _ token: Token, _ state: inout State
    ) throws(Fault) -> HTTPTestServer.Action {
        let channel = try channel(of: request, isNeeded: token.usesAcknowledgement)
        if let channel, !state.channelsSeen.contains(channel) { state.channelsSeen.append(channel) }
        guard let coding = ContentCoding(header: request.headers["content-encoding"]),
            coding == .gzip || coding == .identity
        else { throw Fault(415, 6, "Unsupported content encoding") }
        var body: [UInt8] = []
        do throws(WireError) {
            body = try request.plainBody(coding, limit: state.behaviour.maximumContentBytes)
        } catch {
            if error.code == .tooLarge { throw Fault(413, 0, "Request Entity Too Large") }
            throw Fault(400, 6, "Invalid data format")
        }
        guard !body.isEmpty else { throw Fault(400, 5, "No data") }
        let (samples, fault) = SplunkMetricEvent.read(body, token, refuses: state.behaviour.refuses)
        if let fault {
            if state.behaviour.keepsHead { state.samples += samples }
            throw fault
        }
        guard token.usesAcknowledgement, let channel else {
            if !state.behaviour.losesSilently { state.samples += samples }
            return reply(200, ["text": "Success", "code": 0], ack: nil)
        }
        let id = state.channels[channel, default: Channel()].next
        state.channels[channel, default: Channel()].next += 1
        if !state.behaviour.losesSilently { state.channels[channel]?.waiting[id] = (state.behaviour.polls, samples) }
        return reply(200, ["text": "Success", "code": 0], ack: id)
    }

    private static func acknowledge(
        _ request: HTTPTestServer.Request, _ token: Token, _ state: inout State
    ) throws(Fault) -> HTTPTestServer.Action {
        guard token.usesAcknowledgement else { throw Fault(400, 14, "ACK is disabled") }
        guard let channel = try channel(of: request, isNeeded: true) else {
            throw Fault(400, 10, "Data channel is missing")
        }
        guard let ids = (try? JSONValue.parse(request.body))?["acks"]?.array?.compactMap(\.int) else {
            throw Fault(400, 6, "Invalid data format")
        }
        var json = JSONWriter()
        json.beginObject()
        json.beginObject("acks")
        for id in ids {
            var isIndexed = false
            if let waiting = state.channels[channel]?.waiting[Int(id)] {
                isIndexed = waiting.polls == 0
                if isIndexed {
                    // A status is told once.
                    state.samples += waiting.samples
                    state.channels[channel]?.waiting[Int(id)] = nil
                } else {
                    state.channels[channel]?.waiting[Int(id)]?.polls -= 1
                }
            }
            json.member("\(id)", isIndexed)
        }
        json.end()
        json.end()
        return .reply(200, headers: SplunkServer.json, body: json.bytes)
    }

    private static func reply(_ status: Int, _ members: KeyValuePairs<String, JSONValue>, ack: Int?)
        -> HTTPTestServer.Action
    {
        var json = JSONWriter()
        json.beginObject()
        for (key, value) in members { json.member(key, value) }
        if let ack { json.member("ackId", ack) }
        json.end()
        return .reply(status, headers: SplunkServer.json, body: json.bytes)
    }

    struct Fault: Error {
        var status: Int
        var code: Int
        var text: String
        var event: Int?
        init(_ status: Int, _ code: Int, _ text: String, event: Int? = nil) {
            self.status = status
            self.code = code
            self.text = text
            self.event = event
        }

        var reply: HTTPTestServer.Action {
            var json = JSONWriter()
            json.beginObject()
            json.member("text", text)
            json.member("code", code)
            if let event { json.member("invalid-event-number", event) }
            json.end()
            return .reply(status, headers: SplunkServer.json, body: json.bytes)
        }
    }
}
