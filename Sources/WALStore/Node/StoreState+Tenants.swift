extension StoreState {
    /// Takes the configured tenants.
    ///
    /// - Parameter seen: stamps of closed spools that were looked at a moment ago: they are not looked at again.
    /// - Returns: open ones whose configuration is another now.
    mutating func configure(
        _ new: [SpoolConfiguration], _ folder: DataFolder, _ seen: [String: NodeSummary.Stamp],
        _ chainMemory: ChainMemory, bootTime: Int64
    ) -> [(String, SpoolConfiguration)] {
        isConfigured = true
        var changed: [(String, SpoolConfiguration)] = []
        for configuration in new {
            let name = configuration.tenant
            guard let old = tenants[name] else {
                tenants[name] = Tenant(configuration: configuration, notedAt: bootTime, visitedAt: bootTime)
                if isStale(name, configuration, folder, seen[name]) { lookAgain(name, folder) }
                if isMissing(configuration, folder, seen[name], chainMemory) { visitSoon(name) }
                continue
            }
            tenants[name]?.isRemoved = false
            guard old.configuration != configuration || old.isBehind else { continue }
            tenants[name]?.configuration = configuration
            switch old.phase {
            case .closed:
                tenants[name]?.isBehind = false
                if isStale(name, configuration, folder) { lookAgain(name, folder) }
            case .queued:
                // It opens with it, whenever there is a place.
                tenants[name]?.isBehind = false
            case .opening, .open, .closing:
                tenants[name]?.isBehind = true
                changed.append((name, configuration))
            }
        }
        let names = Set(new.map(\.tenant))
        for (name, tenant) in tenants where !names.contains(name) {
            forgetProblem(name)
            if case .closed = tenant.phase, tenant.users == 0 {
                tenants[name] = nil
            } else {
                tenants[name]?.isRemoved = true
            }
        }
        return changed
    }

    /// Whether a spool that should have a chain is not there: opening it says so.
    private func isMissing(
        _ configuration: SpoolConfiguration, _ folder: DataFolder, _ seen: NodeSummary.Stamp?, _ memory: ChainMemory
    ) -> Bool {
        guard let key = configuration.chain, seen == nil, !folder.files.mayExist(folder.spool(of: configuration.tenant))
        else { return false }
        if case .record = memory.recall(configuration.tenant, key) { return true }
        return false
    }

    /// Whether the summary may be wrong about a closed spool: no entry, another stamp, or backends that came or went.
    private func isStale(
        _ tenant: String, _ configuration: SpoolConfiguration, _ folder: DataFolder, _ seen: NodeSummary.Stamp? = nil
    ) -> Bool {
        let path = folder.spool(of: tenant)
        guard seen != nil || folder.files.mayExist(path) else { return summary.entries[tenant] != nil }
        guard let entry = summary.entries[tenant], let stamp = entry.stamp,
            stamp == seen ?? NodeSummary.Stamp(ofClosed: path, on: folder.files)
        else { return true }
        let (known, wanted) = (
            entry.status.backends.lazy.filter { !$0.isDetached }.map(\.name), configuration.backends.lazy.map(\.name)
        )
        return !known.elementsEqual(wanted) && Set(known) != Set(wanted)
    }

    /// What cannot be looked at has not changed for that: its stamp tells, once it can be.
    private mutating func lookAgain(_ tenant: String, _ folder: DataFolder) {
        do throws(SpoolError) {
            _ = try folder.files.status(folder.spool(of: tenant))
            markStale(tenant)
        } catch {
            visitSoon(tenant)
        }
    }

    mutating func markStale(_ tenant: String) {
        summary.entries[tenant]?.stamp = nil
        visitSoon(tenant)
    }

    /// What the summary says of it stands meanwhile.
    mutating func visitSoon(_ tenant: String) {
        guard tenants[tenant]?.isStale == false else { return }
        tenants[tenant]?.isStale = true
        stale.append(tenant)
    }

    /// An open spool has taken this configuration.
    mutating func caughtUp(_ tenant: String, with configuration: SpoolConfiguration) {
        if tenants[tenant]?.configuration == configuration { tenants[tenant]?.isBehind = false }
    }

    /// Open spools that have not taken their configuration yet, by name.
    var behind: [(String, SpoolConfiguration)] {
        tenants.filter { _, tenant in
            if case .open = tenant.phase { tenant.isBehind && !tenant.isRemoved } else { false }
        }.map { ($0.key, $0.value.configuration) }.sorted { $0.0 < $1.0 }
    }

    /// The next tenants to look at, at most `limit`.
    mutating func takeStale(_ limit: Int) -> [String] {
        let taken = Array(stale.prefix(limit))
        stale.removeFirst(taken.count)
        for tenant in taken { tenants[tenant]?.isStale = false }
        return taken
    }

    /// What is known for sure about a closed spool.
    func knownEntry(_ tenant: String) -> NodeSummary.Entry? {
        guard let entry = summary.entries[tenant], entry.stamp != nil else { return nil }
        return entry
    }

    /// Whether what `status` says of a tenant is how things are: it asks an open spool, and believes of a closed one what
    /// was noted when it closed.
    func isStatusCurrent(_ tenant: String) -> Bool {
        guard let known = tenants[tenant] else { return true }
        switch known.phase {
        case .open: return true
        case .closed: return !known.isStale && (summary.entries[tenant] == nil || knownEntry(tenant) != nil)
        case .queued, .opening, .closing: return knownEntry(tenant) != nil
        }
    }

    /// One more user of the spool, if it is open already.
    mutating func acquireIfOpen(_ tenant: String) -> Spool? {
        guard case .open(let spool)? = tenants[tenant]?.phase else { return nil }
        tenants[tenant]?.users += 1
        return spool
    }

    /// What was noted of a spool that is not open. What waits in it has waited on since, at least for as long as this
    /// process knows: the age of a backlog that cannot be reached goes on growing.
    func lastStatus(_ tenant: String, bootTime: Int64) -> SpoolStatus? {
        guard var status = summary.entries[tenant]?.status else { return nil }
        let passed = tenants[tenant].map { Double(max(0, bootTime - $0.notedAt)) / 1_000_000_000 } ?? 0
        for index in status.backends.indices where status.backends[index].pendingPoints > 0 {
            status.backends[index].oldestPendingAgeSeconds += passed
            if status.backends[index].backlogPoints > 0 { status.backends[index].oldestBacklogAgeSeconds += passed }
            if status.backends[index].backlogPoints < status.backends[index].pendingPoints {
                status.backends[index].oldestFreshAgeSeconds += passed
            }
        }
        return status
    }

    /// See `WALStore.backlogsOfNobody`.
    var backlogsOfNobody: [BacklogOfNobody] {
        tenants.filter { !$0.value.isRemoved }.sorted { $0.key < $1.key }.flatMap { name, tenant in
            let wanted = tenant.configuration.backends
            let books = summary.entries[name]?.status.backends ?? []
            let isOpen = if case .open = tenant.phase { true } else { false }
            return books.filter { one in
                guard one.pendingPoints > 0, !wanted.contains(where: { $0.name == one.name }) else { return false }
                // One that is closed hands it on when it opens; an open one has done what it could.
                return isOpen || !wanted.contains { $0.renamedFrom == one.name }
            }.map { BacklogOfNobody(tenant: name, backend: $0.name, points: $0.pendingPoints) }
        }
    }

    /// Remembers what a spool said; `stamp` is nil while it is open.
    mutating func note(_ status: SpoolStatus, _ stamp: NodeSummary.Stamp?, _ tenant: String, bootTime: Int64) {
        tenants[tenant]?.notedAt = bootTime
        refusals[tenant] = tenants[tenant]?.isRemoved == false ? status.refusal : nil
        let entry = NodeSummary.Entry(status: status, stamp: stamp)
        if summary.entries[tenant] != entry {
            summary.entries[tenant] = entry
            isSummaryChanged = true
        }
    }
}
