#if canImport(Glibc)
    import Glibc
#endif

extension ListenAddress: CustomStringConvertible {
    /// Reads `HOST:PORT` with a numeric host or `localhost`, `[V6]:PORT`, or `unix:PATH`; nil for anything else.
    init?(_ text: String) {
        if text.hasPrefix("unix:") {
            let path = String(text.dropFirst(5))
            guard !path.isEmpty, path.utf8.count <= ListenAddress.maximumPathBytes else { return nil }
            self = .unix(path: path)
            return
        }
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        if host == "localhost" { host = "127.0.0.1" }
        guard ListenAddress.socketAddress(host, port) != nil else { return nil }
        self = .tcp(host: host, port: port)
    }

    /// Of a socket's path: `sun_path` holds 108 with its final zero, unix(7).
    static let maximumPathBytes = 107

    var description: String {
        switch self {
        case .tcp(let host, let port): return host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): return "unix:\(path)"
        }
    }

    /// Whether only this machine can reach it.
    var isLocal: Bool {
        switch self {
        case .unix: return true
        case .tcp(let host, _): return host.hasPrefix("127.") || host == "::1"
        }
    }

    /// Binds and listens.
    ///
    /// - Returns: the socket, and the port in use (0 for a Unix socket).
    func listen() throws(HTTPServerError) -> (descriptor: Int32, port: UInt16) {
        switch self {
        case .tcp(let host, let port): return try listenTCP(host, port)
        case .unix(let path): return (try listenUnix(path), 0)
        }
    }

    private static func socketAddress(_ host: String, _ port: UInt16) -> (sockaddr_storage, socklen_t)? {
        var storage = sockaddr_storage()
        let length = withUnsafeMutableBytes(of: &storage) { bytes -> socklen_t? in
            guard let base = bytes.baseAddress else { return nil }
            let v4 = base.assumingMemoryBound(to: sockaddr_in.self)
            if inet_pton(AF_INET, host, &v4.pointee.sin_addr) == 1 {
                v4.pointee.sin_family = sa_family_t(AF_INET)
                v4.pointee.sin_port = port.bigEndian
                return socklen_t(MemoryLayout<sockaddr_in>.size)
            }
            let v6 = base.assumingMemoryBound(to: sockaddr_in6.self)
            if inet_pton(AF_INET6, host, &v6.pointee.sin6_addr) == 1 {
                v6.pointee.sin6_family = sa_family_t(AF_INET6)
                v6.pointee.sin6_port = port.bigEndian
                return socklen_t(MemoryLayout<sockaddr_in6>.size)
            }
            return nil
        }
        return length.map { (storage, $0) }
    }

    private func listenTCP(_ host: String, _ port: UInt16) throws(HTTPServerError) -> (Int32, UInt16) {
        guard let (address, length) = ListenAddress.socketAddress(host, port) else {
            throw HTTPServerError(description: "\(self): not a numeric IPv4 or IPv6 address")
        }
        let family = Int32(address.ss_family)
        let descriptor = socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw failure("socket") }
        var one: Int32 = 1
        let oneSize = socklen_t(MemoryLayout<Int32>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, oneSize)
        if family == AF_INET6 { setsockopt(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &one, oneSize) }
        var bound = address
        let result = withUnsafeMutableBytes(of: &bound) { bytes -> Int32 in
            guard let base = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self) else { return -1 }
            guard bind(descriptor, base, length) == 0, Glibc.listen(descriptor, SOMAXCONN) == 0 else { return -1 }
            var size = length
            return getsockname(descriptor, base, &size)
        }
        guard result == 0 else { throw failure("bind", closing: descriptor) }
        let used = withUnsafeBytes(of: &bound) { $0.loadUnaligned(fromByteOffset: 2, as: UInt16.self) }
        return (descriptor, UInt16(bigEndian: used))
    }

    private func listenUnix(_ path: String) throws(HTTPServerError) -> Int32 {
        guard path.utf8.count <= ListenAddress.maximumPathBytes else {
            throw HTTPServerError(
                description: "cannot listen on \(self): its path is too long for a socket (\(path.utf8.count) bytes, "
                    + "\(ListenAddress.maximumPathBytes) at most); set server.admin to a shorter one")
        }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { target in
            for (index, byte) in path.utf8.enumerated() where index < target.count - 1 { target[index] = byte }
        }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw failure("socket") }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let result = withUnsafeBytes(of: &address) { bytes -> Int32 in
            guard let base = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self) else { return -1 }
            // Only a file that is a socket and that nobody answers on is ours to remove.
            if connect(descriptor, base, length) == 0 {
                errno = EADDRINUSE
                return -1
            }
            var status = stat()
            if lstat(path, &status) == 0 {
                // Anything else gives way, and is kept: it must not end the start.
                if status.st_mode & S_IFMT == S_IFSOCK {
                    unlink(path)
                } else {
                    rename(path, "\(path).in-the-way-\(time(nil))")
                }
            }
            // The mode is set on the socket before bind makes the file: there is no moment with a wider one.
            guard fchmod(descriptor, 0o600) == 0, bind(descriptor, base, length) == 0 else { return -1 }
            guard chmod(path, 0o600) == 0 else { return -1 }
            return Glibc.listen(descriptor, SOMAXCONN)
        }
        guard result == 0 else { throw failure("bind", closing: descriptor) }
        return descriptor
    }

    private func failure(_ call: String, closing descriptor: Int32? = nil) -> HTTPServerError {
        let reason = String(cString: strerror(errno))
        if let descriptor { close(descriptor) }
        return HTTPServerError(description: "cannot listen on \(self): \(call): \(reason)")
    }
}
