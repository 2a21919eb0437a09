import CHTTPServer
import Synchronization
import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// A request that has been answered, for logs and metrics.
struct AnsweredRequest: Sendable {
    var method: String
    /// The route's path, a bounded set; empty when there was none.
    var route: String
    var status: Int
    var bodyBytes: Int
    var nanoseconds: Int64
    var requestID: String
    var peer: String
}

/// What the callbacks of one server share.
final class ServerCore: Sendable {
    let settings: HTTPServerSettings
    let router: Router
    let events: EventSink
    let observe: @Sendable (AnsweredRequest) -> Void
    let connections = Mutex(OpenConnections())
    /// How many connections end with their next answer, because the listener is full of busy ones.
    let leaveAfterAnswer = Atomic<Int>(0)
    /// Connections that made room for others, since start.
    let displaced = Atomic<Int>(0)
    let activeExchanges = Atomic<Int>(0)
    let isDraining = Atomic<Bool>(false)
    let isStopping = Atomic<Bool>(false)
    /// Rises by one whenever the last exchange of a draining server ends.
    let drained = EventCounter()
    let reaper: Reaper
    private let buffers = Mutex<[[UInt8]]>([])
    private static let pooledBuffers = 8
    private static let pooledBufferBytes = 2 << 20

    init(
        settings: HTTPServerSettings, routes: [Route], events: @escaping EventSink,
        observe: @escaping @Sendable (AnsweredRequest) -> Void
    ) {
        self.settings = settings
        self.router = Router(routes)
        self.events = events
        self.observe = observe
        self.reaper = Reaper()
    }

    func takeBuffer() -> [UInt8] { buffers.withLock { $0.popLast() } ?? [] }

    func recycle(_ buffer: inout [UInt8]) {
        guard buffer.capacity > 0, buffer.capacity <= ServerCore.pooledBufferBytes else {
            buffer = []
            return
        }
        buffer.removeAll(keepingCapacity: true)
        let kept = buffer
        buffer = []
        buffers.withLock { if $0.count < ServerCore.pooledBuffers { $0.append(kept) } }
    }

    func ended(_ exchange: Exchange) {
        if activeExchanges.subtract(1, ordering: .acquiringAndReleasing).newValue == 0,
            isDraining.load(ordering: .acquiring)
        {
            drained.raise()
        }
        observe(
            AnsweredRequest(
                method: exchange.head.method, route: exchange.route?.path ?? "", status: exchange.status,
                bodyBytes: exchange.receivedBytes, nanoseconds: MonotonicTime.now() - exchange.startedAt,
                requestID: exchange.head.requestID, peer: exchange.head.peer.text))
    }
}

/// A kernel counter that a thread can wait for. <https://man7.org/linux/man-pages/man2/eventfd.2.html>
final class EventCounter: Sendable {
    let descriptor: Int32

    init() {
        descriptor = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        precondition(descriptor >= 0, "a process that cannot have one more descriptor cannot serve")
    }
    deinit { close(descriptor) }

    func raise() { eventfd_write(descriptor, 1) }
    func reset() {
        var value: eventfd_t = 0
        eventfd_read(descriptor, &value)
    }

    /// Whether it was raised within `limit`.
    func wait(limit: Duration) -> Bool {
        let deadline = MonotonicTime.now() &+ limit.nanoseconds
        while true {
            let rest = max(0, deadline - MonotonicTime.now())
            var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let result = poll(&entry, 1, Int32(clamping: (rest + 999_999) / 1_000_000))
            if result > 0 { return true }
            if result == 0, MonotonicTime.now() >= deadline { return false }
        }
    }
}
