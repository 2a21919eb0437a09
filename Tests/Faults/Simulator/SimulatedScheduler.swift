import TestSupport
import WALStore

/// One thread, one queue of things to do, one clock that jumps to the next timer: whatever a node's tasks do, the seed
/// decides in which order, and the same seed decides the same.
///
/// Jobs of one spool's executor keep their order, as on a thread of their own; between executors and among tasks the
/// seed picks. Time passes only when nothing is left to do.
///
/// `@unchecked Sendable`: everything here happens on the simulation's one thread; `enqueue` checks it.
final class SimulatedScheduler: @unchecked Sendable {
    enum Work {
        case job(UnownedJob)
        case closure(@Sendable () -> Void)
    }

    private struct Timer {
        var due: Int64
        var number: UInt64
        /// Timers of a dead life are never fired; the world's (nil) always are.
        var life: SimulatedLife?
        var fire: () -> Void
    }

    private var random: SeededGenerator
    private let thread = SimulationThread.current
    /// By due time, the last one first.
    private var timers: [Timer] = []
    private var lastTimer: UInt64 = 0
    /// Nanoseconds since the simulation began.
    private(set) var now: Int64 = 0
    /// Jobs run so far.
    private(set) var jobs = 0
    /// A digest of every decision: two runs of one seed end with the same.
    private(set) var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    /// What must never happen; the simulation fails with it.
    private(set) var fault: String?

    init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    func fail(_ reason: String) { if fault == nil { fault = reason } }

    func note(_ value: UInt64) { hash = (hash ^ value) &* 0x0000_0100_0000_01b3 }

    /// The bytes by eights; a rest that fills none counts by its length.
    func note(_ bytes: [UInt8]) {
        note(UInt64(bytes.count))
        bytes.withUnsafeBytes { bytes in
            for offset in stride(from: 0, to: bytes.count - 7, by: 8) {
                note(bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            }
        }
    }

    func checkThread() {
        precondition(thread == SimulationThread.current, "a task has escaped from the simulation's thread")
    }

    // MARK: Time

    /// - Returns: a number to take the timer back with.
    @discardableResult
    func after(_ nanoseconds: Int64, life: SimulatedLife? = nil, _ fire: @escaping () -> Void) -> UInt64 {
        checkThread()
        lastTimer += 1
        let timer = Timer(due: now + max(0, nanoseconds), number: lastTimer, life: life, fire: fire)
        var low = 0
        var high = timers.count
        while low < high {
            let middle = (low + high) / 2
            if (timers[middle].due, timers[middle].number) > (timer.due, timer.number) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        timers.insert(timer, at: low)
        return lastTimer
    }

    /// - Returns: whether it had not fired yet.
    func takeBack(_ number: UInt64) -> Bool {
        guard let index = timers.firstIndex(where: { $0.number == number }) else { return false }
        timers.remove(at: index)
        return true
    }

    /// Runs what there is to run, of `life` and of the world, up to a time or while `condition` holds.
    ///
    /// - Parameter deadline: on the simulated clock, which shows it on return unless the condition ended the run.
    func run(_ life: SimulatedLife?, until deadline: Int64, while condition: () -> Bool = { true }) {
        var jobsSinceTimer = 0
        while fault == nil, condition() {
            if let life, !life.isDead, let (work, queue) = life.next(&random) {
                jobs += 1
                jobsSinceTimer += 1
                if jobsSinceTimer > 2_000_000 { return fail("two million jobs and no time has passed") }
                note(UInt64(queue))
                life.run(work, queue)
                continue
            }
            guard let next = timers.last, next.due <= deadline else {
                now = max(now, deadline)
                return
            }
            timers.removeLast()
            if let life = next.life, life.isDead { continue }
            if next.due > now { jobsSinceTimer = 0 }
            now = max(now, next.due)
            note(UInt64(bitPattern: next.due))
            next.fire()
        }
    }

    func roll(_ bound: UInt64) -> UInt64 { random.next() % bound }
}
