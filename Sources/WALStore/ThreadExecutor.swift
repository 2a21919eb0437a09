import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// A serial executor on one thread of its own: SQLite blocks, so its callers stay off the shared pool.
///
/// `@unchecked Sendable`: what waits is in the mutex `queue`, `thread` is atomic, and the rest never changes.
public final class ThreadExecutor: SpoolExecutor, @unchecked Sendable {
    private enum Work: Sendable {
        case job(UnownedJob)
        case closure(@Sendable () -> Void)
    }
    private struct Queue {
        var waiting: [Work] = []
        var isStopped = false
        /// Counts what was added. Whoever posts takes a reference of its own along with adding: the task that waits may
        /// end the executor before the post, and Swift's runtime, which enqueues its jobs, holds none.
        var signal = Semaphore()

        mutating func add(_ work: Work) -> Semaphore {
            waiting.append(work)
            return signal
        }
    }

    private let queue = Mutex(Queue())
    private let thread = Atomic<UInt>(0)

    public init() {
        precondition(start(), "a thread for the spools cannot be started")
    }

    /// Without a thread yet.
    private init(isStarted: Bool) {}

    /// - Returns: nil when the system has no thread for it.
    public static func started() -> ThreadExecutor? {
        let executor = ThreadExecutor(isStarted: false)
        return executor.start() ? executor : nil
    }

    /// - Returns: whether there is a thread.
    private func start() -> Bool {
        let retained = Unmanaged.passRetained(self)
        var handle = pthread_t()
        let code = pthread_create(
            &handle, nil,
            { context in
                if let context { Unmanaged<ThreadExecutor>.fromOpaque(context).takeRetainedValue().loop() }
                return nil
            }, retained.toOpaque())
        guard code == 0 else {
            retained.release()
            return false
        }
        pthread_detach(handle)
        return true
    }

    public func enqueue(_ job: consuming ExecutorJob) { add(.job(UnownedJob(job))) }

    /// Runs `closure` on the thread, after what is queued.
    public func submit(_ closure: @escaping @Sendable () -> Void) { add(.closure(closure)) }

    /// Runs `closure` on the thread, after what is queued, and waits for it. Not to be called on the thread itself.
    public func runAndWait(_ closure: @escaping @Sendable () -> Void) {
        precondition(thread.load(ordering: .acquiring) != pthread_self(), "a thread does not wait for itself")
        let done = DoneSignal()
        submit {
            closure()
            done.set()
        }
        done.wait()
    }

    /// Ends the thread when what is queued has run.
    public func stop() {
        let signal = queue.withLock { queue in
            queue.isStopped = true
            return queue.signal
        }
        signal.post()
    }

    private func add(_ work: Work) {
        let signal = queue.withLock { $0.add(work) }
        signal.post()
    }

    /// Lets a closure from `submit` use `assumeIsolated`.
    public func checkIsolated() {
        precondition(thread.load(ordering: .acquiring) == pthread_self(), "not on the spool's thread")
    }

    private func loop() {
        thread.store(pthread_self(), ordering: .releasing)
        let signal = queue.withLock { $0.signal }
        while true {
            signal.wait()
            let (work, isStopped) = queue.withLock { queue in
                let work = queue.waiting
                queue.waiting.removeAll(keepingCapacity: true)
                return (work, queue.isStopped)
            }
            for item in work {
                switch item {
                case .job(let job): job.runSynchronously(on: asUnownedSerialExecutor())
                case .closure(let closure): closure()
                }
            }
            if isStopped, work.isEmpty { return }
        }
    }
}

/// Set once, waited for once, on a thread that may block.
final class DoneSignal: Sendable {
    private let semaphore = Semaphore()

    func set() { semaphore.post() }
    func wait() { semaphore.wait() }
}
