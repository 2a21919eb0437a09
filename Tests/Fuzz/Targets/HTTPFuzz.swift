import Forwarder
import Metrics

@testable import Daemon

#if canImport(Glibc)
    import Glibc
#endif

extension FuzzTarget {
    /// What a stranger sends to the port, byte for byte, to the real server: it answers in HTTP or not at all, and goes on.
    static let httpRequest = FuzzTarget("http_request", maximumBytes: 1024, seeds: { HTTPSeeds.requests }) { bytes in
        let answer = try HTTPBench.shared.exchange(bytes)
        try require(
            answer.isEmpty || answer.starts(with: Array("HTTP/1.".utf8)),
            "an answer is HTTP: \(String(decoding: answer.prefix(80), as: UTF8.self))")
        try require(
            !answer.starts(with: Array("HTTP/1.1 500".utf8)), "no request makes the server fail")
    }

    /// What headers and parameters are taken apart into, without a server: each on a line of the input.
    static let httpFields = FuzzTarget("http_fields", maximumBytes: 1024, seeds: { HTTPSeeds.fields }) { bytes in
        let lines = FuzzInput(bytes).split(10)
        let texts = lines.map { String(decoding: $0, as: UTF8.self) }
        func text(_ index: Int) -> String { index < texts.count ? texts[index] : "" }
        for media in texts {
            let type = MediaType(media)
            try require(type.name == type.name.lowercased(), "a type is in lower case")
            _ = ContentCoding(header: media)
            _ = LinePrecision(name: media)
            _ = ListenAddress(media)
            let id = RequestIdentity.requestID(media)
            try require((1...RequestIdentity.maximumIDBytes).contains(id.utf8.count), "a request id is short")
            let trace = RequestIdentity.traceParent(media)
            try require(RequestIdentity.isTraceParent(trace), "a trace parent is well formed")
        }
        let form = FormEncoding.decode(Array(bytes))
        try require(form.count <= bytes.count, "no more parameters than bytes")
        let head = RequestHead(
            method: text(0), path: text(1), query: form,
            headers: [("authorization", text(2)), ("content-length", text(3)), ("transfer-encoding", text(4))],
            peer: Peer(text: "127.0.0.1:1", isLocal: true), requestID: "", traceParent: "", isChunked: false)
        _ = head.framingFault
        _ = HTTPBench.router.match(method: head.method, path: head.path)
        let credential = Credential(of: head, allowingParameters: true)
        let tenant = try? HTTPBench.access.tenant(of: credential, isLocal: true, named: nil, database: text(5))
        let isKnown = [.token("right"), .user("u", password: "right")].contains(credential)
        let isTokenAsPassword = if case .user(_, password: "right") = credential { true } else { false }
        try require(tenant == nil || isKnown || isTokenAsPassword, "only the secret opens the door: \(credential)")
    }
}

private enum HTTPSeeds {
    static let requests: [[UInt8]] = [
        "GET /-/ready?a=b&c=%20 HTTP/1.1\r\nHost: x\r\nX-Request-Id: abc\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nAuthorization: Bearer right\r\n\r\nabc",
        "POST /stream HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\nGET /a/b HTTP/1.1\r\nHost: y\r\nContent-Type: a/b; c=\"d\"\r\n\r\n",
    ].map { Array($0.utf8) }

    static let fields: [[UInt8]] = [
        "POST\n/echo\nBearer right\n3\nchunked\nacme", "GET\n/-/ready\nBasic dTpyaWdodA==\n-1\n\n",
        "HEAD\n/a/\nToken u:right\n99999999999999999999\ngzip, chunked\nx",
        "application/json; charset=\"utf-8\"; x\na=b&c=%41+%zz&u=u&p=right\n\n[::1]:80\n00-4bf92f3577b34da6a3ce929d0e0e4736-"
            + "00f067aa0ba902b7-01\n",
    ].map { Array($0.utf8) }
}

/// A running server, and who may use it.
final class HTTPBench: Sendable {
    static let shared = HTTPBench()

    static let routes: [Route] = [
        Route(["GET"], "/-/ready") { _, responder in responder.reply(.text(200, "ready")) },
        Route(["POST"], "/echo", preflight: preflight) { request, responder in
            responder.reply(Reply(status: 200, body: .bytes(request.body, contentType: "application/octet-stream")))
        },
        Route(["GET", "PUT"], "/a/", isPrefix: true) { request, responder in
            responder.reply(.text(200, request.head.path))
        },
        Route(["POST"], "/stream", preflight: preflight, body: .streamed { _, _, responder in Sink(responder) }),
    ]
    static let router = Router(routes)
    static let access: AccessTable = {
        var settings = IngestSettings(tenants: ["acme", "other"], version: "1")
        settings.access = [
            AccessRule(
                tenant: "acme", tokens: [Secret("right")],
                users: [AccessRule.User(name: "u", password: Secret("right"))])
        ]
        return AccessTable(settings)
    }()

    @Sendable private static func preflight(_ head: RequestHead) -> Admission {
        let credential = Credential(of: head, allowingParameters: true)
        do throws(AccessTable.Denial) {
            _ = try access.tenant(of: credential, isLocal: head.peer.isLocal, named: head.header("x-scope-orgid"))
            _ = MediaType(head.header("content-type") ?? "")
            return .admitted(nil)
        } catch {
            return .refused(.denied(error))
        }
    }

    private final class Sink: BodyStream {
        private let responder: Responder
        init(_ responder: Responder) { self.responder = responder }
        func receive(_ bytes: UnsafeRawBufferPointer) -> StreamStep { .proceed }
        func finish() { responder.reply(.noContent) }
        func abandon() {}
    }

    private let server: HTTPServer

    private init() {
        do {
            var settings = HTTPServerSettings(address: .tcp(host: "127.0.0.1", port: 0))
            // An end that arrives together with the bytes before it is seen when the connection has been silent so long.
            settings.idleTimeout = .seconds(1)
            settings.headerTimeout = .seconds(1)
            settings.bodyTimeout = .seconds(1)
            server = try HTTPServer(settings: settings, routes: HTTPBench.routes, events: { _ in })
        } catch {
            preconditionFailure("no server: \(error)")
        }
    }

    /// Sends everything, says that nothing more comes, and reads to the end.
    func exchange(_ bytes: UnsafeRawBufferPointer) throws -> [UInt8] {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = server.port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let isConnected = withUnsafeBytes(of: &address) { bytes -> Bool in
            guard let base = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self) else { return false }
            return connect(descriptor, base, socklen_t(bytes.count)) == 0
        }
        try require(isConnected, "the server takes connections")
        // Closed at once, without the wait that would use up the ports.
        var linger = Glibc.linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var sent = 0
        while sent < bytes.count {
            let count = send(
                descriptor, bytes.baseAddress?.advanced(by: sent), bytes.count - sent, Int32(MSG_NOSIGNAL))
            if count <= 0 { break }
            sent += count
        }
        // The end is news of its own: after an answer, or when there is none to come.
        var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        _ = poll(&waiting, 1, 5)
        shutdown(descriptor, Int32(SHUT_WR))
        var answer: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4096)
        while answer.count < 1 << 20 {
            let count = recv(descriptor, &piece, piece.count, 0)
            if count < 0 { try require(errno == ECONNRESET, "the server ends the connection: errno \(errno)") }
            if count <= 0 { break }
            answer.append(contentsOf: piece[..<count])
        }
        return answer
    }
}
