import WALStore

/// A backend that is sent increments of running totals: see `CounterBook`.
extension Delivery {
    private var takesIncrements: Bool { route.backend.traits.takesIncrements }

    /// Until no other delivery counts from what this one may change. Whoever waits lets others have his turn at the backend:
    /// the one that is waited for may need it.
    mutating func beginCounting() async {
        guard takesIncrements, !context.counters.takeAtOnce(lane.tenant, lane.backend) else { return }
        giveUpTurn()
        await context.counters.take(lane.tenant, lane.backend)
    }

    /// Settles the rest at once, since the next delivery counts from there.
    mutating func endCounting(_ ending: DeliveryEnding) async -> DeliveryEnding {
        guard takesIncrements else { return ending }
        var ending = ending
        if let settlement = ending.settlement {
            ending.settlement = nil
            if await !settle(lease, settlement) {
                (ending.isLeft, ending.maybeSent, ending.isUnsettled) = (true, true, true)
            }
        }
        context.counters.giveUp(lane.tenant, lane.backend)
        return ending
    }

    /// Totals that one request may move: they are in memory, and in one transaction, together. A histogram has one a bucket.
    static let maximumCounters = 20_000

    func counterKeys(of chunk: Chunk) -> [CounterKey] {
        takesIncrements ? route.backend.counterKeys(of: chunk) : []
    }

    /// Where totals stand.
    ///
    /// - Returns: nil when the spool cannot say; then nothing may be sent.
    func book(_ keys: [CounterKey]) async -> CounterBook? {
        guard !keys.isEmpty else { return CounterBook() }
        do throws(SpoolError) {
            return CounterBook(try await lane.source.counters(tenant: lane.tenant, backend: lane.backend, keys))
        } catch {
            context.events(
                Event(
                    .warning, "the spool could not say where running totals stand; it is asked again later",
                    lane.metadata(["error": error.description])))
            return nil
        }
    }
}
