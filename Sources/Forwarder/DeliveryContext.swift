import Synchronization
import WALStore

/// How patient the forwarder is. The defaults are what runs; tests shorten them.
struct DeliveryTuning: Sendable {
    var backoff = Backoff()
    var stuck = StuckRule()
    /// A held lane sends one request about so often, to see whether the operator has acted.
    var probeEvery: Duration = .seconds(60)
    /// After an error of the spool itself.
    var spoolPause: Duration = .seconds(1)
    /// A lane that waits longer gives its lease back, and forms the same request anew from the same points.
    var keepsRequestFor: Duration = .seconds(5)
    /// What all waiting requests together may hold in memory.
    var keptBytes = 32 << 20
    /// Requests encoded and compressed at once: few, as they only need a processor.
    var encoders = 2
    /// Points that all leases which go out in shards may have together.
    var shardedPoints = 1 << 20
    /// What a lease in shards had answered for so long is settled without the gaps being closed: one request that hangs must
    /// not let a crash send all the others again.
    var settlesWithin: Duration = .seconds(2)
    /// Fresh points wait so long for a lease of a backlog that is on its way; then they go out beside it.
    var passesAfter: Duration = .seconds(2)
    /// Where fresh points go ahead, a backend that fails is asked again within so much, with a small request.
    var probesWithin: Duration = .seconds(10)
    /// How long a tenant begins new requests while others wait for an open spool.
    var placeTurn: Duration = .seconds(1)
}

/// What every worker shares: where points come from and go to, clocks, chance, and turns.
final class DeliveryContext: Sendable {
    /// Returns early, or throws, when its task is cancelled.
    typealias Sleep = @Sendable (Duration) async throws -> Void

    let source: any DeliverySource
    let transport: HTTPTransport
    let time: TimeSource
    let sleep: Sleep
    /// Where the lanes' tasks run; nil: Swift's pool.
    let tasks: (any TaskExecutor)?
    let tuning: DeliveryTuning
    let events: EventSink
    let encoding: TurnGate
    let places: SpoolPlaces
    let counters = CounterTurns()
    private let random: Mutex<any RandomNumberGenerator & Sendable>
    private let gates = Mutex<[String: TurnGate]>([:])
    private let paces = Mutex<[String: BackendPace]>([:])
    /// Backends that have taken something since the process began, from whatever tenant.
    private let provenBackends = Mutex<Set<String>>([])
    private let keptBytes = Mutex(0)
    private let shardedPoints = Mutex(0)

    init(
        source: any DeliverySource, transport: HTTPTransport, time: TimeSource, sleep: @escaping Sleep,
        random: any RandomNumberGenerator & Sendable, tuning: DeliveryTuning, tasks: (any TaskExecutor)? = nil,
        events: @escaping EventSink
    ) {
        self.source = source
        self.transport = transport
        self.time = time
        self.sleep = sleep
        self.tasks = tasks
        self.random = Mutex(random)
        self.tuning = tuning
        self.events = events
        encoding = TurnGate(limit: tuning.encoders)
        places = SpoolPlaces(limit: source.leasingTenants, turn: tuning.placeTurn, now: time.boot)
    }

    /// The turns at one backend, for all tenants together.
    func gate(for route: DeliveryRoute) -> TurnGate {
        gates.withLock { gates in
            if let gate = gates[route.name] { return gate }
            let gate = TurnGate(limit: route.maximumInFlight)
            gates[route.name] = gate
            return gate
        }
    }

    func proven(_ backend: String) { provenBackends.withLock { _ = $0.insert(backend) } }
    func isProven(_ backend: String) -> Bool { provenBackends.withLock { $0.contains(backend) } }

    /// The pace at one backend, for all tenants together.
    func pace(for route: DeliveryRoute) -> BackendPace {
        paces.withLock { paces in
            if let pace = paces[route.name] { return pace }
            let pace = BackendPace()
            paces[route.name] = pace
            return pace
        }
    }

    /// A reload's limits: gates that exist change, those of backends nobody names any more go.
    func setLimits(_ limits: [String: Int]) {
        paces.withLock { paces in paces = paces.filter { limits[$0.key] != nil } }
        // A url may be another one.
        provenBackends.withLock { $0 = [] }
        gates.withLock { gates in
            gates = gates.filter { limits[$0.key] != nil }
            for (name, gate) in gates.sorted(by: { $0.key < $1.key }) { gate.setLimit(limits[name] ?? 1) }
        }
    }

    /// - Parameter cap: below that of the backoff; nil: its own.
    func backoff(attempts: Int, retryAfter: Duration?, cap: Duration? = nil) -> Duration {
        var backoff = tuning.backoff
        backoff.cap = min(backoff.cap, cap ?? backoff.cap)
        return random.withLock { backoff.delay(attempts: attempts, retryAfter: retryAfter, using: &$0) }
    }

    /// Until a settle that found no room is tried again: short enough to go on soon after space was made.
    func settlePause(attempts: Int) -> Duration {
        max(tuning.spoolPause, min(backoff(attempts: attempts, retryAfter: nil), tuning.spoolPause * 10))
    }

    /// The next probe of a held lane: at half to one and a half times the interval.
    func probeDelay() -> Duration { random.withLock { tuning.probeEvery * Double.random(in: 0.5...1.5, using: &$0) } }

    /// - Returns: whether a waiting request of this size may stay in memory; then `forget` it.
    func keep(bytes: Int) -> Bool {
        keptBytes.withLock { kept in
            guard kept + bytes <= tuning.keptBytes else { return false }
            kept += bytes
            return true
        }
    }

    /// - Returns: whether a lease of so many points may be held outside of the turns; then `giveUp` them.
    func take(shardedPoints points: Int) -> Bool {
        shardedPoints.withLock { taken in
            guard taken + points <= tuning.shardedPoints else { return false }
            taken += points
            return true
        }
    }

    func giveUp(shardedPoints points: Int) { shardedPoints.withLock { $0 -= points } }

    func forget(bytes: Int) { keptBytes.withLock { $0 -= bytes } }
}
