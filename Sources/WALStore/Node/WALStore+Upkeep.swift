import Synchronization

/// What is looked after for all spools, now and then.
extension WALStore {
    /// Closed spools looked at in one round.
    private static let visitsARound = 32

    /// One round: disk space, the upkeep of open spools, some closed ones, the summary. The store calls it by itself
    /// (`upkeepInterval`); tests call it directly.
    public func maintain() async {
        guard !state.withLock({ $0.isClosing }) else { return }
        guard lookAtFolder() else { return }
        let now = time.boot()
        if recounts(now) { space.recount() }
        space.look(now: now, events)
        for (tenant, configuration) in state.withLock({ $0.behind }) {
            await upkeep(tenant) { [self] in await catchUp(tenant, with: configuration) }
        }
        for (tenant, _) in state.withLock({ $0.open }) {
            await upkeep(tenant) { [self] in await maintainIfOpen(tenant) }
        }
        await repack()
        merges.look()
        let closed = state.withLock { state in
            for tenant in state.due(boot: now, wall: time.wall()) { state.markStale(tenant) }
            return state.takeStale(WALStore.visitsARound)
        }
        for tenant in closed { await upkeep(tenant) { [self] in await visit(tenant) } }
        let actions = state.withLock { state in
            state.forgetBusy()
            return state.hasQueue ? state.next() : []
        }
        perform(actions)
        if state.withLock({ $0.isSummaryChanged }) { writeSummary() }
    }

    /// - Returns: whether the data folder is where it was. While it is not, nothing is done in what stands there.
    private func lookAtFolder() -> Bool {
        let fault = folder.fault
        let before = state.withLock { state in
            defer { state.folderFault = fault }
            return state.folderFault
        }
        switch (before, fault) {
        case (_, let fault?):
            events(Event(.error, "the data folder is gone; every request is refused", ["error": fault]))
        case (_?, nil): events(Event(.info, "the data folder is back"))
        case (nil, nil): break
        }
        return fault == nil
    }

    /// The disk was in the way of a reload: a lane of a backend that its spool does not know would never send.
    private func catchUp(_ tenant: String, with configuration: SpoolConfiguration) async {
        do throws(SpoolError) { try await apply(configuration, to: tenant, wait: openWait) } catch {
            // A backend's changed type was said by the reload, and only another reload mends it.
            guard error.code != .misuse, error.code != .closing else { return }
            events(
                Event(
                    .warning, "a spool does not take its configuration yet",
                    ["tenant": tenant, "error": error.description]))
        }
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
                state.note(status, nil, tenant, bootTime: time.boot())
                state.tenants[tenant]?.visitedAt = time.boot()
                state.tenants[tenant]?.isVisited = true
            }
        } catch {
            guard error.code != .closing else { return }
            events(Event(.warning, "the upkeep of a spool failed", ["tenant": tenant, "error": error.description]))
        }
    }

    /// Files beside the spools are counted again this often; sooner while the budget is short.
    private static let recountNanoseconds: Int64 = 60 * 1_000_000_000
    private static let shortRecountNanoseconds: Int64 = 5 * 1_000_000_000

    private func recounts(_ now: Int64) -> Bool {
        let interval =
            space.pressure.isOverBudget ? WALStore.shortRecountNanoseconds : WALStore.recountNanoseconds
        return state.withLock { state in
            guard now - state.recountedAt >= interval else { return false }
            state.recountedAt = now
            return true
        }
    }

    /// What the data folder takes of the disk, at most; and what it may take.
    public var nodeUsedBytes: Int64 { space.usedBytes }
    public var nodeMaximumBytes: Int64 { space.maximumBytes }
    /// Until the node's budget is used up, or the free-space reserve is reached, at the present growth; nil while it
    /// does not grow.
    public var nodeSecondsToFull: Double? { space.secondsToFull }

    func writeSummary() {
        guard folder.fault == nil else { return }
        let summary = state.withLock { state in
            state.isSummaryChanged = false
            return state.summary
        }
        // While it is replaced there are two of it.
        let (old, bytes) = (folder.files.taken(folder.summary), summary.encoded())
        let new = FileBlocks.atMost(Int64(bytes.count))
        guard space.takeForFile(new) else { return state.withLock { $0.isSummaryChanged = true } }
        do throws(SpoolError) {
            try folder.files.replace(folder.summary, with: bytes)
            space.giveBackOfFile(old)
        } catch {
            space.giveBackOfFile(new)
            events(Event(.warning, "the node's summary could not be written", ["error": error.description]))
        }
    }
}

extension StoreState {
    /// Closed spools with rows are opened this often, for their ages and what they may forget.
    private static let visitNanoseconds: Int64 = 3600 * 1_000_000_000
    /// Those whose oldest row has expired sooner: after so much of the time that it was kept, a minute at least.
    private static let shareOfRetain: Int64 = 16
    private static let shortestPause: Int64 = 60 * 1_000_000_000

    /// Closed spools that are to be looked at: each once in a while, and what is known to have expired soon, at once where
    /// it did so before the start. With nothing to delete a spool of the idle thousands stays closed.
    ///
    /// - Parameters:
    ///   - boot: the boot clock, nanoseconds.
    ///   - wall: the wall clock, nanoseconds since the epoch. It only says when to look: the spool's clock says what goes.
    fileprivate func due(boot: Int64, wall: Int64) -> [String] {
        tenants.filter { name, tenant in
            guard case .closed = tenant.phase, !tenant.isStale, let status = summary.entries[name]?.status,
                status.batches > 1
            else { return false }
            let passed = boot - tenant.visitedAt
            if passed > StoreState.visitNanoseconds { return true }
            let retain = tenant.configuration.retainSeconds
            guard status.oldestStoredAt > 0, status.oldestStoredAt <= wall.subtractingSeconds(retain) else {
                return false
            }
            let pause = Duration.seconds(retain / StoreState.shareOfRetain).wholeNanoseconds
            return !tenant.isVisited || passed > max(StoreState.shortestPause, pause)
        }.keys.sorted()
    }

    /// Spools that would not close may do so now.
    fileprivate mutating func forgetBusy() {
        for name in tenants.keys { tenants[name]?.isBusy = false }
    }
}
