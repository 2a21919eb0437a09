import Synchronization

/// What is looked after for all spools, now and then.
extension WALStore {
    /// Closed spools with rows in them are opened this often, for their ages and what they may forget.
    private static let visitNanoseconds: Int64 = 3600 * 1_000_000_000
    /// Closed spools looked at in one round.
    private static let visitsARound = 32

    /// One round: disk space, the upkeep of open spools, some closed ones, the summary. The store calls it by itself
    /// (`upkeepInterval`); tests call it directly.
    public func maintain() async {
        let (isClosing, usedBytes) = state.withLock { state in
            (state.isClosing, state.summary.entries.values.reduce(Int64(0)) { $0 + max(0, $1.status.usedBytes) })
        }
        guard !isClosing else { return }
        space.look(usedBytes: usedBytes, events)
        for (tenant, _) in state.withLock({ $0.open }) { await maintainIfOpen(tenant) }
        let closed = state.withLock { state in
            for tenant in state.due(before: time.boot() - WALStore.visitNanoseconds) { state.markStale(tenant) }
            return state.takeStale(WALStore.visitsARound)
        }
        for tenant in closed { await visit(tenant) }
        let actions = state.withLock { state in
            state.forgetBusy()
            return state.hasQueue ? state.next() : []
        }
        perform(actions)
        if state.withLock({ $0.isSummaryChanged }) { writeSummary() }
    }

    private func maintainIfOpen(_ tenant: String) async {
        guard let spool = state.withLock({ $0.acquireIfOpen(tenant) }) else { return }
        defer { release(tenant) }
        await maintain(tenant, spool)
    }

    /// Opens a closed spool to see what it has, tells whoever waits for work, and leaves it open until its place is
    /// needed.
    private func visit(_ tenant: String) async {
        do throws(SpoolError) {
            let status = try await withSpool(tenant) { (spool) async throws(SpoolError) in
                await maintain(tenant, spool)
                return try await spool.status()
            }
            if status.hasWork { notifyWork(tenant) }
        } catch {
            guard error.code != .closing, error.code != .misuse else { return }
            events(Event(.warning, "a spool could not be looked at", ["tenant": tenant, "error": error.description]))
        }
    }

    private func maintain(_ tenant: String, _ spool: Spool) async {
        do throws(SpoolError) {
            try await spool.maintain()
            let status = try await spool.status()
            state.withLock { state in
                state.note(status, nil, tenant)
                state.tenants[tenant]?.visitedAt = time.boot()
            }
        } catch {
            guard error.code != .closing else { return }
            events(Event(.warning, "the upkeep of a spool failed", ["tenant": tenant, "error": error.description]))
        }
    }

    /// Bytes of all spools, as last seen, and how much room there is.
    public var nodeUsedBytes: Int64 { space.usedBytes }

    func writeSummary() {
        let summary = state.withLock { state in
            state.isSummaryChanged = false
            return state.summary
        }
        do throws(SpoolError) { try summary.write(folder.summary, on: folder.files) } catch {
            events(Event(.warning, "the node's summary could not be written", ["error": error.description]))
        }
    }
}

extension StoreState {
    /// Closed spools with rows, last looked at before `time`.
    fileprivate func due(before time: Int64) -> [String] {
        tenants.filter { name, tenant in
            guard case .closed = tenant.phase, !tenant.isStale, tenant.visitedAt < time else { return false }
            return (summary.entries[name]?.status.batches ?? 0) > 1
        }.keys.sorted()
    }

    /// Spools that would not close may do so now.
    fileprivate mutating func forgetBusy() {
        for name in tenants.keys { tenants[name]?.isBusy = false }
    }
}
