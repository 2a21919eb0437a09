import WALStore

/// A backend whose type in the config is not the one that its books are of: its tenant's spool does not open, so that nothing
/// is sent to a system that never had what the books call delivered.
struct TypeChange: Sendable, Equatable {
    var tenant: String
    var backend: String
    var known: String
    var configured: String

    /// Those that can be told without opening a spool.
    ///
    /// - Parameter statuses: the last ones known.
    static func find(_ spools: [SpoolConfiguration], _ statuses: [SpoolStatus]) -> [TypeChange] {
        let known = Dictionary(statuses.map { ($0.tenant, $0.backends) }, uniquingKeysWith: { first, _ in first })
        return spools.flatMap { spool in
            spool.backends.flatMap { registration in
                [registration.name, registration.renamedFrom].compactMap { name -> TypeChange? in
                    guard let name, let ledger = known[spool.tenant]?.first(where: { $0.name == name }),
                        ledger.type != registration.type
                    else { return nil }
                    return TypeChange(
                        tenant: spool.tenant, backend: name, known: ledger.type, configured: registration.type)
                }
            }
        }
    }
}

extension Node {
    /// Says at once what else the first request of the tenant would be told.
    func tellTypeChanges(_ configuration: Configuration) {
        guard let last = WALStore.lastStatuses(directory: configuration.dataDirectory) else { return }
        for change in TypeChange.find(configuration.spools, last.entries.map(\.status)) {
            log.error(
                "a backend has another type than the spool knows it with; the tenant's requests are refused",
                [
                    "tenant": change.tenant, "backend": change.backend, "backend.type": change.configured,
                    "backend.known_type": change.known,
                    "advice": "give the new one another name, or this one its former type",
                ])
        }
    }
}
