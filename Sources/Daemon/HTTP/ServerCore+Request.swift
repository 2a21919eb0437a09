import CHTTPServer
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// The way of one request, on the thread of its connection.
extension ServerCore {
    /// A refused body up to this size is read and thrown away, so that the connection can be kept.
    private static let discardedBodyBytes = 1 << 20
    /// What a chunked body may run over its limit before the connection is cut.
    private static let overrunBytes = 64 << 10

    func begin(_ head: RequestHead, _ raw: OpaquePointer, _ connection: Connection) -> Exchange {
        let match = router.match(method: head.method, path: head.path)
        var route: Route?
        if case .route(let found) = match { route = found }
        let exchange = Exchange(raw, head: head, route: route, connection: connection)
        exchange.refusal = refusal(of: head, match, exchange)
        activeExchanges.add(1, ordering: .acquiringAndReleasing)
        connection.begin(exchange)
        // After `begin`, so that either we see the flag or whoever set it sees the exchange.
        if isStopping.load(ordering: .sequentiallyConsistent) { exchange.stopWaiting() }
        return exchange
    }

    private func refusal(of head: RequestHead, _ match: Router.Match, _ exchange: Exchange) -> Reply? {
        if !exchange.connection.hasTarget {
            return .closing(.problem(400, "the request's target has a blank in it, or an odd host"))
        }
        let headLimit = settings.maximumHeaderBytes
        guard exchange.connection.targetBytes + head.lineBytes <= headLimit else {
            return .closing(.problem(431, "line and headers are larger than the \(headLimit) bytes allowed"))
        }
        if let fault = head.framingFault { return .closing(.problem(400, fault)) }
        if isDraining.load(ordering: .sequentiallyConsistent) {
            return .closing(.problem(503, "the server is shutting down", retryAfterSeconds: 5))
        }
        let route: Route
        switch match {
        case .route(let found): route = found
        case .unknownPath: return .problem(404, "there is nothing at \(head.shownPath)")
        case .otherMethods(let allowed):
            var reply = Reply.problem(405, "\(head.shownPath) takes \(allowed.joined(separator: ", "))")
            reply.headers.append(("Allow", allowed.joined(separator: ", ")))
            return reply
        }
        let bodyLimit = route.maximumBodyBytes ?? settings.maximumBodyBytes
        exchange.maximumBodyBytes = bodyLimit
        if let length = head.contentLength, length > bodyLimit { return ServerCore.tooLarge(bodyLimit) }
        switch route.preflight?(head) {
        case .refused(let reply): return reply
        case .admitted(let ticket): exchange.ticket = ticket
        case nil: break
        }
        return nil
    }

    static func tooLarge(_ limit: Int) -> Reply {
        .closing(.problem(413, "the body is larger than the \(limit) bytes allowed; send smaller requests"))
    }

    func headersArrived(_ exchange: Exchange, _ raw: OpaquePointer) -> MHD_Result {
        let head = exchange.head
        if let refusal = exchange.refusal {
            let isSmall = !head.isChunked && (head.contentLength ?? 0) <= ServerCore.discardedBodyBytes
            // A sender that waits for "100 Continue" must not be told to go on.
            if refusal.closes || !(isSmall || head.isChunked) || head.header("expect") != nil {
                exchange.end()
                return queue(.closing(refusal), exchange, raw)
            }
        }
        exchange.connection.enter(.body(isStreamed: exchange.route?.isStreamed ?? false))
        guard exchange.refusal == nil, let route = exchange.route else { return .YES }
        switch route.body {
        case .gathered:
            exchange.body = takeBuffer()
            // A claimed length is only a claim: a big one earns its memory as it arrives.
            exchange.body.reserveCapacity(min(head.contentLength ?? 0, ServerCore.discardedBodyBytes))
        case .streamed(let make):
            exchange.stream = make(head, exchange.ticket, Responder(exchange))
        }
        return .YES
    }

