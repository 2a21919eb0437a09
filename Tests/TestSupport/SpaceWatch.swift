import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// A thread that asks a file system again and again how much of it is taken, and remembers the most. One answer is one
/// moment: files that shrink and grow beside each other are never added up from different ones.
public final class SpaceWatch: Sendable {
    private struct State: Sendable {
        var highest: Int64 = 0
        var leastFree = Int64.max
        var samples = 0
        var isStopped = false
    }
    private final class Shared: Sendable {
        let path: String
        let state = Mutex(State())
        init(_ path: String) { self.path = path }

        func sample() -> Bool {
            var status = statvfs()
            guard statvfs(path, &status) == 0 else { return true }
            let unit = Int64(status.f_frsize)
            return state.withLock { state in
                state.highest = max(state.highest, Int64(status.f_blocks - status.f_bfree) * unit)
                state.leastFree = min(state.leastFree, Int64(status.f_bavail) * unit)
                state.samples += 1
                return !state.isStopped
            }
        }
    }
    private let shared: Shared
    private let thread: Mutex<pthread_t?>

    /// - Parameter path: of a file system of the test's own (`SmallFileSystem`).
    public init(_ path: String) {
        shared = Shared(path)
        var thread = pthread_t()
        let argument = Unmanaged.passRetained(shared).toOpaque()
        let code = pthread_create(&thread, nil, { SpaceWatch.run($0) }, argument)
        self.thread = Mutex(code == 0 ? thread : nil)
    }

    private static func run(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        guard let argument else { return nil }
        let shared = Unmanaged<Shared>.fromOpaque(argument).takeRetainedValue()
        // The others need the processor too.
        while shared.sample() { usleep(20) }
        return nil
    }

    deinit { _ = stop() }

    /// The most bytes that were taken at any moment watched, the last one included.
    public func stop() -> Int64 {
        _ = shared.sample()
        shared.state.withLock { $0.isStopped = true }
        thread.withLock { thread in
            if let running = thread { pthread_join(running, nil) }
            thread = nil
        }
        return shared.state.withLock { $0.highest }
    }

    public var leastFree: Int64 { shared.state.withLock { $0.leastFree } }
    public var samples: Int { shared.state.withLock { $0.samples } }
}
