import Metrics
import Synchronization
import TestSupport
import WALStore

@testable import Forwarder

/// A spool's ledger in memory for one tenant and any backends, which checks how it is used: only leased points are
/// settled, and only once.
final class MemorySource: DeliverySource {
    struct Ledger {
        /// By point, numbered from 0; nil while owed.
        var fates: [Fate?] = []
        var leased: Set<Int> = []
        var maybeSent: Set<Int> = []
        var overtaken: Set<Int> = []
        var retry = RetryState.ok
    }

    struct State {
        var ledgers: [String: Ledger] = [:]
        var points = 0
        var leases: [LeaseID: (backend: String, points: Range<Int>)] = [:]
        var lastLease: UInt64 = 0
        var failSettles = 0
        var settleFailure = SpoolError.Code.commitFailed
        var onFailedSettle: (@Sendable () -> Void)?
        var leaseFailure: SpoolError?
        var settles = 0
        /// Runs of the settlement that had most.
        var largestSettlement = 0
        var waiters: [(backend: String, left: Int, continuation: CheckedContinuation<Void, Never>)] = []
        var notify: (@Sendable (String) -> Void)?
    }

    let tenant: String
    private let state: Mutex<State>
    let mistakes = Recorder<String>()
    private let batch: Batch
    /// Points come in bodies of so many; 0: they do not.
    private let bodyPoints: Int
    /// How each lease was: with bodies or without.
    let leasesOfBodies = Recorder<Bool>()

    /// - Parameter series: point n is of series n modulo this.
    init(tenant: String = "acme", backends: [String] = ["central"], series: Int = 1, bodyPoints: Int = 0) {
        self.tenant = tenant
        self.bodyPoints = bodyPoints
        var state = State()
        for backend in backends { state.ledgers[backend] = Ledger() }
        self.state = Mutex(state)
        var batch = Batch()
        let ids = (0..<series).map { number in
            var builder = LabelBuilder()
            builder.add("__name__", "point\(number)")
            do { try builder.finish() } catch { preconditionFailure("these labels are valid: \(error)") }
            return builder.canonical.withUnsafeBytes { batch.series.intern($0) }
        }
        for number in 0..<20_000 {
            batch.points.appendFloat64(series: ids[number % series], time: Int64(number), bits: 0)
        }
        self.batch = batch
    }

    // MARK: The test's side

    func append(_ points: Int) {
        let notify = state.withLock { state in
            state.points += points
            for backend in state.ledgers.keys {
                state.ledgers[backend]?.fates += Array(repeating: nil, count: points)
            }
            return state.notify
        }
        notify?(tenant)
    }

    func ledger(_ backend: String = "central") -> Ledger { state.withLock { $0.ledgers[backend] ?? Ledger() } }
    func fates(_ backend: String = "central") -> [Fate?] { ledger(backend).fates }
    /// - Parameter look: called at each failure.
    func failNextSettles(
        _ count: Int, _ code: SpoolError.Code = .commitFailed, look: (@Sendable () -> Void)? = nil
    ) {
        state.withLock { ($0.failSettles, $0.settleFailure, $0.onFailedSettle) = (count, code, look) }
    }
    /// nil: leases are given again.
    func failLeases(_ failure: SpoolError?) { state.withLock { $0.leaseFailure = failure } }
    func setMaybeSent(_ points: Range<Int>, _ backend: String = "central") {
        state.withLock { _ = $0.ledgers[backend]?.maybeSent.formUnion(points) }
    }
    var largestSettlement: Int { state.withLock { $0.largestSettlement } }
    var openLeases: Int { state.withLock { $0.leases.count } }

    /// Returns once `backend` is owed nothing, or so many points or fewer.
    func drained(_ backend: String = "central", downTo left: Int = 0) async {
        await withCheckedContinuation { continuation in
            let isDone = state.withLock { state in
                if State.isDrained(state, backend, left) { return true }
                state.waiters.append((backend, left, continuation))
                return false
            }
            if isDone { continuation.resume() }
        }
    }

    // MARK: The forwarder's side