    func bodyArrived(_ exchange: Exchange, _ piece: UnsafeRawBufferPointer) -> MHD_Result {
        exchange.receivedBytes += piece.count
        exchange.connection.progress(piece.count, enough: settings.streamProgressBytes)
        if exchange.refusal != nil || exchange.hasReply { return discard(exchange, piece.count) }
        if exchange.receivedBytes > exchange.maximumBodyBytes {
            exchange.refusal = ServerCore.tooLarge(exchange.maximumBodyBytes)
            recycle(&exchange.body)
            return discard(exchange, piece.count)
        }
        if let stream = exchange.stream {
            if stream.receive(piece) == .pause { exchange.pause() }
            return .YES
        }
        if let refusal = exchange.ticket?.admit(bodyBytes: exchange.receivedBytes) {
            exchange.refusal = refusal
            recycle(&exchange.body)
            return discard(exchange, piece.count)
        }
        exchange.body.append(contentsOf: piece)
        return .YES
    }

    /// Throws away what comes after a refusal, as long as it is little; then the answer is said on the bare socket,
    /// because libmicrohttpd takes none in the middle of a body.
    private func discard(_ exchange: Exchange, _ bytes: Int) -> MHD_Result {
        exchange.discardedBytes += bytes
        let isTooLarge = exchange.refusal?.status == 413
        let limit = isTooLarge ? ServerCore.overrunBytes : ServerCore.discardedBodyBytes
        if exchange.discardedBytes <= limit { return .YES }
        guard let reply = exchange.refusal ?? exchange.replyNow() else { return .NO }
        exchange.status = reply.status
        exchange.connection.cut(saying: reply, requestID: exchange.head.requestID)
        return .NO
    }

    /// The request is complete, or its answer has come.
    func goOn(_ exchange: Exchange, _ raw: OpaquePointer) -> MHD_Result {
        if !exchange.isBodyComplete {
            exchange.isBodyComplete = true
            exchange.connection.enter(.answering)
            if exchange.refusal == nil { dispatch(exchange) }
        }
        guard let reply = exchange.refusal ?? exchange.replyOrSuspend() else { return .YES }
        return queue(reply, exchange, raw)
    }

    private func dispatch(_ exchange: Exchange) {
        if let stream = exchange.stream {
            // An answer before the end of the body means that nobody asks for the rest.
            if exchange.hasReply { stream.abandon() } else { stream.finish() }
        } else if case .gathered(let handler)? = exchange.route?.body {
            handler(
                IncomingRequest(head: exchange.head, body: exchange.body, ticket: exchange.ticket), Responder(exchange))
            // The memory is free for the next request while this one waits for its answer.
            recycle(&exchange.body)
        }
        exchange.ticket = nil
    }

    private func queue(_ reply: Reply, _ exchange: Exchange, _ raw: OpaquePointer) -> MHD_Result {
        exchange.end()
        exchange.status = reply.status
        let closes =
            reply.closes || isDraining.load(ordering: .sequentiallyConsistent) || isAskedToLeave(exchange.connection)
        if closes { exchange.connection.linger() }
        exchange.connection.enter(.sending)
        guard let response = reply.response(for: exchange.head, closes: closes) else { return .NO }
        defer { MHD_destroy_response(response) }
        return MHD_queue_response(raw, UInt32(reply.status), response)
    }
}

extension Route {
    var isStreamed: Bool {
        if case .streamed = body { return true }
        return false
    }
}

extension Reply {
    static func closing(_ reply: Reply) -> Reply {
        var reply = reply
        reply.closes = true
        return reply
    }

    /// libmicrohttpd's form of it; nil when there is no memory.
    fileprivate func response(for head: RequestHead, closes: Bool) -> OpaquePointer? {
        let content: [UInt8]
        var contentType: String?
        switch body {
        case .none: content = []
        case .bytes(let bytes, let type): (content, contentType) = (bytes, type)
        case .problem(let problem):
            (content, contentType) = (problem.rendered(requestID: head.requestID), Problem.contentType)
        }
        let created = content.withUnsafeBytes { bytes in
            // Copied at once: MHD_RESPMEM_MUST_COPY never writes to the buffer it is given.
            MHD_create_response_from_buffer(
                bytes.count, UnsafeMutableRawPointer(mutating: bytes.baseAddress), .RESPMEM_MUST_COPY)
        }
        guard let response = created else { return nil }
        if let contentType { MHD_add_response_header(response, "Content-Type", contentType) }
        MHD_add_response_header(response, "X-Request-Id", head.requestID)
        MHD_add_response_header(response, "traceparent", head.traceParent)
        for header in headers { MHD_add_response_header(response, header.name, header.value) }
        if closes { MHD_add_response_header(response, "Connection", "close") }
        return response
    }
}
