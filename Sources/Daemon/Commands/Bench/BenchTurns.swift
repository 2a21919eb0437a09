import Glibc

/// Hands out requests so that those of the same series keep their order over many connections, as remote write asks of
/// senders: request `n` of a scrape waits until request `n` of the scrape before has been answered.
///
/// `@unchecked Sendable`: everything mutable is touched under `mutex` only.
final class BenchTurns: @unchecked Sendable {
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private let count: Int
    private let slots: Int
    private var next = 0
    private var isBusy: [Bool]

    /// - Parameters:
    ///   - count: of requests in all.
    ///   - slots: requests in one scrape.
    init(count: Int, slots: Int) {
        self.count = count
        self.slots = slots
        isBusy = Array(repeating: false, count: slots)
        mutex = .allocate(capacity: 1)
        mutex.initialize(to: pthread_mutex_t())
        condition = .allocate(capacity: 1)
        condition.initialize(to: pthread_cond_t())
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// - Returns: the next request, when it may be sent; nil when there is none left.
    func take() -> Int? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        // In order: nobody overtakes a request that waits for its turn.
        while next < count, isBusy[next % slots] { pthread_cond_wait(condition, mutex) }
        guard next < count else { return nil }
        defer { next += 1 }
        isBusy[next % slots] = true
        return next
    }

    /// Says that a request was answered, or given up.
    func finish(_ request: Int) {
        pthread_mutex_lock(mutex)
        isBusy[request % slots] = false
        pthread_cond_broadcast(condition)
        pthread_mutex_unlock(mutex)
    }
}
