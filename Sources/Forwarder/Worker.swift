import Synchronization
import WALStore

/// The task of a lane that has work: leases, hands each lease to a `Delivery`, and ends when nothing is owed.
///
/// A lane leases when it holds one of its backend's turns, or its part of what leases in shards may hold, so that however
/// many tenants wait, the points and bodies in memory are bounded. A turn ends with the request's answer; the settlement
/// runs on behind, and with it the lane's stay in its tenant's place among the open spools.
struct Worker {
    let lane: Lane
    let context: DeliveryContext

    func run() async {
        await restore()
        await withDiscardingTaskGroup { group in
            var latest = Handovers()
            while true {
                let step = lane.state.withLock {
                    $0.nextStep(now: context.time.boot(), passesAfter: context.tuning.passesAfter)
                }
                switch step {
                case .end: return
                case .wait: await lane.changed.wait()
                case .waitUpTo(let duration, let generation):
                    await lane.waitForChange(upTo: duration, generation: generation, context)
                case .sleep(let duration, let generation):
                    await lane.sleep(duration, generation: generation, context)
                case .lease(let plan) where plan.shards > 1: await beginShards(plan, after: &latest, in: &group)
                case .lease(let plan) where lane.isReplay: await beginReplay(plan, in: &group)
                case .lease(let plan): await begin(plan, in: &group)
                }
            }
        }
    }

    /// Takes up the retry clock where an earlier process left it.
    private func restore() async {
        guard !lane.state.withLock({ $0.isRestored }) else { return }
        do throws(SpoolError) {
            let saved = try await lane.source.retryState(tenant: lane.tenant, backend: lane.backend)
            if try await !lane.source.hasDelivered(tenant: lane.tenant, backend: lane.backend) {
                lane.state.withLock { $0.doubt.begin() }
            }
            lane.state.withLock { state in
                state.restore(
                    saved, now: context.time.boot(), wall: context.time.wall(), context.tuning.backoff)
            }
        } catch {
            // The first lease meets the same trouble and says so.
        }
    }

    private func begin(_ plan: LaneState.LeasePlan, in group: inout DiscardingTaskGroup) async {
        let (gate, stay) = await takeTurn(plan.route)
        var limit = plan.limit
        // As with shards: a turn is for as much as a request has, and what is more has to have room.
        var more = plan.leasePoints - plan.points
        if more > 0, !context.take(shardedPoints: more) { more = 0 }
        limit.points += more
        let lease = await lease(plan, limit)
        guard let lease else {
            gate.release()
            context.giveUp(shardedPoints: more)
            return giveUp(stay)
        }
        lane.state.withLock {
            $0.isBehind = lease.points >= limit.points || lease.isOfBodies && plan.isFilled(by: lease)
        }
        let unused = more - min(more, max(0, lease.points - plan.points))
        context.giveUp(shardedPoints: unused)
        more -= unused
        group.addTask { [more] in
            let delivery = Delivery(
                lane: lane, context: context, route: plan.route, generation: plan.generation, gate: gate, lease: lease,
                points: plan.points)
            let ending = await delivery.run()
            context.giveUp(shardedPoints: more)
            await finish(lease, plan, stay, with: ending)
        }
    }

    /// A turn at the backend, then a place: many wait at a slow backend, and need no open spool yet. A place that has to be
    /// waited for is waited for without the turn.
    private func takeTurn(_ route: DeliveryRoute) async -> (TurnGate, SpoolPlaces.Stay) {
        let gate = context.gate(for: route)
        await gate.acquire(lane.tenant, weight: route.weight)
        if let stay = context.places.enterAtOnce(lane.tenant) { return (gate, stay) }
        gate.release()
        let stay = await context.places.enter(lane.tenant)
        await gate.acquire(lane.tenant, weight: route.weight)
        return (gate, stay)
    }

    /// Nothing was leased.
    private func giveUp(_ stay: SpoolPlaces.Stay) {
        context.places.leave(stay)
        lane.state.withLock { $0.deliveries -= 1 }
    }

