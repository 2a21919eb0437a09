import WALStore

/// Which of a lane's points go out next, where what is fresh goes ahead of a backlog.
extension LaneState {
    /// How the next lease is chosen. Whoever looks for what is wrong goes on where he was; while the backend does not answer
    /// it is what is fresh that is tried.
    var freshFirst: FreshFirst? {
        guard !isReplay, case .freshFirst(let catchUp) = route.order else { return nil }
        let turn: FreshFirst.Turn =
            suspicion.map { $0.isOfBacklog ? .backlog : .fresh } ?? (isWell ? backlogShare.turn : .fresh)
        return FreshFirst(
            turn: turn, freshSeconds: catchUp.freshSeconds, maximumBacklogSeconds: catchUp.maximumBacklogSeconds,
            keepsOrder: route.backend.traits.keepsOrder)
    }

    /// What a plan came to.
    mutating func leased(_ lease: Lease, _ plan: LeasePlan) {
        guard let order = plan.freshFirst, case .freshFirst(let catchUp) = plan.route.order, isWell else { return }
        backlogShare.leased(
            points: lease.points, isOfBacklog: lease.isOfBacklog, turn: order.turn, share: catchUp.share)
    }
}
