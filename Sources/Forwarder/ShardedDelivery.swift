import Synchronization
import WALStore

/// A lease of many requests' worth of points on its way, to a backend that keeps each series in order: divided by series,
/// every shard a delivery of its own, all at once.
///
/// The next lease of the lane is read, divided and encoded meanwhile, and its first request waits for the end of all of
/// this one: until then a series of it may be on its way.
struct ShardedDelivery {
    let lane: Lane
    let context: DeliveryContext
    let route: DeliveryRoute
    let generation: UInt64
    let gate: TurnGate
    let lease: Lease
    /// Of a request, at most.
    let points: Int
    /// Said at the end of the lease before this one; nil when it has ended.
    let before: Handover?
    /// To be said at the end of this one.
    let after: Handover

    /// So many shards are settled together while others are on their way: what is sent and not settled is sent again after
    /// a crash, and a receiver that holds it refuses it point by point.
    static let settledTogether = 8
    /// A settlement of more runs waits for those that close the gaps between them.
    static let fewRuns = 512
    /// More runs than this are never written down, and the points of the rest are sent again: a settlement is carried out
    /// while appends wait, and a hole in what is owed is kept in memory.
    static let maximumRuns = 1024

    private enum Event {
        case ended(DeliveryEnding)
        case settled(Bool)
        case patienceEnded
    }

    func run() async -> DeliveryEnding {
        let routed = await route.routed(lease, context)
        var shards = await divide(routed.sent)[...]
        return await withTaskGroup(of: Event.self) { group in
            var ending = DeliveryEnding()
            var settlements: [Settlement] = []
            var enough = Self.settledTogether
            var (running, writing) = (0, 0)
            var isTimed = false
            while true {
                // What is sent while nothing can be settled is sent again after a crash.
                let (width, isShortOfSpace) = lane.state.withLock { state in
                    (state.width, writing > 0 && state.settleProblem != nil)
                }
                while running < width, !ending.isLeft, !isShortOfSpace, let shard = shards.popFirst() {
                    group.addTask { .ended(await delivery(of: shard, routed).run()) }
                    running += 1
                }
                if running == 0, !isShortOfSpace, !after.isResolved {
                    ending.isLeft = ending.isLeft || !shards.isEmpty
                    after.resolve(isClear: !ending.isLeft)
                }
                guard running + writing > 0, let event = await group.next() else { break }
                var most = Self.fewRuns
                switch event {
                case .ended(let ended):
                    running -= 1
                    ending.isLeft = ending.isLeft || ended.isLeft
                    ending.maybeSent = ending.maybeSent || ended.maybeSent
                    if let settlement = ended.settlement { settlements.append(settlement) }
                    if !isTimed, !settlements.isEmpty, running > 0 {
                        isTimed = true
                        group.addTask { await waitPatiently() }
                    }
                    guard settlements.count >= enough else { continue }
                    enough = settlements.count + Self.settledTogether
                case .settled(let isSettled):
                    writing -= 1
                    if !isSettled { (ending.isLeft, ending.maybeSent) = (true, true) }
                    continue
                case .patienceEnded:
                    isTimed = false
                    most = Self.maximumRuns
                }
                guard running > 0, !settlements.isEmpty else { continue }
                let together = Settlement(together: settlements)
                guard together.parts.count <= most else { continue }
                (settlements, enough) = ([], Self.settledTogether)
                writing += 1
                group.addTask { .settled(await lane.settle(lease, together, context)) }
            }
            group.cancelAll()
            ending.finish(settlements)
            return ending
        }
    }

    private func waitPatiently() async -> Event {
        do { try await context.sleep(context.tuning.settlesWithin) } catch { /* The lease is over. */  }
        return .patienceEnded
    }

    private func delivery(of shard: SeriesShard, _ routed: RoutedLease) -> Delivery {
        Delivery(
            lane: lane, context: context, route: route, generation: generation, gate: gate, lease: lease,
            routed: routed, shard: shard, points: points, before: before)
    }

    private func divide(_ lease: Lease) async -> [SeriesShard] {
        await context.encoding.acquire(lane.tenant, weight: route.weight)
        defer { context.encoding.release() }
        return SeriesShard.divide(lease, points: points, for: route.backend)
    }
}

extension DeliveryEnding {
    /// Takes what is not settled yet.
    fileprivate mutating func finish(_ settlements: [Settlement]) {
        guard !settlements.isEmpty else { return }
        var all = Settlement(together: settlements)
        if all.parts.count > ShardedDelivery.maximumRuns {
            all.parts.removeSubrange(ShardedDelivery.maximumRuns...)
            (isLeft, maybeSent) = (true, true)
        }
        settlement = all
    }
}
