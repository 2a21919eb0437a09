#if canImport(Glibc)
    import Glibc
#endif

/// A POSIX semaphore, for threads that may block.
///
/// `@unchecked Sendable`: `raw` never changes, and the `sem_t` behind it is its own lock: any thread may post and wait.
final class Semaphore: @unchecked Sendable {
    private let raw = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    init() { sem_init(raw, 0, 0) }
    deinit {
        sem_destroy(raw)
        raw.deallocate()
    }
    // `raw` is read before C is called and is nothing that Swift counts: only this keeps the `sem_t` until C is done.
    func post() { withExtendedLifetime(self) { _ = sem_post(raw) } }
    func wait() { withExtendedLifetime(self) { while sem_wait(raw) != 0 {} } }
}
