import CHTTPServer
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// One accepted socket, from accept to close: whose turn it is, and since when. libmicrohttpd's time-out counts
/// inactivity only, so a sender that drips a byte a second would stay for ever; these are our own deadlines.
final class Connection: Sendable {
    enum Phase: Sendable {
        /// Accepted: the first request's headers are due.
        case fresh
        /// Kept open between requests.
        case idle
        /// A request line has come: the rest of the headers is due.
        case headers
        case body(isStreamed: Bool)
        /// Ours to answer; the exchange has its own deadline.
        case answering
        case sending
        /// We have ended it; libmicrohttpd has yet to notice.
        case cut
        case closed
    }
    private struct State {
        var phase = Phase.fresh
        var since = MonotonicTime.now()
        /// Body bytes since `since`.
        var progressBytes = 0
        /// Whether the request line that came last names one target.
        var hasTarget = true
        var targetBytes = 0
        /// When the peer was first seen gone, with nothing left to read; 0 while it is there.
        var goneSince: Int64 = 0
        var exchange: Exchange?
        /// Read and throw away what still comes, so that our last words are not destroyed by a reset.
        var lingers = false
    }
    let descriptor: Int32
    let peer: Peer
    private let state = Mutex(State())

    init(descriptor: Int32, peer: Peer) {
        self.descriptor = descriptor
        self.peer = peer
    }

    var isCut: Bool {
        state.withLock {
            if case .cut = $0.phase { return true }
            return false
        }
    }
    var exchange: Exchange? { state.withLock { $0.exchange } }
    var hasTarget: Bool { state.withLock { $0.hasTarget } }
    /// Of the target of the request line that came last.
    var targetBytes: Int { state.withLock { $0.targetBytes } }
    func targetRead(isTarget: Bool, bytes: Int) {
        state.withLock { ($0.hasTarget, $0.targetBytes) = (isTarget, bytes) }
    }

    func enter(_ phase: Phase) {
        state.withLock { state in
            if case .cut = state.phase { return }
            state.phase = phase
            state.since = MonotonicTime.now()
            state.progressBytes = 0
            state.goneSince = 0
        }
    }

    func begin(_ exchange: Exchange) { state.withLock { $0.exchange = exchange } }

    func end() {
        state.withLock { $0.exchange = nil }
        enter(.idle)
    }

    /// Counts body bytes; enough of them renew a stream's deadline.
    func progress(_ bytes: Int, enough: Int) {
        state.withLock { state in
            state.goneSince = 0
            guard case .body(let isStreamed) = state.phase else { return }
            state.progressBytes += bytes
            if isStreamed, state.progressBytes >= enough {
                state.progressBytes = 0
                state.since = MonotonicTime.now()
            }
        }
    }

    /// Says `reply` on the bare socket and ends the connection: for answers that cannot be queued, because the request
    /// is not complete.
    ///
    /// Only the sending side is shut down: on a socket that is shut for reading Linux opens the window no more, and the
    /// peer would wait in its own `send` for the minute of `tcp_fin_timeout` (`tcp_cleanup_rbuf` in net/ipv4/tcp.c).
    func cut(saying reply: Reply?, requestID: String) {
        state.withLock { Connection.cut(&$0, descriptor, reply, requestID, Int32(SHUT_WR)) }
    }

