import CHTTPServer
import Synchronization
import WALStore

#if canImport(Glibc)
    import Glibc
#endif

// What libmicrohttpd calls, each on the thread of the connection in question. Nothing here waits.

private func core(_ context: UnsafeMutableRawPointer?) -> ServerCore? {
    context.map { Unmanaged<ServerCore>.fromOpaque($0).takeUnretainedValue() }
}

private func connectionObject(_ context: UnsafeMutableRawPointer?) -> Connection? {
    context.map { Unmanaged<Connection>.fromOpaque($0).takeUnretainedValue() }
}

/// A socket was accepted, or is about to be closed. The socket's context holds our `Connection`.
func connectionChanged(
    _ context: UnsafeMutableRawPointer?, _ raw: OpaquePointer?,
    _ socketContext: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, _ code: MHD_ConnectionNotificationCode
) {
    guard let core = core(context), let raw, let socketContext else { return }
    if code == .CONNECTION_NOTIFY_STARTED {
        let connection = Connection(descriptor: holdfast_http_descriptor(raw), peer: Peer(of: raw))
        socketContext.pointee = Unmanaged.passRetained(connection).toOpaque()
        let concernsReaper = core.connections.withLock { connections in
            connections.insert(connection)
            return connections.all.count == 1 || connections.isCrowded(by: connection, core.settings)
        }
        if concernsReaper { core.reaper.notice() }
    } else if let pointer = socketContext.pointee {
        socketContext.pointee = nil
        let connection = Unmanaged<Connection>.fromOpaque(pointer).takeRetainedValue()
        core.connections.withLock { $0.remove(connection) }
        if let descriptor = connection.close() { core.reaper.linger(descriptor) }
    }
}

/// The request line is read: from here the headers have their deadline.
func requestLineRead(
    _ context: UnsafeMutableRawPointer?, _ uri: UnsafePointer<CChar>?, _ raw: OpaquePointer?
) -> UnsafeMutableRawPointer? {
    guard let raw, let connection = connectionObject(holdfast_http_socket_context(raw)) else { return nil }
    connection.enter(.headers)
    connection.targetRead(isTarget: uri.map(HeadLine.isTarget) ?? false, bytes: uri.map { strlen($0) } ?? 0)
    return nil
}

/// The headers are complete, a piece of body has come, the body is complete, or a suspended connection goes on.
func handleRequest(
    _ context: UnsafeMutableRawPointer?, _ raw: OpaquePointer?, _ url: UnsafePointer<CChar>?,
    _ method: UnsafePointer<CChar>?, _ version: UnsafePointer<CChar>?, _ bytes: UnsafePointer<CChar>?,
    _ byteCount: UnsafeMutablePointer<Int>?, _ requestContext: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> MHD_Result {
    guard let core = core(context), let raw, let byteCount, let requestContext else { return .NO }
    guard let pointer = requestContext.pointee else {
        guard let connection = connectionObject(holdfast_http_socket_context(raw)), !connection.isCut else {
            return .NO
        }
        let head = RequestHead(raw, url: url, method: method, version: version, peer: connection.peer)
        let exchange = core.begin(head, raw, connection)
        requestContext.pointee = Unmanaged.passRetained(exchange).toOpaque()
        return core.headersArrived(exchange, raw)
    }
    let exchange = Unmanaged<Exchange>.fromOpaque(pointer).takeUnretainedValue()
    if exchange.connection.isCut { return .NO }
    if exchange.isSuspended { return .YES }
    if byteCount.pointee > 0 {
        let piece = UnsafeRawBufferPointer(start: bytes, count: byteCount.pointee)
        byteCount.pointee = 0
        return core.bodyArrived(exchange, piece)
    }
    return core.goOn(exchange, raw)
}

/// The answer is sent, or the connection broke.
func requestCompleted(
    _ context: UnsafeMutableRawPointer?, _ raw: OpaquePointer?,
    _ requestContext: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, _ reason: MHD_RequestTerminationCode
) {
    guard let core = core(context), let pointer = requestContext?.pointee else { return }
    requestContext?.pointee = nil
    let exchange = Unmanaged<Exchange>.fromOpaque(pointer).takeRetainedValue()
    exchange.end()
    if let stream = exchange.stream, !exchange.isBodyComplete { stream.abandon() }
    // A stream holds its responder, which holds the exchange: the circle ends here.
    (exchange.stream, exchange.ticket) = (nil, nil)
    core.recycle(&exchange.body)
    exchange.connection.end()
    core.ended(exchange)
}

/// libmicrohttpd's own complaints, mostly about peers.
func logMessage(_ context: UnsafeMutableRawPointer?, _ format: UnsafePointer<CChar>?, _ arguments: CVaListPointer?) {
    guard let core = core(context), let format, let arguments else { return }
    var text = [CChar](repeating: 0, count: 512)
    vsnprintf(&text, text.count, format, arguments)
    let message = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    core.events(Event(.debug, "The HTTP library has a remark", ["http.remark": message]))
}

extension Peer {
    fileprivate init(of raw: OpaquePointer) {
        guard let address = holdfast_http_peer(raw) else {
            self.init(text: "unix", isLocal: true)
            return
        }
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN) + 1)
        switch Int32(address.pointee.sa_family) {
        case AF_INET:
            address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { v4 in
                var bits = v4.pointee.sin_addr
                inet_ntop(AF_INET, &bits, &text, socklen_t(text.count))
            }
            let host = Peer.string(text)
            self.init(text: "\(host):\(Peer.port(address))", isLocal: host.hasPrefix("127."))
        case AF_INET6:
            address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { v6 in
                var bits = v6.pointee.sin6_addr
                inet_ntop(AF_INET6, &bits, &text, socklen_t(text.count))
            }
            let host = Peer.string(text)
            self.init(text: "[\(host)]:\(Peer.port(address))", isLocal: host == "::1")
        default: self.init(text: "unix", isLocal: true)
        }
    }

    private static func string(_ text: [CChar]) -> String {
        String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The port is at the same place in both families.
    private static func port(_ address: UnsafePointer<sockaddr>) -> UInt16 {
        UInt16(bigEndian: UnsafeRawPointer(address).loadUnaligned(fromByteOffset: 2, as: UInt16.self))
    }
}
