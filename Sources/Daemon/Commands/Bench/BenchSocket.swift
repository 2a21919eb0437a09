import Glibc

/// Where a benchmark sends: taken apart once.
struct BenchTarget {
    let host: String
    let port: UInt16
    let path: String

    /// - Parameter url: `http://HOST:PORT/PATH` with an IPv4 address; TLS is not measured here.
    init?(_ url: String) {
        guard url.hasPrefix("http://") else { return nil }
        let rest = url.dropFirst("http://".count)
        let authority = rest.prefix { $0 != "/" }
        let path = rest.dropFirst(authority.count)
        let parts = authority.split(separator: ":", omittingEmptySubsequences: false)
        guard let host = parts.first, !host.isEmpty, parts.count <= 2 else { return nil }
        guard let port = parts.count == 2 ? UInt16(parts[1]) : 80 else { return nil }
        // Names are not looked up: a resolver is not what is measured.
        self.host = host == "localhost" ? "127.0.0.1" : String(host)
        self.port = port
        self.path = path.isEmpty ? "/" : String(path)
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        guard inet_pton(AF_INET, self.host, &address.sin_addr) == 1 else { return nil }
    }

    fileprivate private(set) var address = sockaddr_in()
}

/// One keep-alive HTTP/1.1 connection that blocks: as little as a client can be, so that the server is what is measured.
struct BenchConnection: ~Copyable {
    private let descriptor: Int32
    private var buffer = [UInt8](repeating: 0, count: 16 << 10)

    init?(_ target: BenchTarget) {
        var address = target.address
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard socket >= 0 else { return nil }
        var on: Int32 = 1
        setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else {
            close(socket)
            return nil
        }
        descriptor = socket
    }

    deinit { close(descriptor) }

    static func head(_ target: BenchTarget, bodyBytes: Int) -> [UInt8] {
        Array(
            """
            POST \(target.path) HTTP/1.1\r
            Host: \(target.host):\(target.port)\r
            User-Agent: holdfast-bench\r
            Content-Type: application/x-protobuf\r
            Content-Encoding: snappy\r
            X-Prometheus-Remote-Write-Version: 0.1.0\r
            Content-Length: \(bodyBytes)\r
            \r

            """.utf8)
    }

    /// Sends one request and waits for its answer.
    ///
    /// - Returns: the status, or nil when the connection broke.
    mutating func exchange(head: [UInt8], body: [UInt8]) -> Int? {
        guard send(head), send(body) else { return nil }
        return answer()
    }

    /// A GET on a connection of its own.
    ///
    /// - Returns: nil when there is no whole answer, or one above a mebibyte.
    static func get(_ target: BenchTarget) -> (status: Int, body: String)? {
        // HTTP/1.0: no chunks, and the end of the answer is that of the connection.
        let head = "GET \(target.path) HTTP/1.0\r\nHost: \(target.host)\r\n\r\n"
        guard let connection = BenchConnection(target), connection.send(Array(head.utf8)) else { return nil }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let received = recv(connection.descriptor, &piece, piece.count, 0)
            guard received >= 0, bytes.count + received <= 1 << 20 else { return nil }
            if received == 0 { break }
            bytes += piece[..<received]
        }
        let text = String(decoding: bytes, as: UTF8.self)
        guard let end = text.firstRange(of: "\r\n\r\n"), let status = Int(text.dropFirst(9).prefix(3)) else {
            return nil
        }
        return (status, String(text[end.upperBound...]))
    }

    private func send(_ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while let start = rest.baseAddress, !rest.isEmpty {
                let sent = Glibc.send(descriptor, start, rest.count, Int32(MSG_NOSIGNAL))
                if sent <= 0 { return false }
                rest = UnsafeRawBufferPointer(rebasing: rest[sent...])
            }
            return true
        }
    }

    private mutating func answer() -> Int? {
        var filled = 0
        while filled < buffer.count {
            let received = buffer.withUnsafeMutableBytes { bytes in
                recv(descriptor, bytes.baseAddress.map { $0 + filled }, bytes.count - filled, 0)
            }
            if received <= 0 { return nil }
            filled += received
            if let whole = BenchAnswer(buffer[..<filled]) { return whole.status }
        }
        return nil
    }
}

/// The part of an HTTP answer that a benchmark needs: whether all of it is there, and its status.
private struct BenchAnswer {
    let status: Int

    init?(_ bytes: ArraySlice<UInt8>) {
        guard bytes.count > 12, let end = BenchAnswer.endOfHead(bytes) else { return nil }
        let head = String(decoding: bytes[..<end], as: UTF8.self).lowercased()
        guard let status = Int(head.dropFirst(9).prefix(3)) else { return nil }
        var length = 0
        for line in head.split(separator: "\r\n") where line.hasPrefix("content-length:") {
            length = Int(line.dropFirst("content-length:".count).drop { $0 == " " }) ?? 0
        }
        guard bytes.count >= end + 4 + length else { return nil }
        self.status = status
    }

    private static func endOfHead(_ bytes: ArraySlice<UInt8>) -> Int? {
        var at = bytes.startIndex
        while at + 3 < bytes.endIndex {
            if bytes[at] == 13, bytes[at + 1] == 10, bytes[at + 2] == 13, bytes[at + 3] == 10 { return at }
            at += 1
        }
        return nil
    }
}
