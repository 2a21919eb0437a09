import WALStore

/// A tenant that left the config while its backends were still owed points: they are kept, and nothing sends them until it is
/// back.
struct LeftTenant: Sendable, Equatable {
    var tenant: String
    /// Owed to the backend that is owed most.
    var points: Int64

    /// - Parameter statuses: what each spool said last.
    static func find(_ spools: [SpoolConfiguration], _ statuses: [SpoolStatus]) -> [LeftTenant] {
        let configured = Set(spools.map(\.tenant))
        return statuses.filter { !configured.contains($0.tenant) }.compactMap { status in
            let points = status.backends.map(\.pendingPoints).max() ?? 0
            return points > 0 ? LeftTenant(tenant: status.tenant, points: points) : nil
        }.sorted { $0.tenant < $1.tenant }
    }

    /// For people.
    var warning: String {
        "tenant \(tenant) is not in the config, and \(Amount.count(points)) points of it are still owed; they are kept, and nothing "
            + "sends them: put it back until they are delivered"
    }
}

extension Node {
    /// At a start: as of the last summary, so that nobody has to open spools for it.
    func tellLeftTenants(_ configuration: Configuration) {
        guard let last = WALStore.lastStatuses(directory: configuration.dataDirectory) else { return }
        for left in LeftTenant.find(configuration.spools, last.entries.map(\.status)) {
            log.warning(
                "a tenant that is not in the config is still owed to",
                ["tenant": left.tenant, "config.warning": left.warning])
        }
    }
}
