import Metrics
import WALStore

/// Splunk's HTTP Event Collector, into an index of type metrics.
///
/// Own keys: `token`, or `tokens` by tenant; `index`, `source`, `sourcetype`, all with `{tenant}` if so wished; `gzip`;
/// `before_invalid: resend | delivered`; `ack`, with `ack_interval` and `ack_timeout`; `max_raw_size`. The rest as in `HTTPEndpoint`;
/// `url` is the server's address. What a point becomes is in `SplunkEvents.swift`.
/// <https://docs.splunk.com/Documentation/Splunk/latest/Data/HECExamples>
public struct SplunkHEC: Backend {
    public static let type = "splunk_hec"
    public let traits: BackendTraits
    public var oldPoints: String { "It takes points of any age within the retention of its index." }

    /// What became of the events before one that was refused.
    enum BeforeInvalid: String, CaseIterable {
        /// Not known: they go out again, and may be there twice.
        case resend
        /// They are indexed.
        case delivered
    }

    private struct Acknowledgement: Sendable {
        var interval: Duration
        var timeout: Duration
        let channels = SplunkChannels()
    }

    private let endpoint: HTTPEndpoint
    private let token: TenantSecret
    /// Members of every event.
    private let common: [(key: String, value: TenantTemplate)]
    private let isCompressed: Bool
    private let beforeInvalid: BeforeInvalid
    private let acknowledgement: Acknowledgement?
    private let scratch = ScratchPool { SplunkEvents() }

    public init(name: String, settings: Settings) throws(SettingsError) {
        endpoint = try HTTPEndpoint(settings, reserved: ["x-splunk-request-channel"])
        guard !endpoint.url.contains("?"), !endpoint.url.contains("/services/") else {
            throw SettingsError(
                "\(settings.name(of: "url")) must be the server's address: /services/collector is put behind it",
                line: settings.line(of: "url"))
        }
        token = try TenantSecret(settings, "token", map: "tokens")
        guard token.isEmpty || endpoint.authentication == .none else {
            throw SettingsError(
                "\(settings.path): token excludes basic_auth and bearer_token", line: settings.line(of: "token"))
        }
        var common: [(key: String, value: TenantTemplate)] = []
        for key in ["source", "sourcetype", "index"] {
            if let value = try TenantTemplate(settings, key), !value.text.isEmpty { common.append((key, value)) }
        }
        self.common = common
        isCompressed = try settings.bool("gzip", default: true)
        beforeInvalid = try settings.choice("before_invalid", default: .resend)
        acknowledgement = try Self.acknowledgement(settings)
        // An indexer knows no copy. Bodies of a megabyte are what the manual advises; the limit is on them as they are unpacked.
        traits = try BackendTraits(
            keepsOrder: false, maximumPoints: 10_000, maximumBodyBytes: 1_000_000, maximumRawBytes: 1_000_000,
            concurrency: acknowledgement == nil ? 4 : 8
        ).overridden(by: settings)
    }

    private static func acknowledgement(_ settings: Settings) throws(SettingsError) -> Acknowledgement? {
        let isWanted = try settings.bool("ack", default: false)
        let interval = try settings.duration("ack_interval") ?? .seconds(2)
        let timeout = try settings.duration("ack_timeout") ?? .seconds(300)
        guard interval > .zero, interval <= timeout, timeout <= .seconds(3600) else {
            throw SettingsError(
                "\(settings.name(of: "ack_interval")) must be above 0 and at most ack_timeout, which is at most 1h",
                line: settings.line(of: "ack_interval"))
        }
        return isWanted ? Acknowledgement(interval: interval, timeout: timeout) : nil
    }

    // MARK: Out

    public func encode(_ chunk: Chunk, into request: inout EncodedRequest) {
        request.reset()
        var members: [UInt8] = []
        for (key, value) in common {
            members.append(contentsOf: ",\"\(key)\":".utf8)
            JSONOutput.append(string: value(chunk.tenant), to: &members)
        }
        scratch.withScratch { events in
            events.begin(common: members)
            for run in chunk.runs { events.append(chunk.pieces[run.piece].batch, run, into: &request) }
            guard request.points > 0 else { return }
            events.finish()
            request.fill(events.body, isCompressed: isCompressed)
        }
    }

    public func send(
        _ request: EncodedRequest, of chunk: Chunk, attempt: Int, over transport: HTTPTransport
    ) async -> Answer {
        guard let acknowledgement else {
            return await transport.perform(post(request.body, chunk.tenant, channel: nil))
        }
        var channel = acknowledgement.channels.take(chunk.tenant)
        let answer = await send(request.body, chunk.tenant, acknowledgement, &channel, transport)
        // What the channel still holds of a request that has no end is nobody's any more.
        if case .response = answer { acknowledgement.channels.giveBack(channel, chunk.tenant) }
        return answer
    }