    /// Looking for points may take long, and nobody's turn: the piece is there before the turn is.
    private func beginReplay(_ plan: LaneState.LeasePlan, in group: inout DiscardingTaskGroup) async {
        let stay = await context.places.enter(lane.tenant)
        guard let lease = await lease(plan, plan.limit) else { return giveUp(stay) }
        let gate = context.gate(for: plan.route)
        await gate.acquire(lane.tenant, weight: plan.route.weight)
        group.addTask {
            let delivery = Delivery(
                lane: lane, context: context, route: plan.route, generation: plan.generation, gate: gate, lease: lease)
            await finish(lease, plan, stay, with: await delivery.run())
        }
    }

    /// Leases for many requests at once, or for one where the node holds as much as it may.
    private func beginShards(
        _ plan: LaneState.LeasePlan, after latest: inout Handovers, in group: inout DiscardingTaskGroup
    ) async {
        // A series is not cut: what does not fit into one shard begins the next, and there shall not be one too many.
        let points = plan.points * plan.shards * 15 / 16
        let stay = await context.places.enter(lane.tenant)
        guard context.take(shardedPoints: points) else {
            context.places.leave(stay)
            if !plan.isSuccessor { return await begin(plan, in: &group) }
            lane.state.withLock { state in
                state.deliveries -= 1
                state.isCramped = true
            }
            return
        }
        var limit = plan.limit
        (limit.points, limit.isMerged) = (points, true)
        guard let lease = await lease(plan, limit) else {
            context.giveUp(shardedPoints: points)
            return giveUp(stay)
        }
        lane.state.withLock { state in
            state.isBehind = lease.points > plan.points || lease.isOfBodies && plan.isFilled(by: lease)
            state.sharded += 1
        }
        let (before, after) = (latest.before(lease, plan), Handover())
        latest.add(after, of: lease, plan)
        group.addTask {
            let ending = await ShardedDelivery(
                lane: lane, context: context, route: plan.route, generation: plan.generation,
                gate: context.gate(for: plan.route), lease: lease, points: plan.points,
                before: before, after: after
            ).run()
            context.giveUp(shardedPoints: points)
            await finish(lease, plan, stay, with: ending, isSharded: true)
        }
    }

    /// - Returns: nil when there is nothing to do now; the lane's state says why.
    private func lease(_ plan: LaneState.LeasePlan, _ limit: LeaseLimit) async -> Lease? {
        // Waiting for the turn may have taken long.
        guard lane.state.withLock({ $0.generation == plan.generation && !$0.isStopping }) else { return nil }
        do throws(SpoolError) {
            let lease = try await lane.source.lease(tenant: lane.tenant, backend: lane.backend, limit: limit)
            lane.state.withLock { state in
                state.leaseProblem = nil
                if let lease {
                    state.leased(lease, plan, now: context.time.boot())
                } else {
                    state.foundNothing(plan)
                }
            }
            return lease
        } catch {
            // Also where the file is damaged: a block that cannot be read ends as a loss inside the lease, what comes out
            // of it is more than a block, and asking again at once would only burn a processor.
            pause()
            lane.state.withLock { $0.leaseProblem = error.code == .closing ? nil : error.message }
            context.events(
                Event(.warning, "the spool gave no lease", lane.metadata(["error": error.description])))
            return nil
        }
    }

    /// Settles what a delivery ended with, beside the lane's next request. What is left goes back first: the next request
    /// may not overtake it.
    private func finish(
        _ lease: Lease, _ plan: LaneState.LeasePlan, _ stay: SpoolPlaces.Stay, with ending: DeliveryEnding,
        isSharded: Bool = false
    ) async {
        var isSettled = true
        if ending.isLeft { isSettled = await settle(lease, ending) }
        lane.state.withLock { state in
            state.deliveries -= 1
            state.sharded -= isSharded ? 1 : 0
            if plan.isBesideFresh(lease) { state.backlog.ended() }
            state.isCramped = false
            state.settling += 1
        }
        lane.changed.set()
        // A lease of many requests is not kept for company.
        if !ending.isLeft { isSettled = await settle(lease, ending, mayWait: !isSharded) }
        context.places.leave(stay)
        lane.state.withLock { state in
            state.settling -= 1
            // What was given back is owed again.
            if ending.isLeft || !isSettled { (state.isDry, state.isFreshDry) = (false, false) }
        }
        lane.changed.set()
    }

