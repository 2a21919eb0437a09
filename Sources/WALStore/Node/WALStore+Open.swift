import Synchronization

/// Opening and closing: what the state decides is done here, outside its lock.
extension WALStore {
    func perform(_ actions: [StoreState.Action]) {
        for action in actions {
            switch action {
            case .open(let tenant, let configuration):
                Task(executorPreference: scheduling.tasks) { [self] in await open(tenant, configuration) }
            case .close(let tenant, let spool):
                Task(executorPreference: scheduling.tasks) { [self] in await close(tenant, spool) }
            }
        }
    }

    // MARK: Opening

    private func open(_ tenant: String, _ configuration: SpoolConfiguration) async {
        do throws(SpoolError) {
            let spool = try await openSpool(tenant, configuration)
            let (current, waiters) = state.withLock { state in
                state.summary.entries[tenant]?.stamp = nil
                return (state.tenants[tenant]?.configuration, state.opened(tenant, spool))
            }
            if let current, current != configuration { await apply(current, spool) }
            for waiter in waiters { waiter(.success(spool)) }
        } catch {
            events(
                Event(
                    .error, "a spool cannot be opened", ["tenant": tenant, "error": error.description]))
            for waiter in state.withLock({ $0.failedToOpen(tenant) }) { waiter(.failure(error)) }
        }
        announceChange()
        perform(state.withLock { $0.isClosing ? [] : $0.next() })
    }

    /// A reload came while the spool was being opened.
    private func apply(_ configuration: SpoolConfiguration, _ spool: Spool) async {
        do throws(SpoolError) { try await spool.configure(configuration) } catch {
            events(
                Event(
                    .error, "a spool does not take its configuration",
                    ["tenant": spool.tenant, "error": error.description]))
        }
    }

    /// Opens the tenant's spool, or a fresh one in its place when that cannot be used.
    private func openSpool(_ tenant: String, _ configuration: SpoolConfiguration) async throws(SpoolError) -> Spool {
        try folder.files.makeFolder(folder.folder(of: tenant))
        let setAside = folder.setAside(of: tenant)
        let mark = mark(of: tenant)
        let first = try mark.read()
        if let name = try setAside.finish() {
            return try await openFresh(tenant, configuration, first, "set aside as \(name)")
        }
        // Sequences were given, and the file that had them is gone.
        if first > 1, try folder.files.status(folder.spool(of: tenant))?.bytes ?? 0 == 0 {
            _ = try setAside.perform(wall: time.wall())
            return try await openFresh(tenant, configuration, first, "the database was missing")
        }
        do throws(SpoolError) {
            return try await openTwice(tenant, configuration, first)
        } catch {
            guard try isBeyondUse(error, folder.spool(of: tenant)),
                let name = try setAside.perform(wall: time.wall())
            else { throw error }
            return try await openFresh(tenant, configuration, first, "set aside as \(name): \(error)")
        }
    }

    /// An input/output error may pass, a full disk has the ballast: tried once more (`storage.md` 19).
    private func openTwice(
        _ tenant: String, _ configuration: SpoolConfiguration, _ first: Int64
    ) async throws(SpoolError) -> Spool {
        let environment = environment(for: tenant)
        let path = folder.spool(of: tenant)
        do throws(SpoolError) {
            return try await Spool.open(path: path, configuration, environment, minimumSequence: first)
        } catch {
            let mayPass = error.code == .commitFailed || (error.code == .full && space.releaseBallast(events))
            guard mayPass else { throw error }
            return try await Spool.open(path: path, configuration, environment, minimumSequence: first)
        }
    }

    /// Whether what is in the spool's place will never be one again. A backend that changed its type is the config's
    /// mistake, and a lack of files or rights is the machine's: neither is a reason to put data aside.
    private func isBeyondUse(_ error: SpoolError, _ path: String) throws(SpoolError) -> Bool {
        switch error.code {
        case .unreadable, .commitFailed: true
        case .incompatible: true
        case .unavailable: try folder.files.status(path).map { !$0.isFile } ?? false
        default: false
        }
    }

