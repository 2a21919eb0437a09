@testable import Daemon

#if canImport(Glibc)
    import Glibc
#endif

/// A socket that says exactly what a test tells it to.
///
/// `@unchecked`: at most one thread sends while one receives; the buffer belongs to the receiver.
final class RawClient: @unchecked Sendable {
    struct ClientError: Error { var call: String }
    let descriptor: Int32
    private var buffered: [UInt8] = []

    /// Connects to the loopback address.
    init(port: UInt16) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let result = withUnsafeBytes(of: &address) { bytes -> Int32 in
            guard let base = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self) else { return -1 }
            return connect(descriptor, base, socklen_t(bytes.count))
        }
        guard result == 0 else { throw ClientError(call: "connect") }
        setTimeout(seconds: 20)
    }

    init(unixPath: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { target in
            for (index, byte) in unixPath.utf8.enumerated() { target[index] = byte }
        }
        let result = withUnsafeBytes(of: &address) { bytes -> Int32 in
            guard let base = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self) else { return -1 }
            return connect(descriptor, base, socklen_t(bytes.count))
        }
        guard result == 0 else { throw ClientError(call: "connect") }
        setTimeout(seconds: 20)
    }

    deinit { close(descriptor) }

    /// A test that waits for ever is no test.
    private func setTimeout(seconds: Int) {
        var limit = timeval(tv_sec: seconds, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    func send(_ text: String) throws { try send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.send(descriptor, buffer.baseAddress?.advanced(by: sent), bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw ClientError(call: "send") }
            sent += count
        }
    }

    func endOfSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    struct Response {
        var status: Int
        var headers: [String: String]
        var body: String
        subscript(name: String) -> String? { headers[name] }
    }

    /// Reads one response with its body; interim 1xx answers are skipped.
    func receive(toHead: Bool = false) throws -> Response {
        while true {
            let head = try receiveHead()
            guard head.status >= 200 else { continue }
            let length = toHead ? 0 : Int(head.headers["content-length"] ?? "0") ?? 0
            while buffered.count < length { try fill() }
            let body = String(decoding: buffered.prefix(length), as: UTF8.self)
            buffered.removeFirst(length)
            return Response(status: head.status, headers: head.headers, body: body)
        }
    }

    /// Everything until the server ends the connection.
    func receiveAll() -> String {
        while (try? fill()) != nil {}
        defer { buffered = [] }
        return String(decoding: buffered, as: UTF8.self)
    }

    private func receiveHead() throws -> (status: Int, headers: [String: String]) {
        let end = Array("\r\n\r\n".utf8)
        while true {
            if let at = buffered.indices.first(where: { buffered[$0...].starts(with: end) }) {
                let lines = String(decoding: buffered[..<at], as: UTF8.self).split(separator: "\r\n")
                buffered.removeFirst(at + 4)
                var headers: [String: String] = [:]
                for line in lines.dropFirst() {
                    let parts = line.split(separator: ":", maxSplits: 1)
                    headers[parts[0].lowercased()] = parts.count > 1 ? String(parts[1].drop { $0 == " " }) : ""
                }
                let status = lines.first?.split(separator: " ").dropFirst().first.flatMap { Int($0) }
                return (status ?? 0, headers)
            }
            try fill()
        }
    }

    private func fill() throws {
        var piece = [UInt8](repeating: 0, count: 64 << 10)
        let count = recv(descriptor, &piece, piece.count, 0)
        guard count > 0 else { throw ClientError(call: count == 0 ? "end of stream" : "recv") }
        buffered.append(contentsOf: piece.prefix(count))
    }

    /// Whether the server has closed its side: true at an end or a reset, false when bytes come or time runs out.
    func isClosed() -> Bool {
        if !buffered.isEmpty { return false }
        var byte: UInt8 = 0
        let count = recv(descriptor, &byte, 1, 0)
        return count == 0 || (count < 0 && errno == ECONNRESET)
    }

    func request(
        _ method: String, _ path: String, headers: [String] = [], body: [UInt8]? = nil
    ) throws -> Response {
        try sendRequest(method, path, headers: headers, body: body)
        return try receive(toHead: method == "HEAD")
    }

    func sendRequest(_ method: String, _ path: String, headers: [String] = [], body: [UInt8]? = nil) throws {
        var text = "\(method) \(path) HTTP/1.1\r\nHost: test\r\n"
        for header in headers { text += header + "\r\n" }
        if let body { text += "Content-Length: \(body.count)\r\n" }
        try send(Array((text + "\r\n").utf8) + (body ?? []))
    }
}
