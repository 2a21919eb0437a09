extension Spool {
    /// Where the backend's retry clock stands.
    public func retryState(backend: String) throws(SpoolError) -> RetryState {
        guard let index = ledger.index(of: backend) else {
            throw SpoolError(.misuse, "tenant \(tenant) has no backend \(backend)")
        }
        return ledger.backends[index].retry
    }

    /// Whether the backend has ever taken a point.
    public func hasDelivered(backend: String) throws(SpoolError) -> Bool {
        guard let index = ledger.index(of: backend) else {
            throw SpoolError(.misuse, "tenant \(tenant) has no backend \(backend)")
        }
        let state = ledger.backends[index]
        return state.deliveredPoints + state.assumedPoints > 0
    }

    /// Kept in memory at once, on disk with the next commit, at most every 30 s alone.
    public func setRetryState(_ state: RetryState, backend: String) throws(SpoolError) {
        guard let index = ledger.index(of: backend) else {
            throw SpoolError(.misuse, "tenant \(tenant) has no backend \(backend)")
        }
        guard ledger.backends[index].retry != state else { return }
        ledger.backends[index].retry = state
        changedBackends.insert(ledger.backends[index].id)
        guard !hasRetryFlush else { return }
        hasRetryFlush = true
        Task(executorPreference: environment.scheduling.tasks) { [weak self, sleep = environment.scheduling.sleep] in
            try? await sleep(.seconds(30))
            await self?.flushRetryStates()
        }
    }

    private func flushRetryStates() {
        hasRetryFlush = false
        guard database != nil, !changedBackends.isEmpty else { return }
        do throws(SpoolError) {
            try transact { _ in }
        } catch {
            raise(.warning, "retry states could not be written", ["error": error.description])
        }
    }
}
