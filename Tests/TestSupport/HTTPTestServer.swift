import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// A small real HTTP/1.1 server on loopback, one thread a connection, whose answers and faults a test scripts.
///
/// It keeps every request it read, and lives until `stop`.
public final class HTTPTestServer: Sendable {
    public struct Request: Sendable {
        public var method: String
        /// Path and query as sent.
        public var target: String
        /// Names in lower case.
        public var headers: [String: String]
        public var body: [UInt8]
        /// Connections are counted from 0.
        public var connection: Int
        public var text: String { String(decoding: body, as: UTF8.self) }
    }

    public indirect enum Action: Sendable {
        case reply(Int, headers: [(String, String)] = [], body: [UInt8] = [])
        case chunked(Int, [[UInt8]])
        /// These bytes, then the end of the connection.
        case raw([UInt8])
        /// The request was read; the connection is reset without an answer.
        case reset
        /// A head that promises `bytes` of body, and all of them.
        case huge(Int, bytes: Int)
        /// One byte of the body every `everyMilliseconds`.
        case slow(Int, body: [UInt8], everyMilliseconds: Int)
        case wait(HTTPTestGate, then: Action)

        public static func text(_ status: Int, _ text: String) -> Action { .reply(status, body: Array(text.utf8)) }
    }

    /// What happens to a connection before a request of it is read.
    public enum Admission: Sendable {
        case serve
        /// Reset at once.
        case reset
        /// Reset after the request's head: its body is never read.
        case resetAfterHead
    }

    /// Called with each request and its number, counted from 0, on a connection's thread.
    public typealias Script = @Sendable (Request, Int) -> Action

    struct State {
        var requests: [Request] = []
        var admission = Admission.serve
        var connections = 0
        var waiters: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
        var threads: [pthread_t] = []
        var isStopped = false
    }

    let script: Mutex<Script>
    let state = Mutex(State())
    let stopGate = HTTPTestGate()
    private let listener: Int32
    /// 0 for a Unix socket.
    public let port: Int
    public let unixSocket: String?
    private let keepsBodies: Bool

    /// - Parameters:
    ///   - unixSocket: a path to listen on instead of a loopback port.
    ///   - keepsBodies: whether `requests` has them; a long load of them would take all memory.
    public init(
        port: Int = 0, unixSocket: String? = nil, keepsBodies: Bool = true,
        _ script: @escaping Script = { _, _ in .reply(204) }
    ) throws {
        self.keepsBodies = keepsBodies
        self.script = Mutex(script)
        self.unixSocket = unixSocket
        (listener, self.port) = try HTTPTestServer.listen(port: port, unixSocket: unixSocket)
        try spawn { server in server.acceptAll() }
    }

    deinit {
        stopGate.open()
        Glibc.close(listener)
    }

    public var url: String { "http://127.0.0.1:\(port)" }
    public var requests: [Request] { state.withLock { $0.requests } }
    /// How many connections were accepted so far.
    public var connections: Int { state.withLock { $0.connections } }

    public func answer(_ script: @escaping Script) { self.script.withLock { $0 = script } }
    public func admit(_ admission: Admission) { state.withLock { $0.admission = admission } }

    /// Returns once `count` requests have been read.
    public func received(_ count: Int) async {
        await withCheckedContinuation { continuation in
            let isThere = state.withLock { state in
                if state.requests.count >= count || state.isStopped { return true }
                state.waiters.append((count, continuation))
                return false
            }
            if isThere { continuation.resume() }
        }
    }

    /// Ends every connection; the port refuses from now on.
    public func stop() {
        stopGate.open()
        let waiters = state.withLock { state in
            state.isStopped = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.continuation.resume() }
        // Who accepts may have begun another before it ends.
        while true {
            let threads = state.withLock { state in
                defer { state.threads = [] }
                return state.threads
            }
            if threads.isEmpty { break }
            for thread in threads { pthread_join(thread, nil) }
        }
        shutdown(listener, Int32(SHUT_RDWR))
    }

    func record(_ request: Request) -> Int {
        var kept = request
        if !keepsBodies { kept.body = [] }
        let (number, ready) = state.withLock { [kept] state in
            state.requests.append(kept)
            let count = state.requests.count
            let ready = state.waiters.filter { $0.count <= count }
            state.waiters.removeAll { $0.count <= count }
            return (count - 1, ready)
        }
        for waiter in ready { waiter.continuation.resume() }
        return number
    }

    // MARK: Threads

    private func acceptAll() {
        while HTTPTestConnection.waitReadable(listener, orStopped: stopGate) {
            let socket = accept(listener, nil, nil)
            guard socket >= 0 else { continue }
            let (number, admission) = state.withLock { state in
                state.connections += 1
                return (state.connections - 1, state.admission)
            }
            do {
                try spawn { server in
                    HTTPTestConnection(socket: socket, number: number, server: server).serve(admission)
                }
            } catch {
                Glibc.close(socket)
            }
        }
    }

    private final class Job {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    private func spawn(_ body: @escaping @Sendable (HTTPTestServer) -> Void) throws {
        let context = Unmanaged.passRetained(Job { body(self) })
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, nil,
            { context in
                if let context { Unmanaged<Job>.fromOpaque(context).takeRetainedValue().run() }
                return nil
            }, context.toOpaque())
        guard failure == 0 else {
            context.release()
            throw HTTPTestServerError(what: "pthread_create", code: failure)
        }
        state.withLock { $0.threads.append(thread) }
    }
}

public struct HTTPTestServerError: Error, CustomStringConvertible {
    var what: String
    var code: Int32
    public var description: String { "\(what): \(String(cString: strerror(code)))" }
}

extension HTTPTestServer {
    static func listen(port: Int, unixSocket: String?) throws -> (Int32, Int) {
        let socket = Glibc.socket(unixSocket == nil ? AF_INET : AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        guard socket >= 0 else { throw HTTPTestServerError(what: "socket", code: errno) }
        var yes: Int32 = 1
        setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        do {
            let bound =
                if let unixSocket { try bind(socket, path: unixSocket) } else { try bind(socket, port: port) }
            guard Glibc.listen(socket, 128) == 0 else { throw HTTPTestServerError(what: "listen", code: errno) }
            return (socket, bound)
        } catch {
            Glibc.close(socket)
            throw error
        }
    }

    private static func bind(_ socket: Int32, port: Int) throws -> Int {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        return try withUnsafeMutableBytes(of: &address) { bytes in
            guard let generic = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self),
                Glibc.bind(socket, generic, length) == 0, getsockname(socket, generic, &length) == 0
            else { throw HTTPTestServerError(what: "bind", code: errno) }
            return Int(UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
        }
    }

    private static func bind(_ socket: Int32, path: String) throws -> Int {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let text = Array(path.utf8)
        guard text.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw HTTPTestServerError(what: path, code: ENAMETOOLONG)
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: text) }
        unlink(path)
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        try withUnsafeMutableBytes(of: &address) { bytes in
            guard let generic = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self),
                Glibc.bind(socket, generic, length) == 0
            else { throw HTTPTestServerError(what: "bind \(path)", code: errno) }
        }
        return 0
    }
}
