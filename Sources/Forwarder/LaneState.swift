import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// Everything a lane knows: a value, changed under the lane's lock, that decides and leaves acting to the worker.
struct LaneState: Sendable {
    var route: DeliveryRoute
    /// Rises with each reload: a delivery that began before it ends before its next attempt.
    var generation: UInt64 = 0

    var isRunning = false
    var isStopping = false
    var isRemoved = false
    /// Rises with each call that there is work.
    var news: UInt64 = 0
    /// The spool had nothing more, and no news came since.
    var isDry = false
    /// Deliveries that hold a lease and are not settling yet.
    var deliveries = 0
    var settling = 0
    /// Those of `deliveries` that go out in shards: at most one on its way and one that waits for it.
    var sharded = 0
    /// The last lease was as large as a request may be: more is owed.
    var isBehind = false
    /// How long it takes of late until a request is taken, seconds.
    private var answerSeconds = 0.0
    /// So many of the next leases are of points, whatever the backend takes.
    private var leasesOfPoints = 0
    var backlogShare = BacklogShare()
    /// There was no room to hold a lease that waits; nothing has ended since.
    var isCramped = false
    /// The spool has no room to settle what was delivered: why, and when it is asked again, on the boot clock.
    var settleProblem: (reason: String, at: Int64)?
    /// The spool gave no lease the last time that it was asked: why.
    var leaseProblem: String?

    var isRestored = false
    var retry = RetryState.ok
    /// Boot clock, nanoseconds: no lease before.
    var resumeAt: Int64 = 0
    var breaker = Breaker()
    /// Boot clock of the last failure, so that requests that failed together count once.
    var lastFailureAt: Int64 = 0
    var suspicion: StuckRule.Suspicion?
    /// Points a request may have at most, after the backend called one too large.
    var learnedPoints: Int?
    private var deliveriesSinceTooLarge = 0
    /// What the points that the backend refused had in common.
    var refusalHints = RefusalHints()

    var lastError = ""
    var counters = LaneCounters()
    var requestsInFlight = 0
    var pointsInFlight = 0
    private var rate = 0.0
    private var rateAt: Int64 = 0
    private var firstSettledAt: Int64?

    /// Of a replay: it has one request at a time, at its cursor.
    private var pace: ReplayPace?

    init(_ route: DeliveryRoute, pace: ReplayPace? = nil) {
        self.route = route
        self.pace = pace
    }

    var isReplay: Bool { pace != nil }

    /// Settlements a lane lets run behind its next requests.
    static let maximumSettling = 16
    static let rateWindowSeconds = 30.0

    // MARK: What the worker does next

    enum Step {
        case lease(LeasePlan)
        /// Until then, or until woken.
        case sleep(Duration, generation: UInt64)
        /// Until something changes.
        case wait
        case end
    }

    struct LeasePlan: Sendable {
        var route: DeliveryRoute
        /// Of a request.
        var points: Int
        /// Requests at once; above 1 where a lease is divided by series.
        var shards: Int
        /// Another lease is on its way, which this one has to wait for.
        var isSuccessor: Bool
        /// Bodies will do, in place of points.
        var takesBodies: Bool
        /// Whose turn it is, where what is fresh goes ahead; nil: oldest first.
        var freshFirst: FreshFirst?
        var generation: UInt64
        var news: UInt64

        /// Of one request.
        var limit: LeaseLimit {
            LeaseLimit(points: points, bodyPoints: takesBodies ? points : nil, freshFirst: freshFirst)
        }
        /// Whether a lease of bodies, which are not cut, was about as large as it could be.
        func isFilled(by lease: Lease) -> Bool { lease.points >= points / 2 }
    }

    /// - Parameter now: boot clock, nanoseconds.
    mutating func nextStep(now: Int64) -> Step {
        let isIdle = deliveries == 0 && settling == 0
        if isStopping || isRemoved || isDry {
            guard isIdle else { return .wait }
            isRunning = false
            return .end
        }
        let resumeAt = max(resumeAt, pace?.nextAt ?? 0)
        if now < resumeAt { return .sleep(.nanoseconds(resumeAt - now), generation: generation) }
        let isSuccessor = sharded == 1 && deliveries == 1 && shards > 1 && !isCramped
        guard settleProblem == nil, isSuccessor || deliveries < breaker.concurrency(allowed: allowed),
            settling < (isReplay ? 1 : LaneState.maximumSettling)
        else { return .wait }
        deliveries += 1
        pace?.begins(at: now)
        let plan = LeasePlan(
            route: route, points: maximumPoints, shards: shards, isSuccessor: isSuccessor, takesBodies: takesBodies,
            freshFirst: freshFirst, generation: generation, news: news)
        if leasesOfPoints > 0 { leasesOfPoints -= 1 }
        return .lease(plan)
    }