    /// - Parameter how: SHUT_RDWR when libmicrohttpd waits for bytes and has to be woken by their end.
    private static func cut(
        _ state: inout State, _ descriptor: Int32, _ reply: Reply?, _ requestID: String, _ how: Int32 = Int32(SHUT_RDWR)
    ) {
        switch state.phase {
        case .cut, .closed: return
        default: state.phase = .cut
        }
        if let reply {
            let bytes = reply.rawResponse(requestID: requestID)
            // One attempt: the answer is short, and a peer that does not read has no claim to it.
            let flags = Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)
            _ = bytes.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, flags) }
            state.lingers = true
        }
        shutdown(descriptor, how)
    }

    /// Ends the connection when its sender has used up its time.
    func enforce(_ settings: HTTPServerSettings, now: Int64) {
        state.withLock { state in
            let age = now - state.since
            let slow = Reply.problem(408, "the request did not arrive in time; send it again")
            let requestID = state.exchange?.head.requestID ?? RequestIdentity.requestID(nil)
            switch state.phase {
            case .fresh, .headers:
                if age > settings.headerTimeout.nanoseconds { Connection.cut(&state, descriptor, slow, requestID) }
                cutIfGone(&state, now, requestID)
            case .body:
                // A stream that we have paused ourselves has its own deadline.
                if state.exchange?.isSuspended == true { return }
                if age > settings.bodyTimeout.nanoseconds { Connection.cut(&state, descriptor, slow, requestID) }
                cutIfGone(&state, now, requestID)
            case .idle, .sending:
                if age > settings.idleTimeout.nanoseconds { Connection.cut(&state, descriptor, nil, requestID) }
            case .answering, .cut, .closed: break
            }
        }
    }

    // MARK: A full listener

    /// How long the connection has kept its place without using it, nanoseconds; nil when it is not to be disturbed,
    /// because its request is complete, or coming at a fair speed, or it came only now.
    func idleFor(now: Int64) -> Int64? { state.withLock { Connection.idleFor($0, now) } }

    /// Whether it still takes one of the listener's places.
    var holdsPlace: Bool {
        state.withLock { state in
            switch state.phase {
            case .cut, .closed: false
            default: true
            }
        }
    }

    /// Ends the connection so that another can come, unless it became busy meanwhile.
    ///
    /// A sender in the middle of a request is told; between requests there is nothing to answer, and a sender has to
    /// expect the end of a kept connection at any time (RFC 9112, 9.5).
    func makeRoom(now: Int64) -> Bool {
        state.withLock { state in
            guard Connection.idleFor(state, now) != nil else { return false }
            var words: Reply?
            switch state.phase {
            case .headers, .body:
                words = .problem(
                    503, "the server is full and this request was the slowest; send it again", retryAfterSeconds: 1)
            default: break
            }
            let requestID = state.exchange?.head.requestID ?? RequestIdentity.requestID(nil)
            Connection.cut(&state, descriptor, words, requestID)
            return true
        }
    }

    /// What a sender may take before its place is asked for by another.
    private enum Patience {
        static let headNanoseconds: Int64 = 500_000_000
        static let bodyNanoseconds: Int64 = 2_000_000_000
        static let bodyBytesPerSecond = 16 << 10
        static let answerNanoseconds: Int64 = 5_000_000_000
    }

    private static func idleFor(_ state: State, _ now: Int64) -> Int64? {
        let age = now - state.since
        switch state.phase {
        case .fresh, .idle, .headers: return age >= Patience.headNanoseconds ? age : nil
        case .body:
            guard age >= Patience.bodyNanoseconds, state.exchange?.isSuspended != true else { return nil }
            let bytesPerSecond = Double(state.progressBytes) / (Double(age) / 1e9)
            return bytesPerSecond < Double(Patience.bodyBytesPerSecond) ? age : nil
        case .sending: return age >= Patience.answerNanoseconds ? age : nil
        case .answering, .cut, .closed: return nil
        }
    }

    // MARK: Gone

    /// How long a request may stand still after its sender left: its last bytes may still be on their way through.
    private static let goneNanoseconds: Int64 = 2_000_000_000
    /// POLLRDHUP, which the headers show to GNU sources only: poll(2).
    private static let peerHungUp: Int16 = 0x2000

    /// libmicrohttpd 0.9.75 does not notice an end of stream that came together with data: its epoll waits for the next
    /// edge. A request whose rest cannot come any more would otherwise stay until its deadline.
    private func cutIfGone(_ state: inout State, _ now: Int64, _ requestID: String) {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN) | Connection.peerHungUp, revents: 0)
        var unread: Int32 = 0
        guard poll(&entry, 1, 0) == 1, entry.revents & (Connection.peerHungUp | Int16(POLLHUP)) != 0,
            ioctl(descriptor, UInt(FIONREAD), &unread) == 0, unread == 0
        else { return }
        if state.goneSince == 0 { state.goneSince = now }
        if now - state.goneSince >= Connection.goneNanoseconds { Connection.cut(&state, descriptor, nil, requestID) }
    }

    func linger() { state.withLock { $0.lingers = true } }

    /// The descriptor is about to be closed: after this nothing here touches it.
    ///
    /// - Returns: a copy of it when the peer should be read out before the socket ends.
    func close() -> Int32? {
        state.withLock { state in
            state.phase = .closed
            state.exchange = nil
            guard state.lingers else { return nil }
            let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
            return copy >= 0 ? copy : nil
        }
    }
}

/// CLOCK_MONOTONIC in nanoseconds.
enum MonotonicTime {
    static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}

extension Duration {
    /// Whole nanoseconds; a duration of centuries is cut to the largest.
    var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? (seconds < 0 ? .min : .max) : product &+ attoseconds / 1_000_000_000
    }
}
