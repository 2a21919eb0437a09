import Glibc

/// Work that blocks its thread, kept off the few threads that run tasks.
enum Blocking {
    private final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// Runs `body` on a thread of its own and returns when it is done.
    static func run(_ body: @escaping @Sendable () -> Void) async {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            detach {
                body()
                continuation.resume()
            }
        }
    }

    /// Starts `body` on a thread of its own. Should the system have no thread left, it runs here.
    static func detach(_ body: @escaping @Sendable () -> Void) {
        let work = Unmanaged.passRetained(Work(body))
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                Unmanaged<Work>.fromOpaque(context).takeRetainedValue().body()
                return nil
            }, work.toOpaque())
        guard code == 0 else {
            work.takeRetainedValue().body()
            return
        }
        pthread_detach(thread)
    }
}
