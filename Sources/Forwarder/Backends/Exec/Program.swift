import CProcess
import Synchronization
import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// A program that is kept running, and what asks it. Its thread starts with the first request; with the last reference to it
/// the program sees the end of its input, and is killed when it does not end.
final class Program: Sendable {
    private let inbox: ProgramInbox
    private let nextID = Atomic<UInt64>(1)
    private let thread = Mutex(false)
    private let make: @Sendable (ProgramInbox) -> ProgramLoop

    /// - Parameter concurrency: how many requests it may have and not have answered.
    init(
        name: String, command: ProgramCommand, times: ProgramTimes, concurrency: Int, environment: BackendEnvironment
    ) {
        inbox = ProgramInbox()
        make = {
            ProgramLoop(
                name: name, command: command, times: times, concurrency: concurrency, environment: environment,
                inbox: $0)
        }
    }

    /// The thread is not waited for: it may wait for the program.
    deinit { inbox.close() }

    /// One request, one reply. Cancelling the task ends the wait.
    func ask(_ request: ProgramRequest) async -> ProgramReply {
        guard inbox.isUsable, start() else { return Self.notStarted }
        let id = nextID.wrappingAdd(1, ordering: .relaxed).oldValue
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let submission = ProgramInbox.Submission(id: id, request: request) {
                    continuation.resume(returning: $0)
                }
                guard inbox.submit(submission) else { return continuation.resume(returning: Self.notStarted) }
                // A cancellation from before the submission found nothing to cancel.
                if Task.isCancelled { inbox.cancel(id) }
            }
        } onCancel: {
            inbox.cancel(id)
        }
    }

    private static let notStarted = ProgramReply.failure(
        TransportFailure(mayHaveArrived: false, reason: "no thread for the program"))

    private func start() -> Bool {
        thread.withLock { isRunning in
            if isRunning { return true }
            let context = Unmanaged.passRetained(make(inbox))
            var handle = pthread_t()
            let code = pthread_create(
                &handle, nil,
                { context in
                    if let context { Unmanaged<ProgramLoop>.fromOpaque(context).takeRetainedValue().run() }
                    return nil
                }, context.toOpaque())
            guard code == 0 else {
                context.release()
                return false
            }
            pthread_detach(handle)
            isRunning = true
            return true
        }
    }
}

/// Where requests wait for the program's thread, and what wakes it.
final class ProgramInbox: Sendable {
    struct Submission: Sendable {
        var id: UInt64
        var request: ProgramRequest
        /// Called once, on the program's thread.
        var completion: ProgramTalk.Completion
    }

    struct Content: Sendable {
        var submissions: [Submission] = []
        var cancellations: [UInt64] = []
        var isClosing = false
    }

    private let content = Mutex(Content())
    /// <https://man7.org/linux/man-pages/man2/eventfd.2.html>
    let wakeup: Int32 = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))

    deinit { if wakeup >= 0 { Glibc.close(wakeup) } }

    var isUsable: Bool { wakeup >= 0 }

    /// - Returns: false when it is closed; the submission is then nobody's.
    func submit(_ submission: Submission) -> Bool {
        let isTaken = content.withLock { content in
            if content.isClosing { return false }
            content.submissions.append(submission)
            return true
        }
        if isTaken { eventfd_write(wakeup, 1) }
        return isTaken
    }

    func cancel(_ id: UInt64) {
        content.withLock { $0.cancellations.append(id) }
        eventfd_write(wakeup, 1)
    }

    func close() {
        content.withLock { $0.isClosing = true }
        eventfd_write(wakeup, 1)
    }

    func take() -> Content {
        var raised: eventfd_t = 0
        eventfd_read(wakeup, &raised)
        return content.withLock { content in
            defer { content = Content(isClosing: content.isClosing) }
            return content
        }
    }
}
