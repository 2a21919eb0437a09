import Synchronization
import WALStore

/// The task of a lane that has work: leases, hands each lease to a `Delivery`, and ends when nothing is owed.
///
/// A lane leases only when it holds one of its backend's turns, so that however many tenants wait, the points and bodies
/// in memory are bounded by the turns. A turn ends with the request's answer; the settlement runs on behind.
struct Worker {
    let lane: Lane
    let context: DeliveryContext

    func run() async {
        await restore()
        await withDiscardingTaskGroup { group in
            while true {
                let step = lane.state.withLock { $0.nextStep(now: context.time.boot()) }
                switch step {
                case .end: return
                case .wait: await lane.changed.wait()
                case .sleep(let duration, let generation):
                    await lane.sleep(duration, generation: generation, context)
                case .lease(let route, let points, let generation, let news):
                    await begin(route, points: points, generation: generation, news: news, in: &group)
                }
            }
        }
    }

    /// Takes up the retry clock where an earlier process left it.
    private func restore() async {
        guard !lane.state.withLock({ $0.isRestored }) else { return }
        do throws(SpoolError) {
            let saved = try await context.source.retryState(tenant: lane.tenant, backend: lane.backend)
            lane.state.withLock { state in
                state.restore(
                    saved, now: context.time.boot(), wall: context.time.wall(),
                    bound: context.tuning.backoff.retryAfterBound)
            }
        } catch {
            // The first lease meets the same trouble and says so.
        }
    }

    private func begin(
        _ route: DeliveryRoute, points: Int, generation: UInt64, news: UInt64, in group: inout DiscardingTaskGroup
    ) async {
        let gate = context.gate(for: route)
        await gate.acquire(lane.tenant, weight: route.weight)
        let lease = await lease(points: points, generation: generation, news: news)
        guard let lease else {
            gate.release()
            lane.state.withLock { $0.deliveries -= 1 }
            return
        }
        group.addTask {
            let delivery = Delivery(
                lane: lane, context: context, route: route, generation: generation, gate: gate, lease: lease)
            await finish(lease, with: await delivery.run())
        }
    }

    /// - Returns: nil when there is nothing to do now; the lane's state says why.
    private func lease(points: Int, generation: UInt64, news: UInt64) async -> Lease? {
        // Waiting for the turn may have taken long.
        guard lane.state.withLock({ $0.generation == generation && !$0.isStopping }) else { return nil }
        do throws(SpoolError) {
            let lease = try await context.source.lease(
                tenant: lane.tenant, backend: lane.backend, limit: LeaseLimit(points: points))
            if lease == nil { lane.state.withLock { state in state.isDry = state.news == news } }
            return lease
        } catch {
            // Also where the file is damaged: a block that cannot be read ends as a loss inside the lease, what comes out
            // of it is more than a block, and asking again at once would only burn a processor.
            pause()
            context.events(
                Event(.warning, "the spool gave no lease", lane.metadata(["error": error.description])))
            return nil
        }
    }

    /// Settles what a delivery ended with, beside the lane's next request.
    private func finish(_ lease: Lease, with settlement: Settlement?) async {
        lane.state.withLock { state in
            state.deliveries -= 1
            state.settling += 1
        }
        lane.changed.set()
        var isSettled = false
        if let settlement {
            isSettled = await lane.settle(lease, settlement, context, mayWait: true)
            if !isSettled {
                await context.source.release(lease, tenant: lane.tenant, maybeSent: true)
                pause()
            }
        }
        lane.state.withLock { state in
            state.settling -= 1
            // What was given back is owed again.
            if !isSettled { state.isDry = false }
        }
        lane.changed.set()
    }

    /// After an error of the spool itself.
    private func pause() {
        let pause = context.tuning.spoolPause.wholeNanoseconds
        lane.state.withLock { $0.resumeAt = max($0.resumeAt, context.time.boot() + pause) }
    }
}

extension Lane {
    func metadata(_ more: [String: String] = [:]) -> [String: String] {
        more.merging(["tenant": tenant, "backend": backend]) { first, _ in first }
    }

    /// - Returns: false when the spool could not; the points stay owed.
    func settle(
        _ lease: Lease, _ settlement: Settlement, _ context: DeliveryContext, mayWait: Bool = false
    ) async -> Bool {
        do throws(SpoolError) {
            try await context.source.settle(lease, tenant: tenant, settlement, mayWait: mayWait)
            state.withLock { $0.settled(settlement.parts, now: context.time.boot()) }
            return true
        } catch {
            context.events(
                Event(
                    .error, "a delivery could not be settled; its points are sent again",
                    metadata(["error": error.description])))
            return false
        }
    }
}