    /// - Returns: whether all that was answered is settled; what is not is owed again.
    private func settle(_ lease: Lease, _ ending: DeliveryEnding, mayWait: Bool = false) async -> Bool {
        var isSettled = true
        if let settlement = ending.settlement {
            isSettled = await lane.settle(lease, settlement, context, mayWait: mayWait)
        }
        if ending.isLeft || !isSettled {
            await lane.source.release(lease, tenant: lane.tenant, maybeSent: ending.maybeSent || !isSettled)
        }
        if !isSettled || ending.isUnsettled { pause() }
        return isSettled
    }

    /// After an error of the spool itself.
    private func pause() {
        let pause = context.tuning.spoolPause.wholeNanoseconds
        lane.state.withLock { $0.resumeAt = max($0.resumeAt, context.time.boot() + pause) }
    }
}

/// Said when the newest lease in shards has ended: of the backlog beside which fresh points go out, and of all else.
private struct Handovers {
    private var ofBacklog: Handover?
    private var ofOthers: Handover?

    /// - Returns: what the requests of a lease wait for.
    func before(_ lease: Lease, _ plan: LaneState.LeasePlan) -> Handover? {
        guard plan.isSuccessor else { return nil }
        guard plan.followsBacklog else { return ofOthers }
        return plan.mayPass && !plan.isBesideFresh(lease) ? nil : ofBacklog
    }

    mutating func add(_ handover: Handover, of lease: Lease, _ plan: LaneState.LeasePlan) {
        if plan.isBesideFresh(lease) { ofBacklog = handover } else { ofOthers = handover }
    }
}

extension Lane {
    /// An operator hears of dead letters without looking for them.
    private func tellDead(_ parts: [Settlement.Part], _ context: DeliveryContext) {
        var (points, last): (Int, DeadLetterReason?) = (0, nil)
        for part in parts {
            guard case .dead(let reason) = part.fate else { continue }
            points += part.run.ordinals.count
            last = reason
        }
        guard let last, let told = state.withLock({ $0.buried(points: points, now: context.time.boot()) }) else {
            return
        }
        context.events(
            Event(
                .warning, "points are dead letters; `holdfast dead list` has them",
                metadata(["points": "\(told)", "reason": "\(last.code): \(last.excerpt.prefix(256))"])))
    }

    func metadata(_ more: [String: String] = [:]) -> [String: String] {
        more.merging(["tenant": tenant, "backend": backend]) { first, _ in first }
    }

    /// Makes durable what was answered. Where the spool has no room to write it down it is asked again until it has, and
    /// the lane leases nothing: what cannot be settled would only be sent once more.
    ///
    /// - Parameter beforeWaiting: called when it has to wait for room; whoever holds a turn lets others have it.
    /// - Returns: false when the spool could not; the points stay owed.
    func settle(
        _ lease: Lease, _ settlement: Settlement, _ context: DeliveryContext, mayWait: Bool = false,
        beforeWaiting: () -> Void = {}
    ) async -> Bool {
        var attempts = 0
        defer { if attempts > 0 { state.withLock { $0.settleProblem = nil } } }
        while true {
            do throws(SpoolError) {
                try await source.settle(lease, tenant: tenant, settlement, mayWait: mayWait)
                state.withLock { $0.settled(settlement.parts, now: context.time.boot()) }
                tellDead(settlement.parts, context)
                return true
            } catch {
                attempts += 1
                let wait = context.settlePause(attempts: attempts)
                let generation = state.withLock { state -> UInt64? in
                    guard error.code == .full, !state.isStopping, !state.isRemoved else { return nil }
                    let again = context.time.boot() + wait.wholeNanoseconds
                    state.settleProblem = (error.message, again)
                    return state.generation
                }
                guard let generation else {
                    context.events(
                        Event(
                            .error, "a delivery could not be settled; its points are sent again",
                            metadata(["error": error.description])))
                    return false
                }
                context.events(
                    Event(
                        .error, "a delivery cannot be settled yet; nothing more is sent until it is",
                        metadata(["error": error.description])))
                beforeWaiting()
                await sleep(wait, generation: generation, context)
            }
        }
    }
}
