import Synchronization

@testable import WALStore

extension WALStore {
    /// Requests that share a commit, in their order: its places, and with them all that follows, are by the order in which
    /// they are queued, and tasks that begin together would queue them in any.
    ///
    /// The spool has to be open: those that wait for it would come one by one.
    ///
    /// - Returns: what became of each.
    func appendInOneCommit(
        _ requests: [AppendRequest], tenant: String
    ) async -> [Result<AppendReceipt, SpoolError>] {
        let gate = Semaphore()
        writers[tenant].submit { gate.wait() }
        return await withTaskGroup(of: (Int, Result<AppendReceipt, SpoolError>).self) { group in
            for (index, request) in requests.enumerated() {
                group.addTask { (index, await self.append(request, tenant: tenant)) }
                while await waiting(tenant) <= index { await Task.yield() }
            }
            gate.post()
            return await group.reduce(into: []) { $0.append($1) }.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }

    /// Requests of the tenant that wait for a commit; without end where none can wait any more.
    private func waiting(_ tenant: String) async -> Int {
        guard case .open(let spool)? = state.withLock({ $0.tenants[tenant]?.phase }) else { return .max }
        return spool.queue.withLock { $0.refusal == nil ? $0.appends.count : .max }
    }
}
