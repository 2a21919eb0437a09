import TestSupport
import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// A disk in memory that behaves as badly as a real one may, and remembers what it was never asked to keep.
///
/// What has been written but not synced is kept apart: a power cut loses, mixes, tears or garbles it, as the seed says.
/// Names made, renamed or removed in a folder are kept apart until that folder is synced. Faults are injected at the
/// n-th call; so is the power cut. The whole data folder of a store lies on it: plain files through `Mount`, which is
/// the store's `FileSystem`, databases through an SQLite VFS of its own (`Mount.vfs`).
///
/// ```
/// let disk = SimulatedDisk(seed: 7)
/// var store = try WALStore(directory: "/data", node: node, disk: disk.mount(), events: { _ in })
/// disk.cutPower(atCall: 40)          // the 40th call from here on is the last one
/// …                                  // from then on every call fails with EIO
/// disk.restart(.powerCut)            // what has survived is decided here
/// store = try WALStore(directory: "/data", node: node, disk: disk.mount(), events: { _ in })
/// ```
///
/// The same seed and the same calls give the same disk. Any number of disks may be used at once; each may be used from
/// any thread.
///
/// `@unchecked Sendable`: `state` is only touched inside `locked`.
final class SimulatedDisk: @unchecked Sendable {
    enum Restart: Sendable, CaseIterable {
        /// The process is gone, the machine runs on: what was written is still there, synced or not.
        case kill
        case powerCut
    }

    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let state: DiskState
    let seed: UInt64

    /// - Parameters:
    ///   - seed: decides what a power cut leaves, and how far a short write gets.
    ///   - bytes: its size: beyond it calls fail with ENOSPC.
    init(seed: UInt64, bytes: Int64 = 256 << 20) {
        self.seed = seed
        state = DiskState(random: SeededGenerator(seed: seed), bytes: bytes)
        pthread_mutex_init(lock, nil)
    }

    deinit {
        pthread_mutex_destroy(lock)
        lock.deallocate()
    }

    /// The disk as a process has it. After `restart` it is dead: every call fails with EIO, and locks are gone.
    func mount() -> Mount { Mount(disk: self, life: locked { $0.life }) }

    /// Ends what uses the disk now and makes it ready for the next process.
    func restart(_ restart: Restart) { locked { $0.restart(restart) } }

    /// Gives its memory back, for good: what was killed on it stays in memory, and with it the disk.
    func discard() { locked { $0.discard() } }

    // MARK: Misbehaving

    /// The power goes off at the n-th of these calls from now on, counted from 1: its effect may be on the disk or not.
    ///
    /// - Parameter calls: nil: of all calls.
    func cutPower(atCall n: Int, of calls: Set<DiskCall.Kind>? = nil) {
        locked { $0.cut = .init(left: n, calls: calls) }
    }

    /// The power goes off now.
    func cutPower() { locked { $0.turnOff() } }

    var isOff: Bool { locked { $0.isOff } }

    /// Replaces the fault that was there; nil: the disk is well again.
    func inject(_ fault: DiskFault?) { locked { $0.fault = fault } }

    /// Keeps the fault away while `body` looks at what is stored.
    func withoutFault<Result>(_ body: () async throws -> Result) async rethrows -> Result {
        let fault = locked { state in
            defer { state.fault = nil }
            return state.fault
        }
        defer { inject(fault) }
        return try await body()
    }

    /// Whether the injected fault has met a call it applies to.
    var hasMetFault: Bool { locked { $0.fault?.hasMet ?? false } }

    /// What it promises and does not keep.
    func lie(_ lie: DiskLie?) { locked { $0.lie = lie } }

    func resize(bytes: Int64) { locked { $0.bytes = bytes } }

    // MARK: Looking

    /// Calls so far that a fault or a cut could have met.
    var calls: Int { locked { $0.calls } }

    /// Calls, cuts and faults so far.
    var tally: DiskTally { locked { $0.tally } }

    /// Paths that plain calls of a living process opened while SQLite had them open (rule 11).
    var plainOpens: [String] { locked { $0.plainOpens } }

    /// Every call from now on, in order, until the next `takeTrace`.
    func startTrace() { locked { $0.trace = [] } }
    func takeTrace() -> [DiskCall] {
        locked { state in
            defer { state.trace = nil }
            return state.trace ?? []
        }
    }

    /// A file's bytes as a reader would see them; nil when there is none.
    func content(_ path: String) -> [UInt8]? { locked { $0.file(path)?.content.array } }

    /// Puts a file on the disk, durably, with the folders above it.
    func put(_ bytes: [UInt8], at path: String) { locked { $0.put(bytes, at: path) } }

    /// Everything on the disk, path by path, in order.
    var paths: [String] { locked { $0.paths() } }

    func locked<Result, Failure: Error>(_ body: (DiskState) throws(Failure) -> Result) throws(Failure) -> Result {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        return try body(state)
    }
}
