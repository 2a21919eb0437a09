import Synchronization
import WALStore

/// What an answer means for the points of its request, and for the lane.
extension Delivery {
    mutating func act(
        on outcome: DeliveryOutcome, _ answer: Answer, _ part: Bisect.Part, _ request: EncodedRequest
    ) async -> Next {
        let status = answer.status
        if lease.isOfBodies, outcome.isAboutPoints {
            await recover(isDelivery: false)
            return giveBackBodies(part)
        }
        switch outcome {
        case .delivered:
            await recover(isDelivery: true)
            let settlement = part.settlement(bisect.delivered(part), status: status, context)
            return .goOn(settlement.counting(request.counters, isTaken: true))
        case .partly(let items): return await act(on: items, part, status: status)
        case .tooLarge(let limitBytes):
            await recover(isDelivery: false)
            learnTooLarge(part, bodyBytes: request.body.count, limitBytes: limitBytes)
            return .goOn(
                part.settlement(
                    bisect.tooLarge(part, status: status, excerpt: answer.excerpt), status: status, context))
        case .refused(let reason, let meansAlreadyThere):
            if !lane.state.withLock({ $0.doubt.isRaised }) { await recover(isDelivery: false) }
            let settled = bisect.refused(part, reason, meansAlreadyThere: meansAlreadyThere)
            let isThere = settled.contains { $0.fate == .assumed }
            let settlement = part.settlement(settled, status: status, context)
                .counting(request.counters, isTaken: isThere)
            if !meansAlreadyThere, await doubts(settled, reason) { return .stop(settlement) }
            return .goOn(settlement)
        case .encodeAnew:
            // Where nothing was asked of it (points became too old to send), a backend that fails does so still.
            if case .response = answer { await recover(isDelivery: false) }
            bisect.putBack(part)
            return .goOn(part.settlement([], status: status, context))
        case .hold(let reason):
            bisect.putBack(part)
            await hold(reason)
            return .stop(nil)
        case .retry: preconditionFailure("the attempts loop answers retries itself")
        }
    }

    /// What a body says would have to be known to go on with it.
    mutating func giveBackBodies(_ part: Bisect.Part) -> Next {
        lane.state.withLock { $0.refusedBodies() }
        bisect.putBack(part)
        return .stop(nil)
    }

    /// Holds the lane of a backend that refuses all and has never taken anything.
    ///
    /// - Returns: whether it is held.
    private func doubts(_ settled: [Settlement.Part], _ reason: DeadLetterReason) async -> Bool {
        let dead = settled.points(where: \.isDead)
        guard dead > 0 else { return false }
        let isProven = context.isProven(route.name)
        let isHeld = lane.state.withLock { state in
            if isProven { state.doubt.end() }
            return state.doubt.add(refused: dead)
        }
        guard isHeld else { return false }
        await hold(
            "nothing was taken yet, and \(LaneDoubt.pointsBefore) points and more were refused: are url and type right? "
                + "\(reason.status): \(reason.excerpt.prefix(256))")
        return true
    }

    private mutating func act(on items: [ItemOutcome], _ part: Bisect.Part, status: Int) async -> Next {
        let named = items.flatMap(\.runs)
        let rest = part.runs.subtracting(named)
        guard named.points + rest.points == part.points else {
            bisect.putBack(part)
            await hold("a defect: the answer is read as if it named points twice, or some that were not sent")
            return .stop(nil)
        }
        let parts = bisect.partly(part, items) { [routed] in routed.kept($0).points > 0 }
        let settlement = part.settlement(parts, status: status, context)
        for case .hold(let reason) in items.map(\.verdict) {
            await hold(reason)
            return .stop(settlement)
        }
        for case .retry(let reason) in items.map(\.verdict) {
            // A backend that takes some and defers others is busy: what it deferred waits as a whole request would.
            _ = await fail(reason, after: nil, startedAt: context.time.boot())
            return .stop(settlement)
        }
        for case .assumed(let reason) in items.map(\.verdict) {
            context.events(
                Event(
                    .warning, "the backend took a part of a request and does not say which; it is assumed delivered",
                    lane.metadata(["reason": reason])))
        }
        let isTaken =
            routed.kept(rest).points > 0
            || items.contains {
                switch $0.verdict {
                case .alreadyThere, .assumed: true
                default: false
                }
            }
        let isDelivery = isTaken && !items.contains { $0.verdict == .again }
        if isTaken || !lane.state.withLock({ $0.doubt.isRaised }) { await recover(isDelivery: isDelivery) }
        for case .dead(let reason) in items.map(\.verdict) where !isTaken {
            return await doubts(parts, reason) ? .stop(settlement) : .goOn(settlement)
        }
        return .goOn(settlement)
    }

    func learnTooLarge(_ part: Bisect.Part, bodyBytes: Int, limitBytes: Int?) {
        let sent = routed.kept(part.runs).points
        var points = (sent + 1) / 2
        if let limitBytes, limitBytes > 0, bodyBytes > limitBytes {
            // A tenth below, because points differ in size.
            points = min(points, Int(Double(sent) * Double(limitBytes) / Double(bodyBytes) * 0.9))
        }
        lane.state.withLock { $0.learnTooLarge(points: points) }
    }
}

extension [Settlement.Part] {
    fileprivate func points(where isWanted: (Fate) -> Bool) -> Int {
        reduce(0) { isWanted($1.fate) ? $0 + $1.run.ordinals.count : $0 }
    }
}

extension Fate {
    fileprivate var isDead: Bool { if case .dead = self { true } else { false } }
}
