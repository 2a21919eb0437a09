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

    /// More runs than this are not written down, and the points of the rest are sent again: a settlement is carried out
    /// while appends wait, and a hole in what is owed is kept in memory.
    static let maximumRuns = 4096

    func run() async -> DeliveryEnding {
        let shards = await divide()
        let endings = await withTaskGroup(of: DeliveryEnding.self) { group in
            for shard in shards {
                group.addTask {
                    await Delivery(
                        lane: lane, context: context, route: route, generation: generation, gate: gate, lease: lease,
                        shard: shard, points: points, before: before
                    ).run()
                }
            }
            var endings: [DeliveryEnding] = []
            for await ending in group { endings.append(ending) }
            return endings
        }
        return combined(endings)
    }

    private func divide() async -> [SeriesShard] {
        await context.encoding.acquire(lane.tenant, weight: route.weight)
        defer { context.encoding.release() }
        return SeriesShard.divide(lease, points: points, for: route.backend)
    }

    // MARK: The end

    private func combined(_ endings: [DeliveryEnding]) -> DeliveryEnding {
        var all = DeliveryEnding()
        all.isLeft = endings.contains(where: \.isLeft)
        all.maybeSent = endings.contains(where: \.maybeSent)
        let settlements = endings.compactMap(\.settlement)
        guard var settlement = settlements.first else { return all }
        settlement.attempts = settlements.map(\.attempts).max() ?? 1
        settlement.status = settlements.last?.status ?? 0
        settlement.firstAttemptAt = settlements.map(\.firstAttemptAt).min() ?? 0
        let parts = settlements.flatMap(\.parts)
        if parts.allSatisfy({ $0.fate == .delivered }), parts.reduce(0, { $0 + $1.run.ordinals.count }) == lease.points
        {
            settlement.parts = lease.pieces.indices.map {
                Settlement.Part(LeasedRun(piece: $0, ordinals: lease.pieces[$0].ordinals), .delivered)
            }
        } else {
            let joined = Self.joined(parts)
            settlement.parts = Array(joined.prefix(Self.maximumRuns))
            if joined.count > Self.maximumRuns { (all.isLeft, all.maybeSent) = (true, true) }
        }
        all.settlement = settlement
        return all
    }

    /// In order, neighbours of one fate as one.
    static func joined(_ parts: [Settlement.Part]) -> [Settlement.Part] {
        let sorted = parts.sorted {
            ($0.run.piece, $0.run.ordinals.lowerBound) < ($1.run.piece, $1.run.ordinals.lowerBound)
        }
        var joined: [Settlement.Part] = []
        for part in sorted {
            if let last = joined.last, last.fate == part.fate, last.run.piece == part.run.piece,
                last.run.ordinals.upperBound == part.run.ordinals.lowerBound
            {
                joined[joined.count - 1].run.ordinals = last.run.ordinals.lowerBound..<part.run.ordinals.upperBound
            } else {
                joined.append(part)
            }
        }
        return joined
    }
}