    func lease(tenant: String, backend: String, limit: LeaseLimit) async throws(SpoolError) -> Lease? {
        if let failure = state.withLock({ $0.leaseFailure }) { throw failure }
        return state.withLock { state in
            guard let ledger = state.ledgers[backend],
                let first = ledger.fates.indices.first(where: { ledger.fates[$0] == nil && !ledger.leased.contains($0) }
                )
            else { return nil }
            var end = first
            while end < ledger.fates.count, end - first < limit.points, ledger.fates[end] == nil,
                !ledger.leased.contains(end), ledger.maybeSent.contains(end) == ledger.maybeSent.contains(first)
            { end += 1 }
            var bodies: [WireBody] = []
            if let most = limit.bodyPoints, bodyPoints > 0, first % bodyPoints == 0, end - first >= bodyPoints {
                // With each series once in a row of two scrapes' worth, more than one request's; else one request.
                let isRow = limit.isMerged && end - first >= 2 * most
                end = first + (isRow ? 2 * most : min(most, end - first)) / bodyPoints * bodyPoints
                bodies = stride(from: first, to: end, by: bodyPoints).map { start in
                    let text = (start..<start + bodyPoints).map { "body.\($0)\n" }.joined()
                    return WireBody(bytes: Array(text.utf8), ordinals: start..<start + bodyPoints)
                }
            }
            leasesOfBodies.record(!bodies.isEmpty)
            state.lastLease += 1
            state.ledgers[backend]?.leased.formUnion(first..<end)
            let id = LeaseID(life: 1, number: state.lastLease)
            state.leases[id] = (backend, first..<end)
            let piece = LeasedPiece(
                places: PlaceRange(sequence: 1, ordinals: first..<end), batch: bodies.isEmpty ? batch : Batch(),
                bodies: bodies, ordinals: first..<end, maybeSent: ledger.maybeSent.contains(first),
                overtaken: (ledger.overtaken.min() ?? 0)..<(ledger.overtaken.max().map { $0 + 1 } ?? 0))
            return Lease(id: id, backend: backend, lane: .live, pieces: [piece])
        }
    }

    func settle(_ lease: Lease, tenant: String, _ settlement: Settlement, mayWait: Bool) async throws(SpoolError) {
        if let look = state.withLock({ $0.failSettles > 0 ? $0.onFailedSettle : nil }) { look() }
        let (waiters, error) = state.withLock { state -> ([CheckedContinuation<Void, Never>], SpoolError?) in
            if state.failSettles > 0 {
                state.failSettles -= 1
                return ([], SpoolError(state.settleFailure, "scripted"))
            }
            state.settles += 1
            state.largestSettlement = max(state.largestSettlement, settlement.parts.count)
            guard var ledger = state.ledgers[lease.backend], state.leases[lease.id] != nil else {
                mistakes.record("settled without a lease")
                return ([], nil)
            }
            for part in settlement.parts {
                for point in part.run.ordinals {
                    if ledger.fates[point] != nil { mistakes.record("\(point) is settled twice") }
                    if ledger.leased.remove(point) == nil { mistakes.record("\(point) is settled without a lease") }
                    ledger.fates[point] = part.fate
                }
            }
            state.ledgers[lease.backend] = ledger
            if lease.pieces[0].ordinals.allSatisfy({ ledger.fates[$0] != nil }) { state.leases[lease.id] = nil }
            let waiters = state.waiters
            let ready = waiters.filter { State.isDrained(state, $0.backend, $0.left) }
            state.waiters = waiters.filter { !State.isDrained(state, $0.backend, $0.left) }
            return (ready.map(\.continuation), nil)
        }
        for waiter in waiters { waiter.resume() }
        if let error { throw error }
    }

    func release(_ lease: Lease, tenant: String, maybeSent: Bool) async {
        state.withLock { state in
            guard let (backend, points) = state.leases.removeValue(forKey: lease.id) else {
                mistakes.record("released without a lease")
                return
            }
            let open = points.filter { state.ledgers[backend]?.fates[$0] == nil }
            state.ledgers[backend]?.leased.subtract(open)
            if maybeSent { state.ledgers[backend]?.maybeSent.formUnion(open) }
        }
    }

    func overtake(_ lease: Lease, tenant: String, _ runs: [LeasedRun]) async throws(SpoolError) {
        state.withLock { state in
            for run in runs { state.ledgers[lease.backend]?.overtaken.formUnion(run.ordinals) }
        }
    }

    func forgetOvertaking(_ lease: Lease, tenant: String) async {
        state.withLock { state in
            for piece in lease.pieces { state.ledgers[lease.backend]?.overtaken.subtract(piece.ordinals) }
        }
    }

    /// Its backends take totals as they are.
    func counters(
        tenant: String, backend: String, _ keys: [CounterKey]
    ) async throws(SpoolError) -> [CounterKey: CounterState] {
        precondition(keys.isEmpty, "increments are tried with a real spool")
        return [:]
    }

    func retryState(tenant: String, backend: String) async throws(SpoolError) -> RetryState { ledger(backend).retry }
    func hasDelivered(tenant: String, backend: String) async throws(SpoolError) -> Bool {
        ledger(backend).fates.contains { $0 == .delivered || $0 == .assumed }
    }
    func setRetryState(_ retry: RetryState, tenant: String, backend: String) async throws(SpoolError) {
        state.withLock { $0.ledgers[backend]?.retry = retry }
    }
    func tenantsWithWork() -> [String] {
        state.withLock { $0.ledgers.values.contains { $0.fates.contains(nil) } } ? [tenant] : []
    }
    func onWork(_ notify: @escaping @Sendable (String) -> Void) { state.withLock { $0.notify = notify } }
}

extension MemorySource.State {
    static func isDrained(_ state: MemorySource.State, _ backend: String, _ left: Int) -> Bool {
        state.ledgers[backend].map { $0.fates.count { $0 == nil } <= left } ?? true
    }
}
