/// A fixed number of threads that all spools of a node share: ten thousand tenants, still as many threads.
final class ExecutorPool: Sendable {
    private let executors: [any SpoolExecutor]

    init(threads: Int, make: () -> any SpoolExecutor = { ThreadExecutor() }) {
        executors = (0..<max(1, threads)).map { _ in make() }
    }

    var count: Int { executors.count }

    deinit { for executor in executors { executor.stop() } }

    /// Always the same one for the same tenant (FNV-1a, <http://www.isthe.com/chongo/tech/comp/fnv/>): Swift's own
    /// hashes differ from run to run, and a tenant's neighbours should not.
    subscript(tenant: String) -> any SpoolExecutor {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in tenant.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        return executors[Int(hash % UInt64(executors.count))]
    }
}
