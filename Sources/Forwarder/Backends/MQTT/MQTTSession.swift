import CMosquitto
import CProcess
import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// A session with an MQTT broker over one connection after the other. libmosquitto keeps what is not acknowledged, and sends
/// it again when a connection is there.
///
/// All but the callbacks and the reading run on the thread of the client that owns it.
///
/// `@unchecked Sendable`: no property changes after `init`; libmosquitto guards `handle` with its own mutexes
/// (`mosquitto_threaded_set`), and what the callbacks change is behind the mutex of `replies`.
final class MQTTSession: @unchecked Sendable {
    private static let registry = CallbackRegistry<MQTTReplies>()
    /// Once a process; it is never undone.
    private static let library: Int32 = mosquitto_lib_init()

    private let endpoint: MQTTEndpoint
    private let number: UInt
    private let handle: OpaquePointer
    /// Ends the wait of the thread that reads: there is something to write.
    /// <https://man7.org/linux/man-pages/man2/eventfd.2.html>
    private let wakeup: Int32
    let replies: MQTTReplies

    /// - Parameter isClean: the broker forgets what it knows of the client id.
    init?(_ endpoint: MQTTEndpoint, _ replies: MQTTReplies, isClean: Bool) {
        guard Self.library == 0 else { return nil }
        let wakeup = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        guard wakeup >= 0 else { return nil }
        self.endpoint = endpoint
        self.replies = replies
        let number = Self.registry.add(replies)
        guard
            let made = mosquitto_new(endpoint.clientID, isClean, CallbackRegistry<MQTTReplies>.context(number))
        else {
            Self.registry.remove(number)
            close(wakeup)
            return nil
        }
        self.wakeup = wakeup
        self.number = number
        handle = made
        mosquitto_int_option(
            handle, MOSQ_OPT_PROTOCOL_VERSION, endpoint.version == .v5 ? MQTT_PROTOCOL_V5 : MQTT_PROTOCOL_V311)
        mosquitto_int_option(handle, MOSQ_OPT_SEND_MAXIMUM, Int32(MQTTReplies.maximumMessages))
        mosquitto_int_option(handle, MOSQ_OPT_TCP_NODELAY, 1)
        // Others publish while a thread reads.
        mosquitto_threaded_set(handle, true)
        mosquitto_connect_v5_callback_set(handle, Self.connected)
        mosquitto_disconnect_v5_callback_set(handle, Self.disconnected)
        mosquitto_publish_v5_callback_set(handle, Self.published)
    }

    /// The reading thread, if there is one, has a reference: by now nobody reads.
    deinit {
        Self.registry.remove(number)
        close(wakeup)
        let address = UInt(bitPattern: handle)
        let end = { @Sendable in
            let handle = OpaquePointer(bitPattern: address)
            mosquitto_disconnect(handle)
            mosquitto_destroy(handle)
        }
        // Without a thread it is done here, and takes its time.
        if !OneOffThread.run(end) { end() }
    }

    // MARK: Connecting

    /// Blocks until the broker has said yes or no, `timeout` after TCP and TLS at the latest.
    ///
    /// - Returns: nil when it said yes.
    func connect() -> Answer? {
        guard replies.begins() else { return Self.failed("the last connection is still being closed") }
        if let login = endpoint.login { mosquitto_username_pw_set(handle, login.user, login.password.reveal) }
        if let tls = endpoint.tls, let failure = secure(tls) { return failure }
        var properties: OpaquePointer?
        defer { mosquitto_property_free_all(&properties) }
        if endpoint.version == .v5 {
            mosquitto_property_add_int32(
                &properties, Self.id(MQTT_PROP_SESSION_EXPIRY_INTERVAL), Self.sessionExpirySeconds)
        }
        let code = mosquitto_connect_bind_v5(
            handle, endpoint.broker.host, Int32(endpoint.broker.port), Int32(endpoint.keepAliveSeconds), nil, properties
        )
        guard code == Self.success else { return Self.failed("connect: \(Self.words(code))") }
        let deadline = TimeSource.system.boot() + endpoint.timeout.wholeNanoseconds
        while replies.connack == nil {
            let code = turn(milliseconds: 100)
            if replies.connack != nil { break }
            guard code == Self.success else { return Self.failed("connect: \(Self.words(code))") }
            guard TimeSource.system.boot() < deadline else {
                mosquitto_disconnect(handle)
                return Self.failed("connect: no answer within \(endpoint.timeout)")
            }
        }
        guard let connack = replies.connack else { return Self.failed("connect: the connection ended") }
        return connack.code == 0 ? nil : MQTTAnswer.answer(toConnect: connack.code, endpoint.version)
    }

