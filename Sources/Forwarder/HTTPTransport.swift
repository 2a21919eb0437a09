import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// Every HTTP connection this process opens: one thread owns libcurl's multi handle, any task hands it requests.
///
/// Connections are kept and reused. The thread starts with the first request and ends with `close`, or with the last
/// reference to the transport.
public final class HTTPTransport: Sendable {
    private let inbox = TransferInbox()
    private let nextID = Atomic<UInt64>(1)
    private let thread = Mutex<pthread_t?>(nil)
    private let isClosed = Atomic(false)
    /// Answers in place of the network; nil: the network does.
    private let standIn: (@Sendable (HTTPRequest) async -> Answer)?

    private let maximumConnections: Int?

    /// - Parameter maximumConnections: to all hosts together; further requests wait. nil: no limit but that of a host.
    public init(maximumConnections: Int? = nil) {
        self.maximumConnections = maximumConnections
        standIn = nil
    }

    /// For simulations: no connection is ever opened.
    init(standIn: @escaping @Sendable (HTTPRequest) async -> Answer) {
        maximumConnections = nil
        self.standIn = standIn
    }

    deinit { close() }

    /// One request, one answer. Redirects are not followed: a POST must not become a GET elsewhere.
    ///
    /// Cancelling the task aborts the transfer; the answer is then a failure that tells whether bytes had left.
    public func perform(_ request: HTTPRequest) async -> Answer {
        if let standIn { return await standIn(request) }
        guard start() else { return MultiLoop.notStarted }
        let id = nextID.wrappingAdd(1, ordering: .relaxed).newValue
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let submission = TransferInbox.Submission(id: id, request: request) {
                    continuation.resume(returning: $0)
                }
                guard inbox.submit(submission) else { return continuation.resume(returning: MultiLoop.notStarted) }
                // A cancellation from before the submission found nothing to cancel.
                if Task.isCancelled { inbox.cancel(id) }
            }
        } onCancel: {
            inbox.cancel(id)
        }
    }

    /// Aborts what is running, answers it as failed, and ends the thread. Requests after it fail at once.
    public func close() {
        guard !isClosed.exchange(true, ordering: .acquiringAndReleasing) else { return }
        inbox.close()
        let running = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        if let running { pthread_join(running, nil) }
    }

    /// - Returns: whether the thread runs.
    private func start() -> Bool {
        thread.withLock { thread in
            if isClosed.load(ordering: .acquiring) { return false }
            if thread != nil { return true }
            guard let loop = MultiLoop(inbox: inbox, maximumConnections: maximumConnections) else { return false }
            let context = Unmanaged.passRetained(loop)
            var created = pthread_t()
            let failure = pthread_create(
                &created, nil,
                { context in
                    guard let context else { return nil }
                    Unmanaged<MultiLoop>.fromOpaque(context).takeRetainedValue().run()
                    return nil
                }, context.toOpaque())
            guard failure == 0 else {
                context.release()
                return false
            }
            thread = created
            return true
        }
    }
}
