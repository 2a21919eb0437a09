import WALStore

/// Which of a lane's points go out next, where what is fresh goes ahead of a backlog.
extension LaneState {
    /// While the backend does not answer, what is fresh is tried, so many points at once: it is asked often.
    static let probePoints = 100
    /// A lease is of so much as went out of late in this time: what is fresh waits for one that is on its way.
    static let leaseSeconds = 1.0

    var catchUp: CatchUp? {
        guard !isReplay, case .freshFirst(let catchUp) = route.order else { return nil }
        return catchUp
    }

    /// How the next lease is chosen.
    ///
    /// - Parameter isPassing: a lease of the backlog is on its way, and stays where it is.
    func freshFirst(now: Int64, isPassing: Bool = false) -> FreshFirst? {
        guard let catchUp else { return nil }
        let (turn, isAlone) = isPassing ? (.fresh, true) : turn(now: now)
        return FreshFirst(
            turn: turn, isAlone: isAlone, freshSeconds: catchUp.freshSeconds,
            maximumBacklogSeconds: catchUp.maximumBacklogSeconds, keepsOrder: route.backend.traits.keepsOrder)
    }

    private func turn(now: Int64) -> (FreshFirst.Turn, isAlone: Bool) {
        if now < backlog.resumeAt || backlog.isInTrouble && backlog.deliveries > 0 { return (.fresh, true) }
        // Whoever looks for what is wrong goes on where he was; else it is what is fresh that shows whether the backend is up.
        if !isWell { return isFreshDry ? (.backlog, false) : (.fresh, true) }
        if backlog.isInTrouble { return (.backlog, false) }
        return (backlogShare.turn, false)
    }

    /// When fresh points may go out beside the backlog that is on its way, boot clock; nil when they may not, or do.
    func passesAt(after patience: Duration) -> Int64? {
        guard catchUp != nil, !isFreshDry, backlog.deliveries > 0, deliveries == backlog.deliveries, backlog.mayBePassed
        else { return nil }
        return backlog.leasedAt + patience.wholeNanoseconds
    }

    /// What a plan came to.
    mutating func leased(_ lease: Lease, _ plan: LeasePlan, now: Int64) {
        guard let order = plan.freshFirst, case .freshFirst(let catchUp) = plan.route.order else { return }
        if lease.isOfBacklog {
            backlog.leased(lease, keepsOrder: order.keepsOrder, now: now)
        } else if order.turn == .backlog {
            backlog.isGone()
        }
        guard isWell else { return }
        backlogShare.leased(
            points: lease.points, isOfBacklog: lease.isOfBacklog, turn: order.turn, share: catchUp.share)
        // What passes a backlog that cannot go out is no debt; what passes one that is on its way is, up to as much as that.
        if order.isAlone { backlogShare.limitDebt(to: backlog.deliveries > 0 ? backlog.leasedPoints : 0) }
    }

    /// Nothing was leased: there is nothing more, of what was asked for.
    mutating func foundNothing(_ plan: LeasePlan) {
        guard news == plan.news else { return }
        if plan.freshFirst?.isAlone == true {
            isFreshDry = true
        } else {
            isDry = true
            if deliveries == 1 { backlog.isGone() }
        }
    }
}
