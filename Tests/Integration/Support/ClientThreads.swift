import Foundation

/// Clients that block in their sockets, each on a thread of its own: the pool that tasks run on has only a few.
enum ClientThreads {
    /// Returns when all have ended.
    static func run(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) async {
        await withCheckedContinuation { continuation in
            let group = DispatchGroup()
            for number in 0..<count {
                group.enter()
                let thread = Thread {
                    body(number)
                    group.leave()
                }
                thread.stackSize = 512 << 10
                thread.start()
            }
            group.notify(queue: .global()) { continuation.resume() }
        }
    }

    /// Takes the soft limit of open files up to the hard one.
    ///
    /// - Returns: how many files this process may have open.
    static func raiseFileLimit() -> Int {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return Int(clamping: limit.rlim_cur)
    }
}
