import Synchronization
import WALStore

/// What an answer means for the clocks of the lane, and for that of a backlog beside fresh points.
extension Delivery {
    /// The backend answered for good: whatever the lane waited for is over.
    func recover(isDelivery: Bool) async {
        if isDelivery { context.proven(route.name) }
        let wasFailing = lane.state.withLock { state in
            if isDelivery { state.delivered(isOfBacklog: isOfBacklog) }
            return state.answered(isOfBacklog: isOfBacklog)
        }
        guard wasFailing else { return }
        context.events(Event(.info, "the backend answers again", lane.metadata()))
        await lane.persistRetry(context)
    }

    func hold(_ reason: String) async {
        let delay = context.probeDelay()
        let isNew = lane.state.withLock { state in
            state.hold(
                reason: reason, generation: generation, probeIn: delay, now: context.time.boot(),
                wall: context.time.wall())
        }
        if isNew {
            context.events(
                Event(
                    .error, "the lane is held until an operator acts; everything is kept",
                    lane.metadata(["reason": reason])))
        }
        await lane.persistRetry(context)
    }

    /// - Returns: how long the lane waits now, or the backlog by itself; who asks for a wait asks everybody.
    func fail(_ reason: String, after: Duration?, startedAt: Int64) async -> Duration {
        if isOfBacklog, after == nil { return failBacklog(reason, startedAt: startedAt) }
        let (wait, opened) = lane.state.withLock { state in
            let wasOpen = state.breaker.isOpen
            let cap = state.asksOften ? context.tuning.probesWithin : nil
            let wait = state.failed(
                reason: reason, generation: generation, startedAt: startedAt, now: context.time.boot(),
                wall: context.time.wall()
            ) { context.backoff(attempts: $0, retryAfter: after, cap: cap) }
            return (wait, state.breaker.isOpen && !wasOpen)
        }
        if opened {
            context.events(
                Event(.warning, "the backend keeps failing; one request at a time", lane.metadata(["reason": reason])))
        }
        await lane.persistRetry(context)
        return wait
    }

    private func failBacklog(_ reason: String, startedAt: Int64) -> Duration {
        let (wait, attempts) = lane.state.withLock { state -> (Duration, Int) in
            guard state.generation == generation else { return (.zero, 0) }
            let wait = state.backlog.failed(reason, startedAt: startedAt, now: context.time.boot()) {
                context.backoff(attempts: $0, retryAfter: nil)
            }
            return (wait, state.backlog.attempts)
        }
        if attempts == Breaker.threshold {
            context.events(
                Event(
                    .warning, "requests of the backlog keep failing; fresh points go ahead of it",
                    lane.metadata(["reason": reason])))
        }
        return wait
    }
}
