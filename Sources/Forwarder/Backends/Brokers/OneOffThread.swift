import WALStore

/// A thread for one call that blocks: what ends a connection joins threads and empties buffers, and a deinit must not.
enum OneOffThread {
    /// - Returns: false when the system has no thread for it: nothing was done.
    static func run(_ work: @escaping @Sendable () -> Void) -> Bool {
        guard let executor = ThreadExecutor.started() else { return false }
        executor.submit(work)
        executor.stop()
        return true
    }
}
