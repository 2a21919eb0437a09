import Synchronization
import WALStore

/// Bytes that are answered 500 again and again: see `StuckRule` and `Bisect.stuck`.
extension Delivery {
    /// Counts an answer of 500, and acts on it once the points are under suspicion.
    ///
    /// - Returns: what is settled by it; nil while it is an ordinary failure to wait after.
    mutating func suspect(_ part: Bisect.Part, _ answer: Answer, _ reason: String) -> [Settlement.Part]? {
        if bisect.isProbing {
            return bisect.stuck(
                part, DeadLetterReason(code: "stuck", excerpt: answer.excerpt, status: answer.status))
        }
        guard let first = part.runs.first(where: { !$0.ordinals.isEmpty }) else { return nil }
        let now = context.time.boot()
        let (suspicion, isProven) = lane.state.withLock { state in
            defer { if isOfBacklog { state.backlog.isBackendProven = false } }
            let suspicion = state.suspect(
                sequence: lease.pieces[first.piece].places.start.sequence, ordinal: Int64(first.ordinals.lowerBound),
                points: part.points, isOfBacklog: isOfBacklog, now: now)
            return (suspicion, isOfBacklog && state.backlog.isBackendProven)
        }
        guard context.tuning.stuck.isStuck(suspicion, now: now) else { return nil }
        context.events(
            Event(
                .warning, "the same points keep getting 500; looking for those at fault",
                lane.metadata(["reason": reason, "points": "\(part.points)"])))
        bisect.beginProbe()
        if isProven { bisect.proveBackend() }
        bisect.putBack(part)
        return []
    }

    /// Everything of this lease fails alike: sends the next points owed, once. If they are taken, the backend is up and
    /// ours are at fault; if not, it is an outage, nothing is buried, and the suspicion starts anew.
    ///
    /// Those next ones may be at fault like ours: then the ones behind them are sent, and so on, a few times. Points that
    /// each are a lease of their own would else keep each other from being found out, for ever. And so would points that
    /// are refused, which is why they are dealt with on the spot.
    ///
    /// The lane's order is broken by it only if the backend recovers between the last failure and this request, which
    /// follows at once.
    ///
    /// Beside a backlog fresh points go out meanwhile, and prove as much.
    mutating func proveWithOtherPoints() async -> Bool {
        let isProvenByFresh = isOfBacklog && lane.state.withLock { $0.backlog.isBackendProven }
        let isProven = if isProvenByFresh { true } else { await sendOtherPoints() }
        if isProven {
            bisect.proveBackend()
        } else {
            _ = await failProbe()
        }
        return isProven
    }

    private func failProbe() async -> Duration {
        lane.state.withLock { $0.suspectsAnew(isOfBacklog: isOfBacklog, now: context.time.boot()) }
        return await fail("every request is answered 500", after: nil, startedAt: context.time.boot())
    }

    /// What became of one lease sent to prove that the backend is up.
    private enum Proof {
        case proven
        /// Answered as ours are: it is held, so that the next one is another.
        case alike(Lease)
        /// Refused for good, all of it, and buried: the next one is another. A refusal proves nothing; a backend that cannot
        /// store a point still knows which it would not take.
        case refused
        /// - Parameter mayHaveArrived: ahead of all that is held.
        case none(mayHaveArrived: Bool)

        var asksForAnother: Bool {
            switch self {
            case .alike, .refused: true
            case .proven, .none: false
            }
        }
        var mayHaveArrived: Bool {
            switch self {
            case .proven: true
            case .alike, .refused: false
            case .none(let mayHaveArrived): mayHaveArrived
            }
        }
    }

    private mutating func sendOtherPoints() async -> Bool {
        var held: [Lease] = []
        var proof = Proof.none(mayHaveArrived: false)
        repeat {
            proof = await sendOther(ahead: held)
            if case .alike(let lease) = proof { held.append(lease) }
        } while held.count < Bisect.maximumSuspects && proof.asksForAnother && !isOver
        // The last one first: each takes back what it added.
        for lease in held.reversed() {
            if !proof.mayHaveArrived { await lane.source.forgetOvertaking(lease, tenant: lane.tenant) }
            await lane.source.release(lease, tenant: lane.tenant, maybeSent: false)
        }
        if case .proven = proof { return true }
        return false
    }

