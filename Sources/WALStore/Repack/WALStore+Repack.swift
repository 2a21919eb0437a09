import Synchronization

/// Repack, for all open spools of a node: each round begins behind the spool with which the last one ended.
extension WALStore {
    func repack() async {
        var round = RepackRound()
        let (tenants, last) = state.withLock { ($0.open.map(\.tenant), $0.repackedLast) }
        let later = tenants.drop { $0 <= last }
        for tenant in later + tenants.prefix(tenants.count - later.count) where !round.isUsedUp {
            let before = round
            let answer = await unlessStalled(tenant) { [self] () -> (RepackRound, SpoolError?)? in
                guard let spool = state.withLock({ $0.acquireIfOpen(tenant) }) else { return nil }
                defer { release(tenant) }
                return await spool.repack(before)
            }
            guard let answer else { continue }
            let failure = answer.1
            round = answer.0
            if round.isUsedUp { state.withLock { $0.repackedLast = tenant } }
            guard let failure, failure.code != .closing else { continue }
            events(Event(.warning, "a spool could not be repacked", ["tenant": tenant, "error": failure.description]))
        }
        state.withLock { $0.repacked += round.tally }
    }

    /// What repacks have done since the start.
    public var repacked: RepackTally { state.withLock { $0.repacked } }
}
