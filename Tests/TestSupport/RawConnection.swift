#if canImport(Glibc)
    import Glibc
#endif

/// A client's socket that says exactly what a test tells it to.
///
/// `@unchecked`: a test uses it from one task at a time.
public final class RawConnection: @unchecked Sendable {
    public struct Failure: Error, CustomStringConvertible {
        public var call: String
        public var code: Int32
        public var description: String { "\(call): \(code == 0 ? "end of stream" : String(cString: strerror(code)))" }
    }

    public struct Answer: Sendable {
        public var status: Int
        /// Names in lower case.
        public var headers: [String: String]
        public var body: String
    }

    private var socket: Int32
    private var buffered: [UInt8] = []

    /// - Parameter receiveSeconds: how long a read may wait; a test that waits for ever is no test.
    public init(port: Int, receiveSeconds: Int = 60) throws(Failure) {
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { throw Failure(call: "socket", code: errno) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        var limit = timeval(tv_sec: receiveSeconds, tv_usec: 0)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        guard result == 0 else {
            let code = errno
            close()
            throw Failure(call: "connect", code: code)
        }
    }

    deinit { close() }

    public func close() {
        if socket >= 0 { Glibc.close(socket) }
        socket = -1
    }

    /// Ends with RST instead of FIN.
    public func reset() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(socket, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
        close()
    }

    public func endOfSending() { shutdown(socket, Int32(SHUT_WR)) }

    public func send(_ text: String) throws(Failure) { try send(Array(text.utf8)) }

    public func send(_ bytes: [UInt8]) throws(Failure) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.send(socket, buffer.baseAddress?.advanced(by: sent), bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Failure(call: "send", code: errno) }
            sent += count
        }
    }

    /// One answer with its body; interim ones are skipped.
    public func receive() throws(Failure) -> Answer {
        while true {
            let (status, headers) = try receiveHead()
            guard status >= 200 else { continue }
            let length = headers["content-length"].flatMap { Int($0) } ?? 0
            while buffered.count < length { try fill() }
            let body = String(decoding: buffered.prefix(length), as: UTF8.self)
            buffered.removeFirst(length)
            return Answer(status: status, headers: headers, body: body)
        }
    }

    /// Status and headers of the next answer, an interim one as well.
    public func receiveHead() throws(Failure) -> (status: Int, headers: [String: String]) {
        while true {
            if let end = buffered.firstRange(of: Array("\r\n\r\n".utf8)) {
                let lines = String(decoding: buffered[..<end.lowerBound], as: UTF8.self).split(separator: "\r\n")
                buffered.removeSubrange(..<end.upperBound)
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

    /// Everything until the other side ends the connection.
    public func receiveAll() -> String {
        while (try? fill()) != nil {}
        defer { buffered = [] }
        return String(decoding: buffered, as: UTF8.self)
    }

    private func fill() throws(Failure) {
        var piece = [UInt8](repeating: 0, count: 64 << 10)
        let count = recv(socket, &piece, piece.count, 0)
        guard count > 0 else { throw Failure(call: "recv", code: count == 0 ? 0 : errno) }
        buffered += piece[..<count]
    }

    public func request(
        _ method: String, _ path: String, headers: [String] = [], body: [UInt8] = []
    ) throws(Failure) -> Answer {
        try send(RawConnection.request(method, path, headers: headers, body: body))
        return try receive()
    }

    public static func request(
        _ method: String, _ path: String, headers: [String] = [], body: [UInt8] = []
    ) -> [UInt8] {
        let lines = ["\(method) \(path) HTTP/1.1", "Host: test"] + headers + ["Content-Length: \(body.count)"]
        return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8) + body
    }
}
