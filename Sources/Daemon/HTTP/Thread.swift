import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// A thread of our own, for work that blocks.
final class Thread: Sendable {
    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }
    private let id: Mutex<pthread_t?>

    /// Starts at once.
    init(_ run: @escaping @Sendable () -> Void) {
        var id = pthread_t()
        let start: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { context in
            if let context { Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run() }
            return nil
        }
        let code = pthread_create(&id, nil, start, Unmanaged.passRetained(Body(run)).toOpaque())
        precondition(code == 0, "a process that cannot have one more thread cannot serve")
        self.id = Mutex(id)
    }

    /// Waits for its end; the first caller does.
    func join() {
        guard let id = id.withLock({ $0.take() }) else { return }
        pthread_join(id, nil)
    }

    deinit {
        if let id = id.withLock({ $0 }) { pthread_detach(id) }
    }
}
