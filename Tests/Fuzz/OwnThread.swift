@testable import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// Runs checks off the threads that tasks share: some of them wait for tasks.
enum OwnThread {
    private final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// Runs `body` on a thread with an ordinary stack, and returns when it is done.
    static func run(_ body: @escaping @Sendable () -> Void) async {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let work = Unmanaged.passRetained(
                Work {
                    body()
                    continuation.resume()
                })
            var thread = pthread_t()
            let code = pthread_create(
                &thread, nil,
                { context in
                    guard let context else { return nil }
                    Unmanaged<Work>.fromOpaque(context).takeRetainedValue().body()
                    return nil
                }, work.toOpaque())
            precondition(code == 0, "the system has a thread left")
            pthread_detach(thread)
        }
    }

    /// Waits on this thread, which is none of the shared ones, for `body`.
    static func wait<Value: Sendable>(_ body: @escaping @Sendable () async -> Value) -> Value {
        let box = Box<Value>()
        let done = Semaphore()
        Task.detached {
            box.value = await body()
            done.post()
        }
        done.wait()
        guard let value = box.value else { preconditionFailure("the task sets it before it posts") }
        return value
    }

    /// `@unchecked`: written before the post, read after the wait.
    private final class Box<Value>: @unchecked Sendable { var value: Value? }
}
