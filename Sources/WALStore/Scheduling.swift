#if canImport(Glibc)
    import Glibc
#endif

/// How a node's tasks run and wait: on Swift's pool and the system's clock, the spools on threads of their own. A
/// simulation puts all of it on one queue and a clock that jumps, so that one seed decides every turn.
public struct Scheduling: Sendable {
    /// Where tasks run that no actor places; nil: Swift's pool.
    public var tasks: (any TaskExecutor)?
    /// Returns after the time, or throws early when its task is cancelled.
    public var sleep: @Sendable (Duration) async throws -> Void
    /// The clock that `sleep` goes by, nanoseconds: never goes back.
    public var monotonic: @Sendable () -> Int64
    /// Makes one of the executors that spools share; nil: threads of this process run them.
    public var makeExecutor: (@Sendable () -> any SpoolExecutor)?
    /// What is done about a disk that does not answer; only where threads run the spools.
    public var stalls = StallLimits()

    public init(
        tasks: (any TaskExecutor)? = nil,
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) },
        monotonic: @escaping @Sendable () -> Int64 = Scheduling.systemMonotonic,
        makeExecutor: (@Sendable () -> any SpoolExecutor)? = nil
    ) {
        self.tasks = tasks
        self.sleep = sleep
        self.monotonic = monotonic
        self.makeExecutor = makeExecutor
    }

    public static let system = Scheduling()

    @Sendable public static func systemMonotonic() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}

/// What runs the actors of spools and of their readers, one job at a time.
public protocol SpoolExecutor: SerialExecutor {
    /// Runs `closure` after what is queued.
    func submit(_ closure: @escaping @Sendable () -> Void)
    /// Runs `closure` after what is queued, and waits for it. Not to be called by what the executor runs.
    func runAndWait(_ closure: @escaping @Sendable () -> Void)
    /// Ends when what is queued has run.
    func stop()
}

extension SpoolExecutor {
    /// Returns when what is queued now has run.
    func letOthersPass() async {
        await withCheckedContinuation { continuation in submit { continuation.resume() } }
    }
}
