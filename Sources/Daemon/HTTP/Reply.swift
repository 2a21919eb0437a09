/// An answer on its way out. The server adds `X-Request-Id`, `traceparent`, `Date` and `Content-Length`.
struct Reply: Sendable {
    enum Body: Sendable {
        case none
        case bytes([UInt8], contentType: String)
        /// Rendered as `application/problem+json` with the request id in it.
        case problem(Problem)
    }
    var status: Int
    var headers: [(name: String, value: String)] = []
    var body: Body = .none
    /// Whether the connection ends with this answer.
    var closes = false

    init(status: Int, headers: [(name: String, value: String)] = [], body: Body = .none) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    static let noContent = Reply(status: 204)

    static func text(_ status: Int, _ text: String, contentType: String = "text/plain; charset=utf-8") -> Reply {
        Reply(status: status, body: .bytes(Array(text.utf8), contentType: contentType))
    }

    static func json(_ status: Int, _ bytes: [UInt8]) -> Reply {
        Reply(status: status, body: .bytes(bytes, contentType: "application/json"))
    }

    /// - Parameter detail: what is wrong, where, and what to do, for people.
    static func problem(_ status: Int, _ detail: String, retryAfterSeconds: Int? = nil) -> Reply {
        var reply = Reply(status: status, body: .problem(Problem(status: status, detail: detail)))
        if let retryAfterSeconds { reply.headers.append(("Retry-After", String(retryAfterSeconds))) }
        return reply
    }
}
