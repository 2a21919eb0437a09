import Testing

@testable import WALStore

@Suite(.timeLimit(.minutes(5))) struct ThreadExecutorTests {
    private actor Counter {
        private let executor: ThreadExecutor
        private var count = 0

        nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
        init(_ executor: ThreadExecutor) { self.executor = executor }

        func add() -> Int {
            count += 1
            return count
        }
    }

    /// Whoever gave it its last work may still be on its way out, and the runtime holds no reference to what it enqueues
    /// on. While the semaphore was only the executor's, about one in ten thousand of these crashed, or was aborted by glibc:
    /// "The futex facility returned an unexpected error code".
    @Test func `an executor may end as soon as its work is done`() async {
        for _ in 0..<10_000 {
            let executor = ThreadExecutor()
            let counter = Counter(executor)
            // At once, so that one wakes the thread for all.
            let count = await withTaskGroup(of: Int.self) { group in
                for _ in 0..<3 { group.addTask { await counter.add() } }
                return await group.reduce(0, max)
            }
            #expect(count == 3)
            executor.stop()
        }
    }
}
