import CCurl
import Synchronization

/// What any thread may leave for the loop: requests, cancellations, the end.
///
/// Calls of libcurl other than `curl_multi_wakeup` happen on the loop's thread alone.
/// <https://curl.se/libcurl/c/curl_multi_wakeup.html>
final class TransferInbox: Sendable {
    struct Submission: Sendable {
        var id: UInt64
        var request: HTTPRequest
        /// Called once, on the loop's thread.
        var completion: @Sendable (Answer) -> Void
    }

    struct Content: Sendable {
        var submissions: [Submission] = []
        var cancellations: [UInt64] = []
        var isClosing = false
    }

    private struct State {
        var content = Content()
        /// Set while the loop runs: `curl_multi_wakeup` must not meet a handle that is gone.
        var multi: UnsafeMutableRawPointer?
    }

    private let state = Mutex(State())

    /// - Returns: false when the loop has ended or is ending; `submission` is then nobody's.
    func submit(_ submission: Submission) -> Bool {
        state.withLock { state in
            guard !state.content.isClosing, let multi = state.multi else { return false }
            state.content.submissions.append(submission)
            curl_multi_wakeup(multi)
            return true
        }
    }

    func cancel(_ id: UInt64) {
        state.withLock { state in
            guard let multi = state.multi else { return }
            state.content.cancellations.append(id)
            curl_multi_wakeup(multi)
        }
    }

    func close() {
        state.withLock { state in
            state.content.isClosing = true
            if let multi = state.multi { curl_multi_wakeup(multi) }
        }
    }

    fileprivate func open(_ address: UInt) {
        state.withLock { $0.multi = UnsafeMutableRawPointer(bitPattern: address) }
    }

    fileprivate func take() -> Content {
        state.withLock { state in
            let content = state.content
            state.content = Content(isClosing: content.isClosing)
            return content
        }
    }

    /// After this nobody submits any more; returns what still came in.
    fileprivate func shut() -> [Submission] {
        state.withLock { state in
            state.multi = nil
            defer { state.content.submissions = [] }
            return state.content.submissions
        }
    }
}

/// The thread that owns libcurl's multi handle, every transfer in it, and the connections kept between them.
final class MultiLoop {
    /// Above what the forwarder sends at once to one backend; a further transfer waits in libcurl.
    static let maximumConnectionsPerHost = 128
    static let maximumIdleConnections = 256

    private let inbox: TransferInbox
    private let multi: UnsafeMutableRawPointer
    private var running: [UInt64: Running] = [:]
    private var ids: [UnsafeMutableRawPointer: UInt64] = [:]

    private struct Running {
        var handle: EasyHandle
        var completion: @Sendable (Answer) -> Void
    }

    init?(inbox: TransferInbox, maximumConnections: Int?) {
        CurlLibrary.prepare()
        guard let multi = curl_multi_init() else { return nil }
        self.inbox = inbox
        self.multi = multi
        holdfast_curl_multi_set_long(multi, CURLMOPT_MAX_HOST_CONNECTIONS, MultiLoop.maximumConnectionsPerHost)
        holdfast_curl_multi_set_long(
            multi, CURLMOPT_MAXCONNECTS, min(MultiLoop.maximumIdleConnections, maximumConnections ?? .max))
        if let maximumConnections {
            holdfast_curl_multi_set_long(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, maximumConnections)
        }
        inbox.open(UInt(bitPattern: multi))
    }

    deinit {
        // Also when the thread could not be started: nobody may wake a handle that is gone.
        _ = inbox.shut()
        curl_multi_cleanup(multi)
    }

    /// Until the inbox is closed; then every transfer is answered with a failure.
    func run() {
        while true {
            let content = inbox.take()
            for submission in content.submissions { start(submission) }
            for id in content.cancellations { abort(id, reason: "cancelled") }
            if content.isClosing { break }
            var active: Int32 = 0
            curl_multi_perform(multi, &active)
            collect()
            // Wakes for sockets, for libcurl's own timers, and for the inbox. A submission since `take` is not missed:
            // its wakeup is remembered. The limit only bounds how long an idle thread sleeps at a stretch.
            curl_multi_poll(multi, nil, 0, 60_000, nil)
        }
        let late = inbox.shut()
        for id in Array(running.keys) { abort(id, reason: "the transport was closed") }
        for submission in late { submission.completion(MultiLoop.notStarted) }
    }

    static let notStarted = Answer.failure(
        TransportFailure(mayHaveArrived: false, reason: "the transport was closed"))

    private func start(_ submission: TransferInbox.Submission) {
        do throws(TransportFailure) {
            let handle = try EasyHandle(submission.request)
            guard curl_multi_add_handle(multi, handle.raw) == CURLM_OK else {
                throw TransportFailure(mayHaveArrived: false, reason: "no memory for another transfer")
            }
            running[submission.id] = Running(handle: handle, completion: submission.completion)
            ids[handle.raw] = submission.id
        } catch {
            submission.completion(.failure(error))
        }
    }

    private func collect() {
        var left: Int32 = 0
        while let message = curl_multi_info_read(multi, &left) {
            guard message.pointee.msg == CURLMSG_DONE, let raw = message.pointee.easy_handle else { continue }
            // Read before the handle is removed: the message goes with it.
            let code = holdfast_curl_message_result(message)
            guard let id = ids[raw], let done = remove(id) else { continue }
            done.completion(done.handle.answer(code))
        }
    }

    private func abort(_ id: UInt64, reason: String) {
        // Unknown when the transfer was done before the cancellation arrived.
        guard let stopped = running[id] else { return }
        let answer = stopped.handle.failure(reason: reason)
        _ = remove(id)
        stopped.completion(answer)
    }

    private func remove(_ id: UInt64) -> Running? {
        guard let transfer = running.removeValue(forKey: id) else { return nil }
        ids[transfer.handle.raw] = nil
        curl_multi_remove_handle(multi, transfer.handle.raw)
        return transfer
    }
}
