import Synchronization
import WALStore

/// Which tenants have points on their way. A spool with a lease stays open, and only so many are open at once: tenants
/// take turns, so that those whose backends are slow keep nobody else from his.
///
/// A tenant has its place while anything of it is on its way. Once others wait and its turn is over nothing new of it
/// begins, unless something older has the place anyway: a backend that takes minutes to answer holds up no other backend of
/// its tenant. So a place comes free within a turn and twice the longest request.
final class SpoolPlaces: Sendable {
    /// One lease's part in the place of its tenant, from before the lease until after its settlement.
    struct Stay: Sendable {
        let tenant: String
        /// It began after the turn, beside something older.
        fileprivate var isLate = false
    }

    private typealias Waiter = CheckedContinuation<Stay, Never>

    private struct Place {
        /// When the turn began, on the boot clock.
        var since: Int64
        var early = 0
        var late = 0
    }

    private struct State {
        var places: [String: Place] = [:]
        /// Tenants that wait, each once, in the order in which they came.
        var line: [String] = []
        var waiters: [String: [Waiter]] = [:]
    }

    private let state = Mutex(State())
    private let limit: Int
    private let turn: Int64
    private let now: @Sendable () -> Int64

    /// - Parameters:
    ///   - limit: tenants with something on its way.
    ///   - turn: how long a tenant may begin new things although others wait.
    ///   - now: the boot clock, nanoseconds.
    init(limit: Int, turn: Duration, now: @escaping @Sendable () -> Int64) {
        precondition(limit > 0, "without a place nothing is ever sent")
        (self.limit, self.turn, self.now) = (limit, turn.wholeNanoseconds, now)
    }

    /// Returns when something of the tenant may begin; `leave` ends it. Whoever has a turn at a backend does not wait here:
    /// those who have places wait for such turns.
    func enter(_ tenant: String) async -> Stay {
        await withCheckedContinuation { continuation in
            let stay = state.withLock { state in
                let stay = admit(tenant, &state)
                guard stay == nil else { return stay }
                if state.waiters[tenant] == nil { state.line.append(tenant) }
                state.waiters[tenant, default: []].append(continuation)
                return nil
            }
            if let stay { continuation.resume(returning: stay) }
        }
    }

    /// As `enter`; nil instead of a wait.
    func enterAtOnce(_ tenant: String) -> Stay? { state.withLock { admit(tenant, &$0) } }

    func leave(_ stay: Stay) {
        let next = state.withLock { state in
            guard var place = state.places[stay.tenant] else { preconditionFailure("whoever leaves has entered") }
            if stay.isLate { place.late -= 1 } else { place.early -= 1 }
            precondition(place.early >= 0 && place.late >= 0, "a stay ends once")
            state.places[stay.tenant] = place.early + place.late > 0 ? place : nil
            return admitFirst(&state)
        }
        for (waiter, stay) in next { waiter.resume(returning: stay) }
    }

    /// Whether others wait and the tenant's turn is over: what only waits should give its lease back.
    func isWanted(of tenant: String) -> Bool {
        state.withLock { state in state.places[tenant].map { isOver($0, state) } ?? false }
    }

    /// How many tenants stand in line.
    var waiting: Int { state.withLock { $0.line.count } }

    private func isOver(_ place: Place, _ state: State) -> Bool { !state.line.isEmpty && now() - place.since >= turn }

    private func admit(_ tenant: String, _ state: inout State) -> Stay? {
        guard let place = state.places[tenant] else {
            guard state.line.isEmpty, state.places.count < limit else { return nil }
            state.places[tenant] = Place(since: now(), early: 1)
            return Stay(tenant: tenant)
        }
        if !isOver(place, state) {
            state.places[tenant]?.early += 1
            return Stay(tenant: tenant)
        }
        guard place.early > 0 else { return nil }
        state.places[tenant]?.late += 1
        return Stay(tenant: tenant, isLate: true)
    }

    /// Those whose turn it is. One who has a place still, for something slow, has a turn there when he comes to the front.
    private func admitFirst(_ state: inout State) -> [(Waiter, Stay)] {
        var admitted: [(Waiter, Stay)] = []
        while let tenant = state.line.first, state.places[tenant] != nil || state.places.count < limit {
            state.line.removeFirst()
            let waiters = state.waiters.removeValue(forKey: tenant) ?? []
            var place = state.places[tenant] ?? Place(since: 0)
            place.since = now()
            place.early += waiters.count
            state.places[tenant] = place
            admitted += waiters.map { ($0, Stay(tenant: tenant)) }
        }
        return admitted
    }
}
