import Synchronization
import WALStore

/// One tenant's deliveries to one backend. Idle, it is this object and nothing else; with work, it has a worker task.
final class Lane: Sendable {
    let tenant: String
    let backend: String
    /// Where its points come from.
    let source: any DeliverySource
    let state: Mutex<LaneState>
    /// For the worker: work, a finished delivery, a reload or the end.
    let changed = Signal()
    private let sleepers = Mutex<[UInt64: Task<Void, Never>]>([:])
    private let nextSleeper = Atomic<UInt64>(0)
    private let worker = Mutex(Workers())

    private struct Workers {
        /// The newest that may not have ended yet.
        var latest: Task<Void, Never>?
        /// How many there were.
        var count = 0
    }

    /// - Parameter pace: of a replay; nil for the lane of what is owed.
    init(_ route: DeliveryRoute, _ source: any DeliverySource, pace: ReplayPace? = nil) {
        tenant = route.tenant
        backend = route.name
        self.source = source
        state = Mutex(LaneState(route, pace: pace))
    }

    // MARK: Called from outside

    /// There may be work: starts a worker unless one runs.
    func notify(_ context: DeliveryContext) {
        worker.withLock { workers in
            guard state.withLock({ $0.workArrived() }) else { return }
            let before = workers.latest
            workers.count += 1
            let number = workers.count
            workers.latest = Task(executorPreference: context.tasks) {
                // The one before has decided to end, and may still be on its last lines.
                await before?.value
                await Worker(lane: self, context: context).run()
                self.forget(number)
            }
        }
        changed.set()
    }

    /// A task keeps its memory, about ten kilobytes, until nobody knows it any more: too much for thousands of idle lanes.
    private func forget(_ number: Int) {
        worker.withLock { if $0.count == number { $0.latest = nil } }
    }

    /// The config's new idea of this lane: the attempt in flight is finished as it was begun, the next one is made anew,
    /// at once also where the lane was held or waiting.
    func reconfigure(_ route: DeliveryRoute) {
        state.withLock { state in
            state.route = route
            state.generation += 1
            state.isRemoved = false
            state.resumeAt = 0
            state.backlog.answered()
            state.learnedPoints = nil
            state.refusalHints = RefusalHints()
            state.doubt.beginAnew()
        }
        wake()
    }

    func remove() {
        state.withLock { state in
            state.isRemoved = true
            state.generation += 1
        }
        wake()
    }

    /// No lease any more; waits end.
    func stop() {
        state.withLock { state in
            state.isStopping = true
            state.generation += 1
        }
        wake()
    }

    var isReplay: Bool { state.withLock { $0.isReplay } }

    func resume() { state.withLock { $0.isStopping = false } }

    /// Aborts what is in flight.
    func cancel() { worker.withLock { $0.latest }?.cancel() }

    /// Returns once no worker runs.
    func ended() async { await worker.withLock { $0.latest }?.value }

    // MARK: Waiting

    /// Until `duration` has passed or the lane is woken; not at all when it was since `generation`.
    func sleep(_ duration: Duration, generation: UInt64, _ context: DeliveryContext) async {
        let id = nextSleeper.wrappingAdd(1, ordering: .relaxed).newValue
        let sleeper = Task(executorPreference: context.tasks) {
            do { try await context.sleep(duration) } catch { /* Woken: the caller looks at why. */  }
        }
        sleepers.withLock { $0[id] = sleeper }
        // A wake between the caller's look and the entry above would have found nobody.
        if state.withLock({ $0.generation != generation }) { sleeper.cancel() }
        await withTaskCancellationHandler {
            await sleeper.value
        } onCancel: {
            sleeper.cancel()
        }
        sleepers.withLock { $0[id] = nil }
    }

    /// Until something changes, or `duration` has passed.
    func waitForChange(upTo duration: Duration, generation: UInt64, _ context: DeliveryContext) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await self.sleep(duration, generation: generation, context)
                // After a change nobody waits for another one.
                if !Task.isCancelled { self.changed.set() }
            }
            await changed.wait()
            group.cancelAll()
        }
    }

    private func wake() {
        for (_, sleeper) in sleepers.withLock({ $0.sorted { $0.key < $1.key } }) { sleeper.cancel() }
        changed.set()
    }
}
