import CNATS

/// One connection to a NATS server, with an inbox of its own for acknowledgements. It never reconnects: when it ends, all that
/// left over it ends without an answer, and the next message opens another one.
///
/// `@unchecked Sendable`: no property changes after `init`, and libnats guards each handle with the mutex in it.
final class NATSConnection: @unchecked Sendable {
    /// Why a call did not do what it was asked.
    struct Failure: Error {
        var answer: Answer
        init(_ answer: Answer) { self.answer = answer }
        init(_ what: String, _ status: natsStatus) {
            let words = "\(what): \(NATSConnection.words(of: status))"
            answer =
                switch status {
                case NATS_CONNECTION_AUTH_FAILED, NATS_NOT_PERMITTED:
                    .said(.hold(reason: "\(words): credentials refused"))
                default: .failure(TransportFailure(mayHaveArrived: false, reason: words))
                }
        }
    }

    private static let registry = CallbackRegistry<NATSReplies>()

    private let number: UInt
    private let connection: OpaquePointer
    private let subscription: OpaquePointer
    private let inbox: String
    private let pending: PendingAnswers
    private let replies: NATSReplies

    /// Blocks for look-up, TCP, the server's greeting and a subscription; without any limit for TLS.
    init(_ endpoint: NATSEndpoint, _ pending: PendingAnswers) throws(Failure) {
        self.pending = pending
        replies = NATSReplies(pending)
        number = Self.registry.add(replies)
        var (opened, subscribed): (OpaquePointer?, OpaquePointer?)
        do throws(Failure) {
            let options = try NATSOptions(endpoint, Self.callbacks(number))
            try Self.check("connect", natsConnection_Connect(&opened, options.raw))
            try Self.check("the server takes no headers", natsConnection_HasHeaderSupport(opened))
            inbox = try Self.makeInbox(endpoint.inboxPrefix)
            try Self.check(
                "subscribe",
                natsConnection_Subscribe(&subscribed, opened, "\(inbox).*", Self.replied, Self.context(number)))
            try Self.confirm(opened, endpoint)
        } catch {
            Self.end(number, opened, subscribed)
            throw error
        }
        guard let opened, let subscribed else { preconditionFailure("a call that succeeds gives a handle") }
        (connection, subscription) = (opened, subscribed)
    }

    /// A subscription that is not allowed is said to be so later: each message would be stored, and none acknowledged.
    private static func confirm(_ connection: OpaquePointer?, _ endpoint: NATSEndpoint) throws(Failure) {
        let status = natsConnection_FlushTimeout(
            connection, NATSOptions.milliseconds(endpoint.connectTimeout))
        guard lastStatus(connection) != NATS_NOT_PERMITTED else {
            throw Failure(
                .said(.hold(reason: "not permitted to subscribe to \(endpoint.inboxPrefix).>: \(NATSReplies.noAnswer)"))
            )
        }
        try check("subscribe", status)
    }

    /// To be called once, by the last that uses it. Blocks: the library joins its threads. It may not have called back yet:
    /// nothing that left waits for it.
    func end() {
        Self.end(number, connection, subscription)
        pending.endAll(
            over: number, .failure(TransportFailure(mayHaveArrived: true, reason: "the connection ended")))
    }

    private static func end(_ number: UInt, _ connection: OpaquePointer?, _ subscription: OpaquePointer?) {
        registry.remove(number)
        natsSubscription_Destroy(subscription)
        natsConnection_Destroy(connection)
    }

    /// No answer comes over it any more. Does not block.
    var isOver: Bool { replies.isOver }

    // MARK: Out

    /// Hands a message to the connection. Its answer goes to attempt `attempt`; so does any failure.
    func publish(_ message: NATSMessage, for attempt: UInt64) {
        let limit = Int(natsConnection_GetMaxPayload(connection))
        // The server would close the connection over it.
        guard limit <= 0 || message.bytes <= limit else {
            pending.end(attempt, .said(.tooLarge(limitBytes: max(1, limit - message.headerBytes))))
            return
        }
        guard pending.leaves(attempt, over: number, to: message.subject) else { return }
        do throws(Failure) {
            try send(message, replyTo: "\(inbox).\(attempt)")
        } catch {
            pending.end(attempt, error.answer)
        }
    }

