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
            if let current, current != configuration {
                await apply(current, spool)
            } else {
                state.withLock { $0.caughtUp(tenant, with: configuration) }
            }
            carryOver(tenant, spool)
            for waiter in waiters { waiter(.success(spool)) }
        } catch {
            if error.code != .closing {
                events(Event(.error, "a spool cannot be opened", ["tenant": tenant, "error": error.description]))
            }
            let waiters = state.withLock {
                $0.failedToOpen(tenant, error.description, isTriedAgain: error.mayPass)
            }
            for waiter in waiters { waiter(.failure(error)) }
        }
        announceChange()
        perform(state.withLock { $0.isClosing ? [] : $0.next() })
    }

    /// A reload came while the spool was being opened.
    private func apply(_ configuration: SpoolConfiguration, _ spool: Spool) async {
        do throws(SpoolError) {
            try await spool.configure(configuration)
            state.withLock { $0.caughtUp(spool.tenant, with: configuration) }
        } catch {
            state.withLock { $0.tenants[spool.tenant]?.isBehind = true }
            events(
                Event(
                    .error, "a spool does not take its configuration",
                    ["tenant": spool.tenant, "error": error.description]))
        }
    }

    /// Opens the tenant's spool, or a fresh one in its place when that cannot be used: what can be read of the former
    /// one is then carried over.
    private func openSpool(_ tenant: String, _ configuration: SpoolConfiguration) async throws(SpoolError) -> Spool {
        // Making it anew would hide that all which was acknowledged is elsewhere.
        if let fault = folder.fault { throw SpoolError(.unavailable, fault) }
        try space.admit(tenant)
        try folder.files.makeFolder(folder.folder(of: tenant))
        try clearTheWay(tenant)
        try RestoreSwap(tenant, in: folder).finish()
        let setAside = folder.setAside(of: tenant)
        try setAside.finish(wall: time.wall())
        for (from, to) in try setAside.clearTheWay(wall: time.wall()) {
            events(Event(.error, "something in a spool's place was moved aside", ["file.path": from, "file.name": to]))
        }
        if try isBeyondOpening(tenant) { _ = try setAside.perform(wall: time.wall(), isGone: true) }
        do throws(SpoolError) {
            return try await openTwice(tenant, configuration)
        } catch {
            guard isBeyondUse(error), let name = try setAside.perform(wall: time.wall()) else { throw error }
            events(
                Event(
                    .error, "a spool cannot be used and is set aside",
                    ["tenant": tenant, "spool.set_aside": name, "error": error.description]))
            return try await openTwice(tenant, configuration)
        }
    }

    /// Moves what is no file from the places of the small files beside a spool.
    private func clearTheWay(_ tenant: String) throws(SpoolError) {
        let marks = [folder.sequences(of: tenant), folder.commits(of: tenant)]
        let notes = ["set-aside", "salvage", "restore", "spool.db.restored"]
            .map { "\(folder.folder(of: tenant))/\($0)" }
        for path in marks + notes {
            guard let name = try folder.files.clear(path, wall: time.wall()) else { continue }
            events(
                Event(
                    .error, "something in a file's place was moved aside",
                    ["tenant": tenant, "file.path": path, "file.name": name]))
            if path == folder.sequences(of: tenant) { try mark(of: tenant).replaceLost() }
        }
    }

    /// An input/output error may pass, and SQLite calls one of a read damage; a full disk has the ballast: tried once more
    /// (rule 19).
    private func openTwice(_ tenant: String, _ configuration: SpoolConfiguration) async throws(SpoolError) -> Spool {
        var refusal: SpaceAccount.Refusal?
        do throws(SpoolError) {
            return try await openOnce(tenant, configuration, &refusal)
        } catch {
            let isThere = folder.files.size(folder.files.resolved(folder.spool(of: tenant))) > 0
            let mayPass =
                error.code == .commitFailed || error.code == .unreadable
                || (error.code == .full && isThere && space.releaseBallast(against: refusal, events))
            guard mayPass else { throw error }
            return try await openOnce(tenant, configuration, &refusal)
        }
    }

    /// - Parameter refusal: which limit stood against it, when it fails with `.full`; nil: the disk's own.
    private func openOnce(
        _ tenant: String, _ configuration: SpoolConfiguration, _ refusal: inout SpaceAccount.Refusal?
    ) async throws(SpoolError) -> Spool {
        let note = try SalvageNote.read(folder.folder(of: tenant), folder.files)
        // What is carried over was given sequences, whether or not the mark still says so.
        let first = try note == nil ? mark(of: tenant).read() : mark(of: tenant).readOfUsed()
        var environment = environment(for: tenant)
        let job = note.map { note in
            SalvageJob(
                folder: folder.folder(of: tenant), files: folder.files, note: note, tenant: tenant,
                evidence: SalvagedLedger.Evidence(
                    reservedBefore: first, mark: environment.commitMark?.read(),
                    summary: state.withLock { $0.summary.entries[tenant]?.status },
                    registrations: configuration.backends),
                mayGiveUp: { [self] in isPatienceOver(with: tenant, note.incarnation) })
        }
        // Where the file is, for SQLite and for us: the log, the lengths and the locks are there.
        let path = folder.files.resolved(folder.spool(of: tenant))
        let account = space.account(tenant)
        // A spool that is there is opened to be drained; one that is made takes space for new points.
        account.begin(folder.files.size(path) > 0 || job != nil ? .makingRoom : .newPoints)
        environment.account = account
        do throws(SpoolError) {
            return try await Spool.open(path: path, configuration, environment, minimumSequence: first, salvage: job)
        } catch {
            refusal = account.refusal
            space.closed(tenant, account)
            if error.code == .full, let refusal { throw SpoolError(.full, refusal.reason) }
            throw error
        }
    }

    /// Whether the disk has had its time to give what it failed to read, since this salvage first met that.
    private func isPatienceOver(with tenant: String, _ incarnation: [UInt8]) -> Bool {
        let now = time.boot()
        return state.withLock { state in
            if let known = state.tenants[tenant]?.unreadSince, known.incarnation == incarnation {
                return now - known.at >= SalvageJob.patience
            }
            state.tenants[tenant]?.unreadSince = (incarnation, now)
            return false
        }
    }

    /// What is seen before SQLite opens anything: sequences were given and the file that had them is gone; or its log
    /// has commits behind a damaged place, which recovery would forget without a word.
    private func isBeyondOpening(_ tenant: String) throws(SpoolError) -> Bool {
        let path = folder.files.resolved(folder.spool(of: tenant))
        if try hasMovedLog(tenant, path) { return true }
        let hasLog = try folder.files.status(path + "-wal")?.bytes ?? 0 > 0
        if try folder.files.status(path)?.bytes ?? 0 == 0 {
            // Set aside a moment ago: what takes its place is about to be made.
            let isExpected = try SalvageNote.read(folder.folder(of: tenant), folder.files) != nil
            let first = try mark(of: tenant).read()
            return hasLog || (first > 1 && !isExpected)
        }
        for part in ["", "-wal", "-shm"] { folder.files.disk.restoreAccess(path + part) }
        guard hasLog else { return false }
        let log = try LogFrames(path + "-wal", folder.files)
        let commits = log.commitsBehindDamage
        // One may have been torn by a power cut, before it was acknowledged; not while the machine kept running.
        let isSameBoot = commitMark(of: tenant).read()?.boot == CommitMark.boot(time.bootID())
        guard commits > 1 || (commits == 1 && isSameBoot) else { return false }
        // A power cut can spoil the head of a log that begins anew over an old one: the old frames behind it are in the
        // database. When they are not, the mark says so (`Spool.checkEnd`).
        if log.isHeaderDamaged, !isSameBoot, folder.files.size(folder.commits(of: tenant)) > 0 { return false }
        events(
            Event(
                .error, "the log of a spool is damaged, and commits lie behind the damage",
                ["tenant": tenant, "log.commits": String(commits)]))
        return true
    }

    /// Whether the log is where SQLite will not look for it: beside a link to the database, or behind a link of its own. All
    /// of it is then set aside and carried over, log included.
    ///
    /// - Parameter path: of the database itself.
    private func hasMovedLog(_ tenant: String, _ path: String) throws(SpoolError) -> Bool {
        let beside = folder.spool(of: tenant) + "-wal"
        let isLink = try folder.files.status(path + "-wal")?.isLink == true
        let isLeft = beside != path + "-wal" && folder.files.size(beside) > 0
        guard isLink || isLeft else { return false }
        if isLeft, folder.files.size(path + "-wal") > 0 {
            // The one in use is newer; this one stays for whoever wants to look at it.
            let name = "\(beside).in-the-way-\(UTC.name(time.wall()))"
            try folder.files.rename(beside, to: name)
            events(
                Event(.error, "something in a spool's place was moved aside", ["file.path": beside, "file.name": name]))
            return isLink
        }
        events(
            Event(
                .error, "the log of a spool is not beside its database",
                ["tenant": tenant, "file.path": isLeft ? beside : path + "-wal"]))
        return true
    }

    /// Whether what is in the spool's place will never be one again. A backend that changed its type is the config's
    /// mistake, and a lack of files or rights is the machine's: neither is a reason to put data aside.
    private func isBeyondUse(_ error: SpoolError) -> Bool {
        switch error.code {
        case .unreadable, .commitFailed, .incompatible: true
        default: false
        }
    }

    /// Goes on with what a spool carries over, beside its commits; upkeep tries again what did not work.
    private func carryOver(_ tenant: String, _ spool: Spool) {
        Task(executorPreference: scheduling.tasks) { [self] in
            do throws(SpoolError) { try await spool.carryOver() } catch {
                guard error.code != .closing else { return }
                events(
                    Event(
                        .warning, "the salvage of a spool does not get on; it is tried again",
                        ["tenant": tenant, "error": error.description]))
            }
        }
    }

    private func environment(for tenant: String) -> SpoolEnvironment {
        let mark = mark(of: tenant)
        var environment = SpoolEnvironment(
            writer: writers[tenant], reader: readers[tenant], cache: cache, time: time, events: events,
            onWork: { [weak self] in self?.notifyWork(tenant) },
            onBroken: { [weak self] _ in self?.replaceBroken(tenant) },
            reserveSequences: { first throws(SpoolError) in try mark.reserve(from: first) })
        environment.space = space
        environment.spare = spare
        environment.merges = merges
        environment.baseAllowance = baseAllowance
        environment.baseRules = baseRules
        environment.commitMark = commitMark(of: tenant)
        environment.chainMemory = chainMemory
        environment.files = folder.files
        environment.scheduling = scheduling
        environment.maximumQueuedBytes = node.ingestMemoryBytes
        return environment
    }

    private func mark(of tenant: String) -> HighWaterMark {
        HighWaterMark(path: folder.sequences(of: tenant), files: folder.files, wall: time.wall)
    }

    private func commitMark(of tenant: String) -> CommitMark {
        CommitMark(path: folder.commits(of: tenant), files: folder.files)
    }

    // MARK: Closing

    private func close(_ tenant: String, _ spool: Spool) async {
        guard case .closed(let status) = await spool.closeIfIdle() else {
            let waiters = state.withLock { $0.stayedOpen(tenant, spool) }
            for waiter in waiters { waiter(.success(spool)) }
            announceChange()
            return perform(state.withLock { $0.isClosing ? [] : $0.next() })
        }
        noteClosed(tenant, spool, status)
    }

    private func noteClosed(_ tenant: String, _ spool: Spool, _ status: SpoolStatus?) {
        space.closed(tenant, spool.account)
        if let status { giveBackSequences(tenant, after: status.lastSequence) }
        let stamp = NodeSummary.Stamp(ofClosed: folder.spool(of: tenant), on: folder.files)
        let actions = state.withLock { state in
            if let status { state.note(status, stamp, tenant, bootTime: time.boot()) }
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
            if case .open(let spool)? = phase { return noteClosed(tenant, spool, await spool.closeWithStatus()) }
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
        // At once: who comes from here on waits for the next one.
        let spool = state.withLock { state -> Spool? in
            guard case .open(let spool)? = state.tenants[tenant]?.phase else { return nil }
            state.tenants[tenant]?.phase = .closing(spool)
            return spool
        }
        guard let spool else { return }
        Task(executorPreference: scheduling.tasks) { [self] in
            let books = await spool.books()
            state.withLock { $0.note(books, nil, tenant, bootTime: time.boot()) }
            await spool.close()
            do throws(SpoolError) {
                _ = try folder.setAside(of: tenant).perform(wall: time.wall())
            } catch {
                events(Event(.error, "a spool cannot be set aside", ["tenant": tenant, "error": error.description]))
            }
            noteClosed(tenant, spool, nil)
        }
    }
}

extension SpoolError {
    /// What the machine did, not the config or the file: it may be mended while the node runs.
    fileprivate var mayPass: Bool { code == .full || code == .unavailable || code == .commitFailed }
}