    /// Only while all is well: whoever looks for what is wrong needs points.
    private var takesBodies: Bool { route.backend.takesBodies && leasesOfPoints == 0 && isWell && !isReplay }

    var isWell: Bool { retry.mode == .ok && breaker.failures == 0 && suspicion == nil }

    /// A request of bodies was refused, in part or as a whole: its points go out the other way, and those behind them for a
    /// while, as they are likely to fare the same.
    mutating func refusedBodies() { leasesOfPoints = LaneState.leasesAfterRefusal }

    private static let leasesAfterRefusal = 16

    private var allowed: Int {
        let traits = route.backend.traits
        return traits.keepsOrder || isReplay ? 1 : max(1, traits.concurrency)
    }

    /// Of the next lease. Only with a backlog and while all is well: looking for what is wrong needs an order in which
    /// requests follow each other.
    private var shards: Int {
        let traits = route.backend.traits
        guard traits.keepsOrder, isBehind, isWell, !isReplay else { return 1 }
        guard case .freshFirst = route.order, answerSeconds > 0 else { return traits.concurrency }
        // What is fresh waits for a lease that is on its way: it shall be done within about a second.
        return max(1, Int(min(Double(traits.concurrency), Double(width) / answerSeconds)))
    }

    private var maximumPoints: Int {
        let limit = min(route.backend.traits.maximumPoints, learnedPoints ?? .max, pace?.maximumPoints ?? .max)
        return max(1, min(limit, suspicion?.points ?? .max))
    }

    /// - Returns: whether a worker has to be started.
    mutating func workArrived() -> Bool {
        news += 1
        isDry = false
        guard !isRunning, !isStopping, !isRemoved else { return false }
        isRunning = true
        return true
    }

    /// Requests of a divided lease that are on their way at once: enough that the next one is encoded when an answer comes,
    /// and few to a backend that is near, as what is on its way in a crash is sent again.
    var width: Int {
        let needed = Int((answerSeconds / LaneState.encodingSeconds).rounded(.up))
        return min(max(LaneState.leastWidth, needed), max(1, route.backend.traits.concurrency))
    }

    private static let leastWidth = 4
    /// About what a request of 10,000 points takes, with two encoders: a lease of which a few requests have to wait for
    /// the first answers takes a backend that is far away twice the time.
    private static let encodingSeconds = 0.002

    // MARK: Answers

    /// - Parameter isTaken: who fails says nothing about how far away he is: a refused connection is quick.
    mutating func answered(after seconds: Double, isTaken: Bool) {
        counters.latency.record(seconds: seconds)
        guard isTaken else { return }
        answerSeconds += (seconds - answerSeconds) / (answerSeconds == 0 ? 1 : 8)
    }

    /// A request was taken.
    mutating func delivered() {
        suspicion = nil
        guard let learned = learnedPoints else { return }
        deliveriesSinceTooLarge += 1
        // One bulky stretch must not keep requests small for ever.
        guard deliveriesSinceTooLarge >= 100 else { return }
        deliveriesSinceTooLarge = 0
        learnedPoints = learned * 2 < route.backend.traits.maximumPoints ? learned * 2 : nil
    }

    /// The backend said yes or no, and not "later".
    ///
    /// - Returns: whether the lane was held or backing off before.
    mutating func answered() -> Bool {
        lastError = ""
        breaker.succeeded()
        guard retry.mode != .ok else { return false }
        retry = .ok
        // What was leased before an outage did not go out: nobody has to pay for it.
        backlogShare = BacklogShare()
        resumeAt = 0
        return true
    }

    /// - Parameters:
    ///   - startedAt: boot clock, nanoseconds. A request that began before the last failure adds no attempt of its own.
    ///   - delay: what to wait for the given number of failed attempts.
    /// - Returns: how long to wait from now.
    mutating func failed(
        reason: String, generation: UInt64, startedAt: Int64, now: Int64, wall: Int64,
        delay: (_ attempts: Int) -> Duration
    ) -> Duration {
        guard generation == self.generation else { return .zero }
        lastError = reason
        if startedAt >= lastFailureAt || retry.mode == .ok {
            breaker.failed()
            lastFailureAt = now
            retry.attempts += 1
            let wait = delay(retry.attempts).wholeNanoseconds
            resumeAt = max(resumeAt, now + wait)
        }
        retry.mode = .backingOff
        retry.reason = reason
        retry.nextAttemptAt = wall + max(0, resumeAt - now)
        return .nanoseconds(max(0, resumeAt - now))
    }

