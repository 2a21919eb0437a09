import CHTTPServer
import Synchronization
import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// A server that cannot start: which address, and why.
struct HTTPServerError: Error, Sendable, CustomStringConvertible { var description: String }

/// One listener with its threads, over libmicrohttpd.
/// <https://www.gnu.org/software/libmicrohttpd/manual/libmicrohttpd.html>
///
/// Limits are in `HTTPServerSettings`. A request moves: headers (framing check, route, preflight), body (gathered or
/// streamed), handler, then, while the answer is somebody else's work, the connection sleeps.
final class HTTPServer: Sendable {
    /// After the drain's limit, how long the 503s have to get out.
    private static let lastWords = Duration.seconds(2)

    private struct Running: @unchecked Sendable {
        // Used by `drain` alone, which takes it out of the mutex.
        var daemon: OpaquePointer
    }
    let address: ListenAddress
    /// The port in use: what the system chose when port 0 was asked for; 0 for a Unix socket.
    let port: UInt16
    /// libmicrohttpd's, from start to stop.
    private let listener: Int32
    /// Places of each of libmicrohttpd's threads: it divides them.
    private let placesPerThread: Int
    private let threads: Int
    private let core: ServerCore
    private let running: Mutex<Running?>

    /// Starts to listen and to answer.
    init(
        settings: HTTPServerSettings, routes: [Route], events: @escaping EventSink,
        observe: @escaping @Sendable (AnsweredRequest) -> Void = { _ in }
    ) throws(HTTPServerError) {
        PanicLog.install()
        let (listener, port) = try settings.address.listen()
        self.listener = listener
        self.port = port
        address = settings.address
        core = ServerCore(settings: settings, routes: routes, events: events, observe: observe)
        var options = holdfast_http_options()
        options.listen_socket = listener
        options.threads = UInt32(max(1, settings.threads))
        // Beyond these nobody is accepted, and waits in the kernel's queue. libmicrohttpd wants at least one a thread.
        let places = settings.maximumConnections + Crowd.reserve(of: settings.maximumConnections)
        options.connections = UInt32(clamping: max(places, settings.threads))
        placesPerThread = Int(options.connections / options.threads)
        threads = Int(options.threads)
        options.idle_seconds = UInt32(clamping: max(1, settings.idleTimeout.components.seconds + 1))
        // Half of it is the read buffer that must hold the headers.
        options.connection_memory_bytes = settings.maximumHeaderBytes * 2
        options.context = Unmanaged.passUnretained(core).toOpaque()
        options.handle = handleRequest
        options.completed = requestCompleted
        options.connected = connectionChanged
        options.request_line = requestLineRead
        options.log = logMessage
        guard let daemon = holdfast_http_start(&options) else {
            close(listener)
            throw HTTPServerError(description: "cannot serve on \(settings.address): libmicrohttpd did not start")
        }
        running = Mutex(Running(daemon: daemon))
        core.reaper.start(core)
    }

    deinit { drain(limit: .zero) }

    /// Connections now open.
    var connections: Int { core.connections.withLock { $0.all.count } }
    /// Connections that were closed since start to make room for others.
    var displacedConnections: Int { core.displaced.load(ordering: .relaxed) }

    /// Takes no new connections, answers what is under way, then closes; what has no answer within `limit` gets a 503.
    /// Blocks: call it from a thread that may wait. Calling it again does nothing.
    func drain(limit: Duration) {
        guard let daemon = running.withLock({ $0.take() })?.daemon else { return }
        core.isDraining.store(true, ordering: .sequentiallyConsistent)
        stopListening()
        if case .unix(let path) = address { unlink(path) }
        if !awaitQuiet(limit) {
            core.isStopping.store(true, ordering: .sequentiallyConsistent)
            stopWaiting()
            _ = awaitQuiet(HTTPServer.lastWords)
        }
        core.isStopping.store(true, ordering: .sequentiallyConsistent)
        // libmicrohttpd aborts when it is stopped with a suspended connection.
        stopWaiting()
        MHD_stop_daemon(daemon)
        core.reaper.stop()
    }

    /// Shuts the listening socket under libmicrohttpd, which keeps its number, and puts an event counter that nobody raises
    /// in its place, to be waited on in vain and closed at the end.
    ///
    /// `MHD_quiesce_daemon` is what the manual has for this. It takes the socket out of each thread's epoll set while that
    /// thread, seeing the same flag, does so too; whoever comes second fails, and libmicrohttpd aborts the process
    /// (daemon.c of 0.9.75, "Failed to remove listen FD from epoll set"). A thread takes it out by itself as well, when the
    /// last of its places is taken: it must not find something else under that number then. So the socket is shut first, from
    /// when on places only become free, and stays where it is when a thread may have none left; other threads are woken by
    /// it for nothing until the drain is over.
    private func stopListening() {
        shutdown(listener, Int32(SHUT_RDWR))
        // Of each thread one connection may be counted here and not there, or the other way round.
        guard connections + 2 * threads < placesPerThread else { return }
        let silence = EventCounter()
        let result = dup2(silence.descriptor, listener)
        precondition(result == listener, "both descriptors are open, and dup2 needs nothing else")
        _ = fcntl(listener, F_SETFD, FD_CLOEXEC)
    }

    private func stopWaiting() {
        for connection in core.connections.withLock({ Array($0.all.values) }) { connection.exchange?.stopWaiting() }
    }

    private func awaitQuiet(_ limit: Duration) -> Bool {
        core.drained.reset()
        if core.activeExchanges.load(ordering: .sequentiallyConsistent) == 0 { return true }
        return core.drained.wait(limit: limit)
    }
}
