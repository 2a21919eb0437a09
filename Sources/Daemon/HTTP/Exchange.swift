import CHTTPServer
import Synchronization

/// One request and its answer.
///
/// The connection is suspended while somebody else works on the answer, and resumed exactly once; after resuming, the
/// connection belongs to libmicrohttpd again. Suspending and resuming happen under the lock together with the fact they
/// stand for, so that an answer which comes early, late or twice finds a state it understands.
///
/// `@unchecked`: the variables below `MARK: Server thread` are used only in libmicrohttpd's callbacks of this
/// connection, which all run on one thread; everything else is constant or in `shared`.
final class Exchange: @unchecked Sendable {
    private enum Suspension { case none, paused, waiting }
    private struct Shared {
        var reply: Reply?
        var suspension = Suspension.none
        var suspendedAt: Int64 = 0
        /// `proceed` came before its pause.
        var mayProceed = false
        /// The answer is queued, or nobody waits for it.
        var isOver = false
        /// No more suspending: the server is about to stop.
        var isStopping = false
    }
    let head: RequestHead
    let route: Route?
    let connection: Connection
    let startedAt = MonotonicTime.now()
    private let raw: OpaquePointer
    private let shared = Mutex(Shared())

    // MARK: Server thread

    var body: [UInt8] = []
    var receivedBytes = 0
    var maximumBodyBytes = 0
    var ticket: (any AdmissionTicket)?
    var stream: (any BodyStream)?
    var isBodyComplete = false
    /// Decided before the body was read; what still comes of it is thrown away.
    var refusal: Reply?
    var discardedBytes = 0
    var status = 0

    init(_ raw: OpaquePointer, head: RequestHead, route: Route?, connection: Connection) {
        self.raw = raw
        self.head = head
        self.route = route
        self.connection = connection
    }

    // MARK: Any thread

    func answer(_ reply: Reply) {
        shared.withLock { shared in
            guard !shared.isOver, shared.reply == nil else { return }
            shared.reply = reply
            resume(&shared)
        }
    }

    func proceed() {
        shared.withLock { shared in
            guard !shared.isOver else { return }
            if shared.suspension == .paused { resume(&shared) } else { shared.mayProceed = true }
        }
    }

    /// Answers 503 in place of somebody who takes too long.
    func giveUp(ifSuspendedBefore limit: Int64) {
        shared.withLock { shared in
            guard !shared.isOver, shared.suspension != .none, shared.suspendedAt < limit else { return }
            if shared.reply == nil { shared.reply = Exchange.tooLate }
            resume(&shared)
        }
    }

    /// From now on this request does not wait: what has no answer gets a 503.
    func stopWaiting() {
        shared.withLock { $0.isStopping = true }
        giveUp(ifSuspendedBefore: .max)
    }

    private func resume(_ shared: inout Shared) {
        guard shared.suspension != .none else { return }
        shared.suspension = .none
        MHD_resume_connection(raw)
    }

    private static let tooLate = Reply.problem(
        503, "the request was not stored in time and may or may not be; send it again", retryAfterSeconds: 5)

    // MARK: Server thread, shared state

    var hasReply: Bool { shared.withLock { $0.reply != nil } }
    /// The answer, if it is here.
    func replyNow() -> Reply? { shared.withLock { $0.reply } }
    /// libmicrohttpd may call once more after a suspend: nothing is to be done then.
    var isSuspended: Bool { shared.withLock { $0.suspension != .none } }

    /// Stops reading until `proceed`, unless that, or the answer, is here already.
    func pause() {
        shared.withLock { shared in
            if shared.isStopping, shared.reply == nil { shared.reply = Exchange.tooLate }
            if shared.mayProceed || shared.reply != nil {
                shared.mayProceed = false
            } else {
                suspend(&shared, .paused)
            }
        }
    }

    /// The answer, if it is here; otherwise the connection sleeps until it is.
    func replyOrSuspend() -> Reply? {
        shared.withLock { shared in
            if shared.isStopping, shared.reply == nil { shared.reply = Exchange.tooLate }
            if let reply = shared.reply {
                shared.isOver = true
                return reply
            }
            suspend(&shared, .waiting)
            return nil
        }
    }

    private func suspend(_ shared: inout Shared, _ suspension: Suspension) {
        shared.suspension = suspension
        shared.suspendedAt = MonotonicTime.now()
        MHD_suspend_connection(raw)
    }

    /// The connection is done with this request: late answers find nobody.
    func end() { shared.withLock { $0.isOver = true } }
}
