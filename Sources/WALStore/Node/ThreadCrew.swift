import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// The threads that run the spools of a node, few for any number of them: each takes a queue that has work, runs what
/// waits in it, and takes the next.
///
/// A disk that does not answer holds the thread that asked it, for as long as it likes, and must not hold the spools on
/// other disks: for a thread that has been in one piece of work for longer than `StallLimits.standIn` another one takes
/// its place, until the first is back. A queue is never run by two threads, so each spool stays as serial as it was.
final class ThreadCrew: Sendable {
    /// A queue whose present piece of work takes long.
    struct Stall: Sendable, Equatable {
        var name: String
        var nanoseconds: Int64
    }

    /// What one thread does.
    private final class Post: Sendable {
        let queue: SerialQueue
        /// When its present piece of work began, on the monotonic clock.
        let since: Atomic<Int64>

        init(_ queue: SerialQueue, now: Int64) {
            self.queue = queue
            since = Atomic(now)
        }
        func age(_ now: Int64) -> Int64 { max(0, now - since.load(ordering: .relaxed)) }
    }

    private struct State {
        var ready: [SerialQueue] = []
        var firstReady = 0
        var posts: [ObjectIdentifier: Post] = [:]
        var threads = 0
        var isStopped = false
        /// Counts `ready`, and the threads to end. Whoever posts takes a reference of its own along with adding: what was
        /// added may end the crew before the post, and Swift's runtime, which enqueues its jobs, holds none.
        var work = Semaphore()

        mutating func add(_ queue: SerialQueue) -> Semaphore {
            ready.append(queue)
            return work
        }

        mutating func takeReady() -> SerialQueue? {
            guard firstReady < ready.count else { return nil }
            defer {
                firstReady += 1
                if firstReady == ready.count {
                    ready.removeAll(keepingCapacity: true)
                    firstReady = 0
                } else if firstReady >= 1024, firstReady * 2 > ready.count {
                    ready.removeFirst(firstReady)
                    firstReady = 0
                }
            }
            return ready[firstReady]
        }

        func held(longerThan nanoseconds: Int64, _ now: Int64) -> Int {
            posts.values.count { $0.age(now) >= nanoseconds }
        }
    }

    private struct Weak: Sendable {
        weak var queue: SerialQueue?
    }

    private let regular: Int
    private let limits: StallLimits
    private let now: @Sendable () -> Int64
    /// Called by the watching thread, now and then while a piece of work takes long, and once when none does any more.
    private let onStalls: @Sendable ([Stall]) -> Void
    private let state = Mutex(State())
    private let queues = Mutex<(known: [String: Weak], sweepAt: Int)>(([:], 256))
    private let watchman = Semaphore()
    private let isWatching = Atomic(false)
    private let longest = Atomic<Int64>(0)

    init(
        threads: Int, limits: StallLimits, now: @escaping @Sendable () -> Int64 = Scheduling.systemMonotonic,
        onStalls: @escaping @Sendable ([Stall]) -> Void = { _ in }
    ) {
        regular = max(1, threads)
        self.limits = limits
        self.now = now
        self.onStalls = onStalls
        for _ in 0..<regular { precondition(startThread(), "a thread for the spools cannot be started") }
        precondition(start { $0.watch() }, "a thread that watches the spools cannot be started")
    }

    /// Always the same one for a name, while anybody has it.
    func queue(_ name: String) -> SerialQueue {
        queues.withLock { queues in
            if let queue = queues.known[name]?.queue { return queue }
            if queues.known.count >= queues.sweepAt {
                queues.known = queues.known.filter { $0.value.queue != nil }
                queues.sweepAt = max(256, queues.known.count * 2)
            }
            let queue = SerialQueue(name, crew: self)
            queues.known[name] = Weak(queue: queue)
            return queue
        }
    }

    func schedule(_ queue: SerialQueue) {
        let work = state.withLock { $0.add(queue) }
        work.post()
    }

    /// What is held by one piece of work for at least `nanoseconds`, longest first.
    func stalls(longerThan nanoseconds: Int64) -> [Stall] {
        let now = now()
        return state.withLock { state in
            state.posts.values.filter { $0.age(now) >= nanoseconds }
                .map { Stall(name: $0.queue.name, nanoseconds: $0.age(now)) }
        }.sorted { ($1.nanoseconds, $0.name) < ($0.nanoseconds, $1.name) }
    }

    /// The longest that one piece of work has taken, the present ones included.
    var longestNanoseconds: Int64 {
        max(longest.load(ordering: .relaxed), stalls(longerThan: 0).first?.nanoseconds ?? 0)
    }

    var threads: Int { state.withLock { $0.threads } }

    /// Ends the threads when what is queued has run.
    func stop() {
        let (threads, work) = state.withLock { state in
            state.isStopped = true
            return (state.threads, state.work)
        }
        for _ in 0..<threads { work.post() }
        watchman.post()
    }

    // MARK: Threads

