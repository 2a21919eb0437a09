#if canImport(Glibc)
    import Glibc
#endif

/// Holds a thread until a test lets it go.
///
/// `@unchecked Sendable`: a POSIX semaphore may be used from any thread.
final class ThreadGate: @unchecked Sendable {
    private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    init() { sem_init(semaphore, 0, 0) }
    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }
    func wait() { while sem_wait(semaphore) != 0 {} }
    func open() { sem_post(semaphore) }
}