    /// A day: longer than a broker is away, short enough that an abandoned session goes.
    private static let sessionExpirySeconds: UInt32 = 86_400

    /// From now on a thread of its own reads, until the connection ends.
    ///
    /// - Returns: nil when it does.
    func read() -> Answer? {
        replies.loops(true)
        let isReading = OneOffThread.run { [self] in
            var code = Self.success
            while code == Self.success, !isAbandoned { code = turn(milliseconds: 1000) }
            if !isAbandoned { replies.disconnected(over: number, "the connection ended: \(Self.words(code))") }
            replies.loops(false)
        }
        guard !isReading else { return nil }
        replies.loops(false)
        return .failure(TransportFailure(mayHaveArrived: false, reason: "no thread can be started"))
    }

    /// Whether the reading thread alone holds the session.
    private var isAbandoned: Bool { replies.pending.isClosed }

    /// Ends the connection, and what the broker knows of the session where it was made clean.
    func disconnect() {
        mosquitto_disconnect(handle)
        while turn(milliseconds: 100) == Self.success {}
    }

    /// Reads and writes what there is, waiting for it for so long at most.
    ///
    /// The library's own loop selects, and a select sees no descriptor from 1,024 on: a node with many spools has more.
    private func turn(milliseconds: Int32) -> Int32 {
        let socket = mosquitto_socket(handle)
        guard socket >= 0 else { return Int32(MOSQ_ERR_NO_CONN.rawValue) }
        let wanted = mosquitto_want_write(handle) ? POLLIN | POLLOUT : POLLIN
        var watched = [
            pollfd(fd: socket, events: Int16(wanted), revents: 0),
            pollfd(fd: wakeup, events: Int16(POLLIN), revents: 0),
        ]
        // What TLS has read and not given out yet no poll shows.
        let isHidden = endpoint.tls != nil
        _ = poll(&watched, nfds_t(watched.count), isHidden ? min(milliseconds, 100) : milliseconds)
        if watched[1].revents != 0 {
            var raised: eventfd_t = 0
            eventfd_read(wakeup, &raised)
        }
        let mayWrite = watched[0].revents & Int16(POLLOUT) != 0 || watched[1].revents != 0
        if mayWrite, mosquitto_want_write(handle) {
            let code = mosquitto_loop_write(handle, 1)
            guard code == Self.success else { return code }
        }
        if isHidden || watched[0].revents & ~Int16(POLLOUT) != 0 {
            let code = mosquitto_loop_read(handle, 1)
            guard code == Self.success else { return code }
        }
        return mosquitto_loop_misc(handle)
    }

    private static let systemAuthorities = "/etc/ssl/certs/ca-certificates.crt"

    private func secure(_ tls: TLSOptions) -> Answer? {
        let version = tls.minimumVersion == .v1_3 ? "tlsv1.3" : "tlsv1.2"
        let codes = [
            mosquitto_tls_set(handle, tls.caFile ?? Self.systemAuthorities, nil, tls.certFile, tls.keyFile, nil),
            mosquitto_tls_opts_set(handle, tls.insecureSkipVerify ? 0 : 1, version, nil),
            mosquitto_tls_insecure_set(handle, tls.insecureSkipVerify),
        ]
        guard let code = codes.first(where: { $0 != Self.success }) else { return nil }
        return Self.failed("tls: \(Self.words(code))")
    }

    // MARK: Out

