import WALStore

/// A thread for one call that blocks: what ends a connection joins threads and empties buffers, and a deinit must not.
enum OneOffThread {
    static func run(_ work: @escaping @Sendable () -> Void) {
        let executor = ThreadExecutor()
        executor.submit(work)
        executor.stop()
    }
}
