import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// One accepted connection of an `HTTPTestServer`, on a thread of its own.
final class HTTPTestConnection {
    private let socket: Int32
    private let number: Int
    private let server: HTTPTestServer
    private var buffer: [UInt8] = []
    private var mustReset = false

    init(socket: Int32, number: Int, server: HTTPTestServer) {
        self.socket = socket
        self.number = number
        self.server = server
    }

    deinit {
        if mustReset {
            // A linger time of 0 sends RST instead of FIN: what a crashed or overloaded server looks like.
            var linger = linger(l_onoff: 1, l_linger: 0)
            setsockopt(socket, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
        }
        close(socket)
    }

    func serve(_ admission: HTTPTestServer.Admission) {
        if case .reset = admission {
            mustReset = true
            return
        }
        while let head = readHead() {
            if case .resetAfterHead = admission {
                mustReset = true
                return
            }
            guard let request = readRequest(head) else { return }
            let number = server.record(request)
            let script = server.script.withLock { $0 }
            guard perform(script(request, number)) else { return }
        }
    }

    // MARK: Reading

    /// - Returns: the head without its empty line, or nil when the peer or the server is done.
    private func readHead() -> String? {
        let end = Array("\r\n\r\n".utf8)
        while true {
            if let found = buffer.firstRange(of: end) {
                let head = String(decoding: buffer[..<found.lowerBound], as: UTF8.self)
                buffer.removeSubrange(..<found.upperBound)
                return head
            }
            guard buffer.count < 1 << 20, fill() else { return nil }
        }
    }

    private func readRequest(_ head: String) -> HTTPTestServer.Request? {
        let lines = head.split(separator: "\r\n", omittingEmptySubsequences: false)
        let start = (lines.first ?? "").split(separator: " ")
        guard start.count == 3 else { return nil }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { return nil }
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            headers[line[..<colon].lowercased()] = String(value)
        }
        guard let body = readBody(headers) else { return nil }
        return HTTPTestServer.Request(
            method: String(start[0]), target: String(start[1]), headers: headers, body: body, connection: number)
    }

    private func readBody(_ headers: [String: String]) -> [UInt8]? {
        if headers["transfer-encoding"]?.lowercased() == "chunked" { return readChunks() }
        return take(Int(headers["content-length"] ?? "0") ?? 0)
    }

    private func readChunks() -> [UInt8]? {
        var body: [UInt8] = []
        while let line = readLine() {
            guard let count = Int(line.prefix { $0 != ";" }, radix: 16), let chunk = take(count) else { return nil }
            body += chunk
            guard readLine() != nil else { return nil }
            if count == 0 { return body }
        }
        return nil
    }

    private func readLine() -> String? {
        while true {
            if let found = buffer.firstRange(of: Array("\r\n".utf8)) {
                let line = String(decoding: buffer[..<found.lowerBound], as: UTF8.self)
                buffer.removeSubrange(..<found.upperBound)
                return line
            }
            guard fill() else { return nil }
        }
    }

    private func take(_ count: Int) -> [UInt8]? {
        while buffer.count < count { guard fill() else { return nil } }
        defer { buffer.removeFirst(count) }
        return Array(buffer[..<count])
    }

    private func fill() -> Bool {
        guard HTTPTestConnection.waitReadable(socket, orStopped: server.stopGate) else { return false }
        var piece = [UInt8](repeating: 0, count: 64 << 10)
        let count = recv(socket, &piece, piece.count, 0)
        guard count > 0 else { return false }
        buffer += piece[..<count]
        return true
    }

    // MARK: Answering

    /// - Returns: whether the connection goes on.
    private func perform(_ action: HTTPTestServer.Action) -> Bool {
        switch action {
        case .reply(let status, let headers, let body):
            // RFC 9112 section 6.3: these have no body and no length.
            let isBodiless = status == 204 || status == 304
            let length = isBodiless ? [] : [("Content-Length", "\(body.count)")]
            return send(head(status, headers + length) + (isBodiless ? [] : body))
        case .chunked(let status, let chunks):
            var bytes = head(status, [("Transfer-Encoding", "chunked")])
            for chunk in chunks + [[]] {
                bytes += Array((String(chunk.count, radix: 16) + "\r\n").utf8) + chunk + Array("\r\n".utf8)
            }
            return send(bytes)
        case .raw(let bytes):
            _ = send(bytes)
            return false
        case .reset:
            mustReset = true
            return false
        case .huge(let status, let bytes): return sendHuge(status, bytes)
        case .slow(let status, let body, let pause): return sendSlowly(status, body, pause)
        case .wait(let gate, let next):
            return HTTPTestConnection.waitReadable(gate.readEnd, orStopped: server.stopGate) && perform(next)
        }
    }

    private func sendHuge(_ status: Int, _ bytes: Int) -> Bool {
        guard send(head(status, [("Content-Length", "\(bytes)")])) else { return false }
        let piece = [UInt8](repeating: UInt8(ascii: "x"), count: 64 << 10)
        var left = bytes
        while left > 0 {
            guard send(Array(piece.prefix(left))) else { return false }
            left -= min(left, piece.count)
        }
        return true
    }

    private func sendSlowly(_ status: Int, _ body: [UInt8], _ pause: Int) -> Bool {
        guard send(head(status, [("Content-Length", "\(body.count)")])) else { return false }
        for byte in body {
            var stop = pollfd(fd: server.stopGate.readEnd, events: Int16(POLLIN), revents: 0)
            guard poll(&stop, 1, Int32(pause)) == 0, send([byte]) else { return false }
        }
        return true
    }

    private func head(_ status: Int, _ headers: [(String, String)]) -> [UInt8] {
        let lines = ["HTTP/1.1 \(status) Scripted"] + headers.map { "\($0.0): \($0.1)" }
        return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
    }

    private func send(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            var state = [
                pollfd(fd: socket, events: Int16(POLLOUT), revents: 0),
                pollfd(fd: server.stopGate.readEnd, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&state, 2, -1) > 0, state[1].revents == 0 else { return false }
            let count = bytes.withUnsafeBytes { bytes in
                Glibc.send(
                    socket, bytes.baseAddress?.advanced(by: sent), bytes.count - sent,
                    Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
            }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    /// - Returns: false when the server stops first.
    static func waitReadable(_ descriptor: Int32, orStopped stop: HTTPTestGate) -> Bool {
        var state = [
            pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: stop.readEnd, events: Int16(POLLIN), revents: 0),
        ]
        while poll(&state, 2, -1) < 0 { guard errno == EINTR else { return false } }
        return state[1].revents == 0 && state[0].revents != 0
    }
}
