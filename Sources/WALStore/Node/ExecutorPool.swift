/// What runs the spools of a node: a fixed number of threads that all of them share, ten thousand tenants or two.
final class ExecutorPool: Sendable {
    private let crew: ThreadCrew?
    /// Of a simulation, or a test.
    private let executors: [any SpoolExecutor]

    /// - Parameters:
    ///   - make: makes an executor that spools share; nil: the threads of this process run them.
    ///   - onStalls: called while a piece of work takes long, and once when none does any more.
    init(
        threads: Int, make: (() -> any SpoolExecutor)? = nil, limits: StallLimits = StallLimits(),
        onStalls: @escaping @Sendable ([ThreadCrew.Stall]) -> Void = { _ in }
    ) {
        guard let make else {
            crew = ThreadCrew(threads: threads, limits: limits, onStalls: onStalls)
            executors = []
            return
        }
        crew = nil
        executors = (0..<max(1, threads)).map { _ in make() }
    }

    deinit {
        crew?.stop()
        for executor in executors { executor.stop() }
    }

    /// Always the same one for the same tenant (FNV-1a, <http://www.isthe.com/chongo/tech/comp/fnv/>): Swift's own
    /// hashes differ from run to run, and a tenant's neighbours should not.
    subscript(tenant: String) -> any SpoolExecutor {
        if let crew { return crew.queue(tenant) }
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in tenant.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        return executors[Int(hash % UInt64(executors.count))]
    }

    /// Whether threads of this process run the spools: else nothing is ever held.
    var hasThreads: Bool { crew != nil }

    /// Tenants whose spool has been in one piece of work for at least so long, longest first.
    func stalls(longerThan duration: Duration) -> [ThreadCrew.Stall] {
        crew?.stalls(longerThan: duration.wholeNanoseconds) ?? []
    }

    /// The longest that one piece of work has taken since the start, the present ones included.
    var longestNanoseconds: Int64 { crew?.longestNanoseconds ?? 0 }
    /// As many as there are now.
    var threads: Int { crew?.threads ?? executors.count }
}
