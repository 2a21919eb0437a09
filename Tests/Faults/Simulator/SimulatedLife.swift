import TestSupport
import WALStore

/// One process of the simulated node, from its start to its end: its tasks, its spools' executors, its sleeps. A process
/// that is killed stops between two jobs, or at a call to the disk; nothing of it runs afterwards.
///
/// `@unchecked Sendable`: used on the simulation's one thread only.
final class SimulatedLife: @unchecked Sendable {
    let scheduler: SimulatedScheduler
    private(set) var isDead = false
    /// Work by executor; the first is that of the tasks.
    private var queues: [[SimulatedScheduler.Work]] = [[]]
    private var executors: [SimulatedExecutor] = []
    private(set) lazy var tasks = SimulatedTasks(life: self)
    /// Which executor runs, for `assumeIsolated`.
    fileprivate var running: SimulatedExecutor?
    /// What the process had: tasks that nobody will ever resume hold it too.
    private var remains: [AnyObject] = []

    init(_ scheduler: SimulatedScheduler) { self.scheduler = scheduler }

    var scheduling: Scheduling {
        Scheduling(
            tasks: tasks, sleep: { [unowned self] in try await sleep($0) },
            monotonic: { [unowned self] in scheduler.now },
            makeExecutor: { [unowned self] in makeExecutor() })
    }

    /// Ends it at once.
    func kill(remains: [AnyObject]) {
        isDead = true
        queues = []
        self.remains = remains
    }

    // MARK: Work

    private func makeExecutor() -> SimulatedExecutor {
        queues.append([])
        let executor = SimulatedExecutor(life: self, queue: queues.count - 1)
        executors.append(executor)
        return executor
    }

    func add(_ work: SimulatedScheduler.Work, to queue: Int) {
        scheduler.checkThread()
        if !isDead { queues[queue].append(work) }
    }

    /// Takes what runs next: the oldest of a spool's executor, any of the tasks.
    func next(_ random: inout SeededGenerator) -> (SimulatedScheduler.Work, queue: Int)? {
        let ready = queues.indices.filter { !queues[$0].isEmpty }
        guard !ready.isEmpty else { return nil }
        let queue = ready[Int(random.next() % UInt64(ready.count))]
        let index = queue == 0 ? Int(random.next() % UInt64(queues[0].count)) : 0
        return (queues[queue].remove(at: index), queue)
    }

    func run(_ work: SimulatedScheduler.Work, _ queue: Int) {
        running = queue == 0 ? nil : executors[queue - 1]
        defer { running = nil }
        switch work {
        case .closure(let closure): closure()
        case .job(let job):
            if queue == 0 {
                job.runSynchronously(on: tasks.asUnownedTaskExecutor())
            } else {
                job.runSynchronously(on: executors[queue - 1].asUnownedSerialExecutor())
            }
        }
    }

    /// Starts a task of the process.
    func begin(_ body: @escaping @Sendable () async -> Void) { Task(executorPreference: tasks) { await body() } }

    // MARK: Sleep

    /// `@unchecked Sendable`: on the simulation's thread only.
    private final class Sleeper: @unchecked Sendable {
        var timer: UInt64 = 0
        var continuation: UnsafeContinuation<Void, any Error>?
        func end(_ result: Result<Void, any Error>) {
            continuation?.resume(with: result)
            continuation = nil
        }
    }

    private func sleep(_ duration: Duration) async throws {
        let sleeper = Sleeper()
        let (seconds, attoseconds) = duration.components
        let nanoseconds = seconds * 1_000_000_000 + attoseconds / 1_000_000_000
        try await withTaskCancellationHandler {
            try await withUnsafeThrowingContinuation { continuation in
                sleeper.continuation = continuation
                if Task.isCancelled { return sleeper.end(.failure(CancellationError())) }
                sleeper.timer = scheduler.after(nanoseconds, life: self) { sleeper.end(.success(())) }
            }
        } onCancel: {
            if scheduler.takeBack(sleeper.timer) { sleeper.end(.failure(CancellationError())) }
        }
    }
}

/// Where the tasks of a simulated process run.
final class SimulatedTasks: TaskExecutor, @unchecked Sendable {
    // `@unchecked Sendable`: the life is used on the simulation's thread only, which `add` checks.
    private unowned let life: SimulatedLife
    init(life: SimulatedLife) { self.life = life }
    func enqueue(_ job: consuming ExecutorJob) { life.add(.job(UnownedJob(job)), to: 0) }
}

/// What a thread of the store is in a simulation.
final class SimulatedExecutor: SpoolExecutor, @unchecked Sendable {
    // `@unchecked Sendable`: as above.
    private unowned let life: SimulatedLife
    private let queue: Int

    init(life: SimulatedLife, queue: Int) {
        self.life = life
        self.queue = queue
    }

    func enqueue(_ job: consuming ExecutorJob) { life.add(.job(UnownedJob(job)), to: queue) }
    func submit(_ closure: @escaping @Sendable () -> Void) { life.add(.closure(closure), to: queue) }

    /// Whoever waits holds the only thread: the closure runs now. Only a reader's disconnect is done so, between reads.
    func runAndWait(_ closure: @escaping @Sendable () -> Void) {
        let before = life.running
        life.running = self
        defer { life.running = before }
        closure()
    }

    func stop() {}

    func checkIsolated() { precondition(life.running === self, "not on the spool's executor") }
}