    private func openFresh(
        _ tenant: String, _ configuration: SpoolConfiguration, _ first: Int64, _ detail: String
    ) async throws(SpoolError) -> Spool {
        let spool = try await Spool.open(
            path: folder.spool(of: tenant), configuration, environment(for: tenant), minimumSequence: first)
        let known = state.withLock { $0.summary.entries[tenant]?.status }
        let pending = known.map { status in
            let backends = status.backends.map { "\($0.name) \($0.pendingPoints)" }.joined(separator: ", ")
            return "; last known pending points: \(backends)"
        }
        try await spool.recordSetAside(before: first, String((detail + (pending ?? "")).prefix(2000)))
        events(
            Event(
                .error, "a spool was set aside and a fresh one opened",
                ["tenant": tenant, "detail": detail, "sequence.first": String(first)]))
        return spool
    }

    private func environment(for tenant: String) -> SpoolEnvironment {
        let mark = mark(of: tenant)
        var environment = SpoolEnvironment(
            writer: writers[tenant], reader: readers[tenant], cache: cache, time: time, events: events,
            onWork: { [weak self] in self?.notifyWork(tenant) },
            onBroken: { [weak self] _ in self?.replaceBroken(tenant) },
            reserveSequences: { first throws(SpoolError) in try mark.reserve(from: first) })
        environment.files = folder.files
        environment.space = space
        environment.scheduling = scheduling
        environment.maximumQueuedBytes = node.ingestMemoryBytes
        return environment
    }

    private func mark(of tenant: String) -> HighWaterMark {
        HighWaterMark(path: folder.sequences(of: tenant), files: folder.files, wall: time.wall)
    }

    // MARK: Closing

    private func close(_ tenant: String, _ spool: Spool) async {
        guard let status = await spool.closeIfIdle() else {
            let waiters = state.withLock { $0.stayedOpen(tenant, spool) }
            for waiter in waiters { waiter(.success(spool)) }
            announceChange()
            return perform(state.withLock { $0.isClosing ? [] : $0.next() })
        }
        noteClosed(tenant, status)
    }

    private func noteClosed(_ tenant: String, _ status: SpoolStatus?) {
        if let status { giveBackSequences(tenant, after: status.lastSequence) }
        let stamp = NodeSummary.Stamp(ofClosed: folder.spool(of: tenant), on: folder.files)
        let actions = state.withLock { state in
            if let status { state.note(status, stamp, tenant) }
            if stamp == nil || status == nil { state.markStale(tenant) }
            state.closed(tenant)
            return state.isClosing ? [] : state.next()
        }
        announceChange()
        perform(actions)
    }

    /// After a clean close the reserve is exact again, so that opening and closing leaves no gaps.
    private func giveBackSequences(_ tenant: String, after last: Int64) {
        let mark = mark(of: tenant)
        do throws(SpoolError) { try mark.set(last + 1) } catch {
            events(
                Event(
                    .warning, "reserved sequences could not be given back",
                    ["tenant": tenant, "error": error.description]))
        }
    }

    /// Closes a spool at the end of the node, whatever it does; waits for one that is just being opened or closed.
    func closeNow(_ tenant: String) async {
        while true {
            let (phase, isChanging) = state.withLock { state in
                defer {
                    if case .open(let spool)? = state.tenants[tenant]?.phase {
                        state.tenants[tenant]?.phase = .closing(spool)
                    }
                }
                return (state.tenants[tenant]?.phase, state.isChanging(tenant))
            }
            if case .open(let spool)? = phase { return noteClosed(tenant, await spool.closeWithStatus()) }
            guard isChanging else { return }
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    if state.isChanging(tenant) { state.changeWaiters.append(continuation) }
                    return !state.isChanging(tenant)
                }
                if isOver { continuation.resume() }
            }
        }
    }

    /// Wakes those who wait for a spool to be open or closed.
    private func announceChange() {
        let waiters = state.withLock { state in
            defer { state.changeWaiters = [] }
            return state.changeWaiters
        }
        for waiter in waiters { waiter.resume() }
    }

    /// A spool that failed twice in a row: closed, so that no handle is left, and put aside; the next use opens a fresh
    /// one.
    private func replaceBroken(_ tenant: String) {
        Task(executorPreference: scheduling.tasks) { [self] in
            let spool = state.withLock { state -> Spool? in
                guard case .open(let spool)? = state.tenants[tenant]?.phase else { return nil }
                state.tenants[tenant]?.phase = .closing(spool)
                return spool
            }
            guard let spool else { return }
            await spool.close()
            do throws(SpoolError) {
                _ = try folder.setAside(of: tenant).perform(wall: time.wall())
            } catch {
                events(Event(.error, "a spool cannot be set aside", ["tenant": tenant, "error": error.description]))
            }
            noteClosed(tenant, nil)
        }
    }
}
