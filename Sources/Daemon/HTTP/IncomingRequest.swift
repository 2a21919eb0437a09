/// Who sent a request.
struct Peer: Sendable, Hashable {
    /// `192.0.2.7:41234`, `[2001:db8::1]:41234`, or `unix`.
    var text: String
    /// `text` without the port.
    var host: Substring { text.lastIndex(of: ":").map { text[..<$0] } ?? text[...] }
    /// Loopback addresses and Unix sockets: same machine.
    var isLocal: Bool
}

/// A request's line and headers, copied out of the server's memory.
struct RequestHead: Sendable {
    var method: String
    /// Percent-decoded by the server, without the query.
    var path: String
    /// Decoded names and values in their order.
    var query: [(name: String, value: String)]
    /// Names in lower case, in their order.
    var headers: [(name: String, value: String)]
    var peer: Peer
    /// `X-Request-Id` as the sender gave it when it is fit to be repeated, else one we made.
    var requestID: String
    /// W3C `traceparent`: the sender's when it is well formed, else one we made. <https://www.w3.org/TR/trace-context/>
    var traceParent: String
    /// `Content-Length`; nil when there is none, or the body is chunked.
    var contentLength: Int?
    var isChunked: Bool
    /// `HTTP/1.1` or `HTTP/1.0`.
    var version = "HTTP/1.1"
    /// Whether each header stood on one line that ended in CRLF.
    var areLinesWhole = true

    /// The first header of that name, which must be given in lower case.
    func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
    func parameter(_ name: String) -> String? { query.first { $0.name == name }?.value }
}

/// A request whose body has arrived whole.
struct IncomingRequest: Sendable {
    var head: RequestHead
    var body: [UInt8]
    /// What the route's preflight handed over.
    var ticket: (any AdmissionTicket)?
}