    /// Hands a message to the session. Its answer goes to `attempt`; so does any failure.
    func publish(_ message: MQTTMessage, for attempt: UInt64) {
        let pending = replies.pending
        if let answer = refusal(of: message) {
            pending.end(attempt, answer)
            return
        }
        switch replies.standing(of: message.id, for: attempt) {
        case .delivered: pending.end(attempt, .said(.delivered))
        case .noRoom: pending.end(attempt, Self.failed("\(MQTTReplies.maximumMessages) messages wait for the broker"))
        case .known: _ = pending.leaves(attempt, over: number, to: message.topic)
        case .overdue:
            mosquitto_disconnect(handle)
            eventfd_write(wakeup, 1)
            let reason = "the broker does not acknowledge: it is connected to anew"
            pending.end(attempt, .failure(TransportFailure(mayHaveArrived: true, reason: reason)))
        case .new:
            guard pending.leaves(attempt, over: number, to: message.topic) else { return }
            var packet: Int32 = 0
            let code = hand(message, &packet)
            switch code {
            // Without a connection too: it goes out with the next one.
            case Self.success, Int32(MOSQ_ERR_NO_CONN.rawValue), Int32(MOSQ_ERR_CONN_LOST.rawValue):
                replies.sent(message.id, as: packet, for: attempt)
                eventfd_write(wakeup, 1)
            default: pending.end(attempt, Self.failed("publish: \(Self.words(code))"))
            }
        }
    }

    /// What the broker said that it does not take.
    private func refusal(of message: MQTTMessage) -> Answer? {
        guard let connack = replies.connack else { return Self.failed("the connection ended") }
        guard Int32(connack.maximumQuality) >= message.quality else {
            return .said(.hold(reason: "the broker takes QoS \(connack.maximumQuality) at most"))
        }
        // A larger packet ends the connection. [MQTT-3.2.2-15]
        if let limit = connack.maximumPacket, message.overhead + message.body.count > Int(limit) {
            return .said(.tooLarge(limitBytes: max(1, Int(limit) - message.overhead)))
        }
        return nil
    }

    private func hand(_ message: MQTTMessage, _ packet: inout Int32) -> Int32 {
        var properties: OpaquePointer?
        defer { mosquitto_property_free_all(&properties) }
        if endpoint.version == .v5 {
            mosquitto_property_add_string(&properties, Self.id(MQTT_PROP_CONTENT_TYPE), message.contentType)
            for (name, value) in message.userProperties {
                mosquitto_property_add_string_pair(&properties, Self.id(MQTT_PROP_USER_PROPERTY), name, value)
            }
        }
        return message.body.withUnsafeBytes { body in
            mosquitto_publish_v5(
                handle, &packet, message.topic, Int32(clamping: body.count), body.baseAddress, message.quality, false,
                properties)
        }
    }

    // MARK: In

    private static let connected:
        @convention(c) (OpaquePointer?, UnsafeMutableRawPointer?, Int32, Int32, OpaquePointer?) -> Void = {
            _, context, code, flags, properties in
            guard let replies = registry.value(context) else { return }
            var limit: UInt32 = 0
            var quality: UInt8 = 2
            let hasLimit =
                mosquitto_property_read_int32(properties, id(MQTT_PROP_MAXIMUM_PACKET_SIZE), &limit, false) != nil
            mosquitto_property_read_byte(properties, id(MQTT_PROP_MAXIMUM_QOS), &quality, false)
            replies.connected(
                MQTTReplies.Connack(
                    code: code, isSessionPresent: flags & 1 == 1, maximumPacket: hasLimit ? limit : nil,
                    maximumQuality: quality))
        }

    private static let disconnected:
        @convention(c) (OpaquePointer?, UnsafeMutableRawPointer?, Int32, OpaquePointer?) -> Void = {
            _, context, code, _ in
            registry.value(context)?.disconnected(
                over: UInt(bitPattern: context), "the connection ended: \(words(code))")
        }

    private static let published:
        @convention(c) (OpaquePointer?, UnsafeMutableRawPointer?, Int32, Int32, OpaquePointer?) -> Void = {
            _, context, packet, code, _ in registry.value(context)?.acknowledged(packet, code)
        }

    // MARK: Errors

    private static func id(_ property: mqtt5_property) -> Int32 { Int32(property.rawValue) }

    private static let success = Int32(MOSQ_ERR_SUCCESS.rawValue)

    private static func failed(_ reason: String) -> Answer {
        .failure(TransportFailure(mayHaveArrived: false, reason: reason))
    }

    private static func words(_ code: Int32) -> String { String(cString: mosquitto_strerror(code)) }
}
