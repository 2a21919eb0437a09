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
        let suspicion = lane.state.withLock { state in
            state.suspect(
                sequence: lease.pieces[first.piece].places.start.sequence, ordinal: Int64(first.ordinals.lowerBound),
                points: part.points, now: now)
        }
        guard context.tuning.stuck.isStuck(suspicion, now: now) else { return nil }
        context.events(
            Event(
                .warning, "the same points keep getting 500; looking for those at fault",
                lane.metadata(["reason": reason, "points": "\(part.points)"])))
        bisect.beginProbe()
        bisect.putBack(part)
        return []
    }

    /// Everything of this lease fails alike: sends the next points owed, once. If they are taken, the backend is up and
    /// ours are at fault; if not, it is an outage, nothing is buried, and the suspicion starts anew.
    ///
    /// The lane's order is broken by it only if the backend recovers between the last failure and this request, which
    /// follows at once.
    mutating func proveWithOtherPoints() async -> Bool {
        let isProven = await sendOtherPoints()
        if isProven {
            bisect.proveBackend()
        } else {
            _ = await failProbe()
        }
        return isProven
    }

    private func failProbe() async -> Duration {
        lane.state.withLock { state in
            state.suspicion?.tries = 0
            state.suspicion?.since = context.time.boot()
        }
        return await fail("every request is answered 500", after: nil, startedAt: context.time.boot())
    }

    private mutating func sendOtherPoints() async -> Bool {
        let leased: Lease?
        do throws(SpoolError) {
            leased = try await context.source.lease(
                tenant: lane.tenant, backend: lane.backend, limit: LeaseLimit(points: lease.points))
        } catch {
            return false
        }
        guard let other = leased else { return false }
        let runs = other.pieces.indices.map { LeasedRun(piece: $0, ordinals: other.pieces[$0].ordinals) }
        var part = Bisect.Part(runs: runs)
        let chunk = Chunk(tenant: lane.tenant, pieces: other.pieces, runs: runs)
        let request = await encode(chunk)
        part.runs = runs.subtracting(request.excluded.map(\.run))
        guard part.points > 0 else {
            await context.source.release(other, tenant: lane.tenant, maybeSent: false)
            return false
        }
        guard await note(bisect.remainder) else {
            await context.source.release(other, tenant: lane.tenant, maybeSent: false)
            return false
        }
        let (answer, _) = await send(&part, request, chunk)
        if part.isUncertain || route.backend.outcome(of: answer, to: request) == .delivered { bisect.overtookAll() }
        guard case .delivered = route.backend.outcome(of: answer, to: request) else {
            await context.source.release(other, tenant: lane.tenant, maybeSent: part.isUncertain)
            return false
        }
        let fates =
            request.excluded.map { Settlement.Part($0.run, .excluded(reason: $0.reason)) }
            + part.runs.filter { !$0.ordinals.isEmpty }.map { Settlement.Part($0, .delivered) }
        if await !settle(other, part.settlement(fates, status: answer.status, context)) {
            await context.source.release(other, tenant: lane.tenant, maybeSent: true)
        }
        return true
    }
}