    private func startThread() -> Bool {
        let mayStart = state.withLock { state in
            if state.isStopped { return false }
            state.threads += 1
            return true
        }
        guard mayStart else { return false }
        if start({ $0.serve() }) { return true }
        state.withLock { $0.threads -= 1 }
        return false
    }

    private final class Duty {
        let crew: ThreadCrew
        let body: (ThreadCrew) -> Void
        init(_ crew: ThreadCrew, _ body: @escaping (ThreadCrew) -> Void) {
            self.crew = crew
            self.body = body
        }
    }

    private func start(_ body: @escaping (ThreadCrew) -> Void) -> Bool {
        let retained = Unmanaged.passRetained(Duty(self, body))
        var handle = pthread_t()
        let code = pthread_create(
            &handle, nil,
            { context in
                if let context {
                    let duty = Unmanaged<Duty>.fromOpaque(context).takeRetainedValue()
                    duty.body(duty.crew)
                }
                return nil
            }, retained.toOpaque())
        guard code == 0 else {
            retained.release()
            return false
        }
        pthread_detach(handle)
        return true
    }

    private func serve() {
        let work = state.withLock { $0.work }
        while true {
            work.wait()
            let (post, isStopped) = state.withLock { state -> (Post?, Bool) in
                guard let queue = state.takeReady() else { return (nil, state.isStopped) }
                let post = Post(queue, now: now())
                state.posts[ObjectIdentifier(post)] = post
                return (post, state.isStopped)
            }
            guard let post else {
                guard isStopped else { continue }
                state.withLock { $0.threads -= 1 }
                return
            }
            callWatchman()
            post.queue.run { begin(post) }
            note(post.age(now()))
            if isSurplus(after: post) { return }
        }
    }

    private func begin(_ post: Post) {
        let now = now()
        note(post.age(now))
        post.since.store(now, ordering: .relaxed)
    }

    private func note(_ nanoseconds: Int64) {
        var known = longest.load(ordering: .relaxed)
        while nanoseconds > known {
            let (isStored, other) = longest.compareExchange(
                expected: known, desired: nanoseconds, ordering: .relaxed)
            if isStored { return }
            known = other
        }
    }

    /// Whether the thread that has done this goes: it has a stand-in that is not needed any more.
    private func isSurplus(after post: Post) -> Bool {
        let now = now()
        return state.withLock { state in
            state.posts[ObjectIdentifier(post)] = nil
            guard !state.isStopped, state.threads > regular + state.held(longerThan: limits.standInNanoseconds, now)
            else { return false }
            state.threads -= 1
            return true
        }
    }

    // MARK: Watching

    /// It looks only while something runs: a node with nothing to do sleeps.
    private func callWatchman() {
        guard !isWatching.load(ordering: .relaxed), !isWatching.exchange(true, ordering: .acquiringAndReleasing)
        else { return }
        watchman.post()
    }

    private func watch() {
        var hadStalls = false
        while true {
            watchman.wait()
            while true {
                if state.withLock({ $0.isStopped }) { return }
                limits.sleepBetweenLooks()
                for _ in 0..<missingThreads() where !startThread() { break }
                let stalls = stalls(longerThan: limits.standInNanoseconds)
                if !stalls.isEmpty || hadStalls { onStalls(stalls) }
                hadStalls = !stalls.isEmpty
                guard state.withLock({ $0.posts.isEmpty }) else { continue }
                isWatching.store(false, ordering: .sequentiallyConsistent)
                // Whoever began before that did not call.
                if state.withLock({ $0.posts.isEmpty }) || isWatching.exchange(true, ordering: .acquiringAndReleasing) {
                    break
                }
            }
        }
    }

    private func missingThreads() -> Int {
        let now = now()
        return state.withLock { state in
            let held = min(state.held(longerThan: limits.standInNanoseconds, now), limits.standIns)
            return max(0, regular + held - state.threads)
        }
    }
}

/// How long a disk may keep a spool waiting before something is done about it.
public struct StallLimits: Sendable {
    /// Then another thread takes the place of the one that waits.
    public var standIn: Duration
    /// Then nobody else waits for that spool: status and upkeep pass it over.
    public var passedOver: Duration
    /// Then it is said, and the tenant counts as one that cannot be served.
    public var said: Duration
    /// As many disks may not answer, at most, before the spools of others wait too.
    public var standIns: Int

    public init(
        standIn: Duration = .seconds(1), passedOver: Duration = .seconds(3), said: Duration = .seconds(5),
        standIns: Int = 64
    ) {
        self.standIn = standIn
        self.passedOver = passedOver
        self.said = said
        self.standIns = standIns
    }

    var standInNanoseconds: Int64 { standIn.wholeNanoseconds }

    /// A quarter of the shortest wait.
    fileprivate func sleepBetweenLooks() {
        let nanoseconds = max(1_000_000, standInNanoseconds / 4)
        var wait = timespec(
            tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
        // An early end only looks once more.
        _ = clock_nanosleep(CLOCK_MONOTONIC, 0, &wait, nil)
    }
}