    private func send(_ message: NATSMessage, replyTo reply: String) throws(Failure) {
        var raw: OpaquePointer?
        defer { natsMsg_Destroy(raw) }
        try Self.check(
            "make a message",
            message.body.withUnsafeBytes { body in
                natsMsg_Create(
                    &raw, message.subject, reply, body.baseAddress?.assumingMemoryBound(to: CChar.self),
                    Int32(clamping: body.count))
            })
        for (name, value) in message.headers { try Self.check("set a header", natsMsgHeader_Set(raw, name, value)) }
        let status = natsConnection_PublishMsg(connection, raw)
        guard status != NATS_OK else { return }
        if status == NATS_CONNECTION_CLOSED { replies.end() }
        var failure = Failure("publish", status)
        // Only of a connection that was closed before is it known that nothing left.
        if case .failure(let transport) = failure.answer, status != NATS_CONNECTION_CLOSED {
            failure.answer = .failure(TransportFailure(mayHaveArrived: true, reason: transport.reason))
        }
        throw failure
    }

    private static func makeInbox(_ prefix: String) throws(Failure) -> String {
        var made: UnsafeMutablePointer<natsInbox>?
        try check("make an inbox", natsInbox_Create(&made))
        defer { natsInbox_Destroy(made) }
        let name = made.map { String(cString: $0) } ?? ""
        return "\(prefix).\(name.split(separator: ".").last ?? "")"
    }

    // MARK: In

    private static func context(_ number: UInt) -> UnsafeMutableRawPointer? {
        CallbackRegistry<NATSReplies>.context(number)
    }

    private static func callbacks(_ number: UInt) -> NATSOptions.Callbacks {
        NATSOptions.Callbacks(closed: closed, failed: failed, context: context(number))
    }

    /// The last token of the subject is the attempt's number.
    private static let replied: natsMsgHandler = { _, _, message, context in
        defer { natsMsg_Destroy(message) }
        guard let replies = registry.value(context), let subject = natsMsg_GetSubject(message) else { return }
        guard let attempt = UInt64(String(cString: subject).split(separator: ".").last ?? "") else { return }
        let outcome: DeliveryOutcome
        if natsMsg_IsNoResponders(message) {
            outcome = NATSAnswer.noResponders
        } else {
            let count = Int(natsMsg_GetDataLength(message))
            outcome = NATSAnswer.outcome(of: UnsafeRawBufferPointer(start: natsMsg_GetData(message), count: count))
        }
        replies.pending.end(attempt, .said(outcome))
    }

    private static let closed: natsConnectionHandler = { connection, context in
        let status = lastStatus(connection)
        let why = status == NATS_OK ? "" : String(cString: natsStatus_GetText(status))
        registry.value(context)?.closed(over: UInt(bitPattern: context), why)
    }

    private static let failed: natsErrHandler = { connection, _, status, context in
        guard status == NATS_NOT_PERMITTED else { return }
        var text: UnsafePointer<CChar>?
        _ = natsConnection_GetLastError(connection, &text)
        registry.value(context)?.refused(over: UInt(bitPattern: context), text.map { String(cString: $0) } ?? "")
    }

    /// The words with it are in a buffer that the library's reading thread writes to: `failed` alone takes them, as a hint.
    private static func lastStatus(_ connection: OpaquePointer?) -> natsStatus {
        var text: UnsafePointer<CChar>?
        return natsConnection_GetLastError(connection, &text)
    }

    // MARK: Errors

    static func check(_ what: String, _ status: natsStatus) throws(Failure) {
        guard status == NATS_OK else { throw Failure(what, status) }
    }

    /// The status, and what the library says of the last call of this thread.
    private static func words(of status: natsStatus) -> String {
        let plain = String(cString: natsStatus_GetText(status))
        var last = NATS_OK
        guard let text = nats_GetLastError(&last), last == status else { return plain }
        let said = Excerpt.of(Array(String(cString: text).utf8), bytes: 256)
        return said.isEmpty || said == plain ? plain : "\(plain), \(said)"
    }
}
