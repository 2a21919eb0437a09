#if canImport(Glibc)
    import Glibc
#endif

/// A thread with a large stack for one simulation: it never waits for anything but itself, so it must not take one of
/// the few threads that Swift's tasks share.
enum SimulationThread {
    static var current: UInt { UInt(pthread_self()) }

    private final class Body {
        let run: () -> Void
        init(_ run: @escaping () -> Void) { self.run = run }
    }

    /// Runs `body` on a thread of its own and returns what it returned.
    static func run<Result: Sendable>(_ body: @escaping @Sendable () -> Result) async -> Result {
        await withCheckedContinuation { continuation in
            let context = Unmanaged.passRetained(Body { continuation.resume(returning: body()) })
            let attributes = UnsafeMutablePointer<pthread_attr_t>.allocate(capacity: 1)
            defer { attributes.deallocate() }
            pthread_attr_init(attributes)
            pthread_attr_setstacksize(attributes, 16 << 20)
            pthread_attr_setdetachstate(attributes, Int32(PTHREAD_CREATE_DETACHED))
            var thread = pthread_t()
            let code = pthread_create(
                &thread, attributes,
                { context in
                    if let context { Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run() }
                    return nil
                }, context.toOpaque())
            pthread_attr_destroy(attributes)
            precondition(code == 0, "a thread for a simulation cannot be started")
        }
    }
}