    private func post(_ body: [UInt8], _ tenant: String, channel: String?) -> HTTPRequest {
        var headers = [(name: "Content-Type", value: "application/json")]
        if isCompressed { headers.append((name: "Content-Encoding", value: "gzip")) }
        return endpoint.post(
            body, to: endpoint.path("services/collector"), headers: headers + identity(tenant, channel))
    }

    private func identity(_ tenant: String, _ channel: String?) -> [(name: String, value: String)] {
        var headers: [(name: String, value: String)] = []
        if let token = token(tenant) { headers.append((name: "Authorization", value: "Splunk \(token.reveal)")) }
        if let channel { headers.append((name: "X-Splunk-Request-Channel", value: channel)) }
        return headers
    }

    // MARK: Acknowledgement

    /// Sends, and waits until the events are indexed.
    ///
    /// - Returns: the answer to the request once it is acknowledged, or one that says why it cannot be; a failure when nothing is
    ///   known of it, which is not before it was waited for in vain.
    private func send(
        _ body: [UInt8], _ tenant: String, _ acknowledgement: Acknowledgement, _ channel: inout SplunkChannels.Channel,
        _ transport: HTTPTransport
    ) async -> Answer {
        if !channel.isProven {
            // Of a token without acknowledgement every probe of a held lane would be indexed once more: it is asked first.
            switch await ask(0, tenant, channel, transport) {
            case .said: channel.isProven = true
            case .answer(let answer): return SplunkHEC.notAsked(answer)
            }
        }
        let answer = await transport.perform(post(body, tenant, channel: channel.id))
        guard case .response(let response) = answer, response.status == 200 else { return answer }
        let said = SplunkAnswer(response)
        guard said.code == 0 else { return answer }
        guard let id = said.ackID else {
            return .said(
                .hold(reason: "an answer without ackId: the token's indexer acknowledgement is off; set ack: false"))
        }
        let clock = ContinuousClock()
        let end = clock.now + acknowledgement.timeout
        var last = "not indexed"
        while clock.now < end {
            do { try await clock.sleep(for: acknowledgement.interval) } catch { break }
            switch await ask(id, tenant, channel, transport) {
            case .said(true): return answer
            // Not yet, or forgotten: the two are one answer.
            case .said(false): last = "not indexed"
            case .answer(.failure(let failure)): last = failure.reason
            case .answer(.response(let response)): last = "HTTP \(response.status)\(HTTPOutcome.said(response))"
            case .answer(.said): break
            }
        }
        return .failure(
            TransportFailure(
                mayHaveArrived: true, reason: "no acknowledgement within \(acknowledgement.timeout): \(last)"))
    }

    /// What to do where the first question was not answered: it had no points, so none is at fault.
    private static func notAsked(_ answer: Answer) -> Answer {
        guard case .response(let response) = answer else { return answer }
        switch SplunkAnswer.outcome(of: response, to: [], sendsHeadAgain: true, now: TimeSource.system.wall()) {
        case .retry(let after, let reason): return .said(.retry(after: after, reason: reason))
        case .hold(let reason): return .said(.hold(reason: reason))
        default:
            return .said(
                .hold(reason: "no word about acknowledgements: HTTP \(response.status)\(HTTPOutcome.said(response))"))
        }
    }

    private enum Asked {
        case said(Bool)
        case answer(Answer)
    }

    private func ask(
        _ id: Int64, _ tenant: String, _ channel: SplunkChannels.Channel, _ transport: HTTPTransport
    ) async -> Asked {
        let answer = await transport.perform(
            endpoint.post(
                Array("{\"acks\":[\(id)]}".utf8), to: endpoint.path("services/collector/ack?channel=\(channel.id)"),
                headers: [(name: "Content-Type", value: "application/json")] + identity(tenant, channel.id)))
        guard case .response(let response) = answer else { return .answer(answer) }
        if response.status == 200, let document = try? JSONValue.parse(response.body, depth: 4, values: 64),
            let isIndexed = document["acks"]?["\(id)"]?.bool
        {
            return .said(isIndexed)
        }
        return .answer(answer)
    }

    // MARK: Back

    public func outcome(of answer: Answer, to request: EncodedRequest) -> DeliveryOutcome {
        HTTPOutcome.of(answer) { response, now in
            SplunkAnswer.outcome(
                of: response, to: request.items, sendsHeadAgain: beforeInvalid == .resend, now: now)
        }
    }
}