    private mutating func sendOther(ahead held: [Lease]) async -> Proof {
        let leased: Lease?
        do throws(SpoolError) {
            var order = lane.state.withLock { $0.freshFirst(now: context.time.boot()) }
            // The newest are the likeliest to be taken; but those that go out beside a backlog are for others to send.
            order?.turn = isOfBacklog ? .backlog : .fresh
            order?.isAlone = isOfBacklog
            let limit = LeaseLimit(points: lease.points, freshFirst: order)
            leased = try await lane.source.lease(tenant: lane.tenant, backend: lane.backend, limit: limit)
        } catch {
            return .none(mayHaveArrived: false)
        }
        guard let other = leased else { return .none(mayHaveArrived: false) }
        var isNoted = await note(bisect.remainder)
        // Those before the last one are noted already.
        if isNoted, let last = held.last { isNoted = await note(last.allRuns, of: last) }
        guard isNoted else {
            await lane.source.release(other, tenant: lane.tenant, maybeSent: false)
            return .none(mayHaveArrived: false)
        }
        return await send(other)
    }

    /// Sends a lease until some of it is taken, or it turns out to be refused, which may take it down to its single points.
    private mutating func send(_ other: Lease) async -> Proof {
        var parts = Bisect(other.pieces, maximumPoints: max(1, other.points))
        let routed = await route.routed(other, context)
        while let next = parts.next() {
            var part = next
            let chunk = routed.chunk(lane.tenant, part.runs)
            if chunk.points == 0, part.points > 0 {
                // Rules keep all of it back: it proves nothing, and must not stand in the way of those behind it.
                let settlement = part.settlement(routed.settlingExcluded(part.runs), status: 0, context)
                let isSettled = await settle(other, routed.noting(settlement))
                if isSettled, !isOver { continue }
                if !isSettled || !parts.isDone {
                    await lane.source.release(other, tenant: lane.tenant, maybeSent: false)
                }
                return .none(mayHaveArrived: false)
            }
            guard let request = await encode(chunk, counterKeys(of: chunk)) else {
                await lane.source.release(other, tenant: lane.tenant, maybeSent: false)
                return .none(mayHaveArrived: false)
            }
            part.runs = part.runs.subtracting(request.unsentRuns)
            // Nothing of it can be sent: it proves as little.
            guard routed.kept(part.runs).points > 0 else { return .alike(other) }
            let (answer, _) = await send(&part, request, chunk)
            let outcome = route.backend.outcome(of: answer, to: request)
            if part.isUncertain || outcome == .delivered { bisect.overtookAll() }
            let fates: [Settlement.Part]
            switch outcome {
            case .delivered: fates = parts.delivered(part)
            case .refused(let reason, let meansAlreadyThere):
                fates = parts.refused(part, reason, meansAlreadyThere: meansAlreadyThere)
            case .retry where StuckRule.counts(answer): return .alike(other)
            default:
                await lane.source.release(other, tenant: lane.tenant, maybeSent: part.isUncertain)
                return .none(mayHaveArrived: part.isUncertain)
            }
            let isTaken = outcome == .delivered || fates.contains { $0.fate == .assumed }
            let settlement = part.settlement(request.unsent + fates, status: answer.status, context)
            let isSettled = await settle(
                other, routed.noting(settlement.counting(request.counters, isTaken: isTaken)))
            if outcome == .delivered {
                // The rest of it goes on with the lane.
                if !isSettled || !parts.isDone {
                    await lane.source.release(other, tenant: lane.tenant, maybeSent: !isSettled)
                }
                return .proven
            }
            if !isSettled || isOver {
                await lane.source.release(other, tenant: lane.tenant, maybeSent: false)
                return .none(mayHaveArrived: false)
            }
        }
        return .refused
    }
}

extension Lease {
    fileprivate var allRuns: [LeasedRun] {
        pieces.indices.map { LeasedRun(piece: $0, ordinals: pieces[$0].ordinals) }
    }
}