    /// - Returns: whether it was not held before.
    ///
    /// What an attempt with the config from before a reload met says nothing about the new one.
    mutating func hold(reason: String, generation: UInt64, probeIn delay: Duration, now: Int64, wall: Int64) -> Bool {
        guard generation == self.generation else { return false }
        let wasHeld = retry.mode == .held
        lastError = reason
        resumeAt = now + delay.wholeNanoseconds
        retry = RetryState(
            mode: .held, attempts: retry.attempts + 1, nextAttemptAt: wall + delay.wholeNanoseconds, reason: reason)
        return !wasHeld
    }

    /// What an earlier process left: its wait goes on, but never longer than `bound`, whatever the wall clock did.
    mutating func restore(_ saved: RetryState, now: Int64, wall: Int64, bound: Duration) {
        isRestored = true
        retry = saved
        guard saved.mode != .ok else { return }
        let (wait, overflow) = saved.nextAttemptAt.subtractingReportingOverflow(wall)
        resumeAt = now + (overflow ? 0 : min(max(0, wait), bound.wholeNanoseconds))
        lastError = saved.reason
    }

    mutating func learnTooLarge(points: Int) {
        learnedPoints = max(1, min(points, learnedPoints ?? .max))
        deliveriesSinceTooLarge = 0
    }

    /// Counts one more answer of 500 to the points that begin at `place`.
    mutating func suspect(
        sequence: Int64, ordinal: Int64, points: Int, isOfBacklog: Bool, now: Int64
    ) -> StuckRule.Suspicion {
        if var known = suspicion, known.firstSequence == sequence, known.firstOrdinal == ordinal, known.points == points
        {
            known.tries += 1
            suspicion = known
            return known
        }
        let new = StuckRule.Suspicion(
            firstSequence: sequence, firstOrdinal: ordinal, points: points, isOfBacklog: isOfBacklog, tries: 1,
            since: now)
        suspicion = new
        return new
    }

    // MARK: Status

    mutating func settled(_ parts: [Settlement.Part], now: Int64) {
        let before = counters.deliveredPoints
        for part in parts {
            let points = UInt64(part.run.ordinals.count)
            switch part.fate {
            case .delivered: counters.deliveredPoints += points
            case .assumed: counters.assumedPoints += points
            case .dead: counters.deadPoints += points
            case .excluded: counters.excludedPoints += points
            case .released: continue
            }
        }
        pace?.took(points: parts.reduce(0) { $0 + ($1.fate == .released ? 0 : $1.run.ordinals.count) })
        rate = decayedRate(now) + Double(counters.deliveredPoints - before) / LaneState.rateWindowSeconds
        rateAt = now
        if firstSettledAt == nil { firstSettledAt = now }
    }

    private func decayedRate(_ now: Int64) -> Double {
        rate * exp(-Double(max(0, now - rateAt)) / 1e9 / LaneState.rateWindowSeconds)
    }

    /// The average of a window that has not passed yet is over what has; one second at least.
    private func pointsPerSecond(_ now: Int64) -> Double {
        guard let firstSettledAt else { return 0 }
        let age = max(1, Double(now - firstSettledAt) / 1e9)
        return decayedRate(now) / (1 - exp(-age / LaneState.rateWindowSeconds))
    }

    /// - Parameters:
    ///   - now: boot clock, nanoseconds. Waits are kept on it, so that the next attempt is told right whatever the wall clock
    ///     did since the last one.
    ///   - wall: wall clock at that moment.
    func status(now: Int64, wall: Int64) -> LaneStatus {
        let next = wall + max(0, resumeAt - now)
        var status = LaneStatus(tenant: route.tenant, backend: route.name, type: Swift.type(of: route.backend).type)
        switch retry.mode {
        case .ok: status.state = .ok
        case .backingOff: status.state = .backingOff(until: next)
        case .held: status.state = .held(because: retry.reason, probe: next)
        }
        status.attempts = retry.attempts
        status.lastError = lastError
        if let problem = settleProblem, retry.mode != .held {
            status.state = .backingOff(until: wall + max(0, problem.at - now))
            status.lastError = "what was delivered cannot be settled: \(problem.reason)"
        }
        // Two things to say: the spool's is nearer.
        if let problem = leaseProblem, retry.mode != .held, settleProblem == nil {
            status.state = .backingOff(until: next)
            status.lastError = "the spool gives nothing to be sent: \(problem)"
        }
        status.requestsInFlight = requestsInFlight
        status.pointsInFlight = pointsInFlight
        status.counters = counters
        status.pointsPerSecond = pointsPerSecond(now)
        return status
    }
}
