import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// What runs the actor of one spool: one job at a time, in order, on whichever thread of its crew is free.
///
/// `@unchecked Sendable`: what waits is in the mutex `state`, `runner` is atomic, and the rest never changes.
final class SerialQueue: SpoolExecutor, @unchecked Sendable {
    private enum Work: Sendable {
        case job(UnownedJob)
        case closure(@Sendable () -> Void)
    }
    private struct State {
        var waiting: [Work] = []
        /// It is with the crew: waiting there, or running.
        var isScheduled = false
    }

    let name: String
    private let crew: ThreadCrew
    private let state = Mutex(State())
    /// The thread that runs it; 0: none.
    private let runner = Atomic<UInt>(0)

    init(_ name: String, crew: ThreadCrew) {
        self.name = name
        self.crew = crew
    }

    func enqueue(_ job: consuming ExecutorJob) { add(.job(UnownedJob(job))) }
    func submit(_ closure: @escaping @Sendable () -> Void) { add(.closure(closure)) }

    func runAndWait(_ closure: @escaping @Sendable () -> Void) {
        precondition(runner.load(ordering: .acquiring) != pthread_self(), "a queue does not wait for itself")
        let done = DoneSignal()
        submit {
            closure()
            done.set()
        }
        done.wait()
    }

    /// The crew ends, not one of its queues.
    func stop() {}

    /// Lets a closure from `submit` use `assumeIsolated`.
    func checkIsolated() {
        precondition(runner.load(ordering: .acquiring) == pthread_self(), "not on the spool's queue")
    }

    private func add(_ work: Work) {
        let isNew = state.withLock { state in
            state.waiting.append(work)
            defer { state.isScheduled = true }
            return !state.isScheduled
        }
        if isNew { crew.schedule(self) }
    }

    /// Runs what waits now, on the calling thread. Whatever comes meanwhile waits for the queue's next turn, behind the
    /// other queues.
    ///
    /// - Parameter begin: called before each piece of work.
    func run(begin: () -> Void) {
        let work = state.withLock { state in
            defer { state.waiting = [] }
            return state.waiting
        }
        runner.store(pthread_self(), ordering: .releasing)
        for item in work {
            begin()
            switch item {
            case .job(let job): job.runSynchronously(on: asUnownedSerialExecutor())
            case .closure(let closure): closure()
            }
        }
        runner.store(0, ordering: .releasing)
        let hasMore = state.withLock { state in
            state.isScheduled = !state.waiting.isEmpty
            return state.isScheduled
        }
        if hasMore { crew.schedule(self) }
    }
}
