import WALStore

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
    /// The same of what is fresh, when only that was asked for.
    var isFreshDry = false
    /// Deliveries that hold a lease and are not settling yet.
    var deliveries = 0
    var settling = 0
    /// Those of `deliveries` that go out in shards: at most one on its way and one that waits for it.
    var sharded = 0
    /// The last lease was as large as a request may be: more is owed.
    var isBehind = false
    /// The share of leased points that rules let through of late.
    private var keptShare = 1.0
    /// How long it takes of late until a request is taken, seconds.
    private var answerSeconds = 0.0
    /// So many of the next leases are of points, whatever the backend takes.
    private var leasesOfPoints = 0
    private var sendRate = SendRate()
    var backlogShare = BacklogShare()
    var backlog = BacklogState()
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
    /// What is suspected of a backlog beside fresh points is in `backlog`.
    var suspicion: StuckRule.Suspicion?
    /// Points a request may have at most, after the backend called one too large.
    var learnedPoints: Int?
    private var deliveriesSinceTooLarge = 0
    var doubt = LaneDoubt()
    /// When it was last told that there are dead letters, boot clock; and those that came since.
    private var dead: (toldAt: Int64?, points: Int) = (nil, 0)
    /// What the points that the backend refused had in common.
    var refusalHints = RefusalHints()

    var lastError = ""
    var counters = LaneCounters()
    var requestsInFlight = 0
    var pointsInFlight = 0
    var rate = 0.0
    var rateAt: Int64 = 0
    var firstSettledAt: Int64?

    /// Of a replay: it has one request at a time, at its cursor.
    var pace: ReplayPace?

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
        /// Until something changes, and no longer than this.
        case waitUpTo(Duration, generation: UInt64)
        /// Until something changes.
        case wait
        case end
    }

    struct LeasePlan: Sendable {
        var route: DeliveryRoute
        /// Of a request.
        var points: Int
        /// Of a lease of one request: more than that where rules keep most of what is leased back.
        var leasePoints: Int
        /// Requests at once; above 1 where a lease is divided by series.
        var shards: Int
        /// Another lease is on its way, which this one has to wait for.
        var isSuccessor: Bool
        /// What is on its way is of the backlog.
        var followsBacklog: Bool
        /// And fresh points need not wait for it.
        var mayPass: Bool
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
        /// Whether the lease is of a backlog that fresh points may pass.
        func isBesideFresh(_ lease: Lease) -> Bool { freshFirst != nil && lease.isOfBacklog }
        /// Whether a lease of bodies, which are not cut, was about as large as it could be.
        func isFilled(by lease: Lease) -> Bool { lease.points >= points / 2 }
    }

    /// - Parameters:
    ///   - now: boot clock, nanoseconds.
    ///   - passesAfter: fresh points wait so long for a lease of the backlog, then they go out beside it.
    mutating func nextStep(now: Int64, passesAfter: Duration) -> Step {
        let isIdle = deliveries == 0 && settling == 0
        if isStopping || isRemoved || isDry {
            guard isIdle else { return .wait }
            isRunning = false
            return .end
        }
        let resumeAt = max(resumeAt, pace?.nextAt ?? 0)
        if now < resumeAt { return .sleep(.nanoseconds(resumeAt - now), generation: generation) }
        guard settleProblem == nil, settling < (isReplay ? 1 : LaneState.maximumSettling) else { return .wait }
        let order = freshFirst(now: now)
        let shards = shards(order)
        let isSuccessor = sharded == 1 && deliveries == 1 && shards > 1 && !isCramped
        if isSuccessor || deliveries < breaker.concurrency(allowed: allowed) {
            // Only the backlog is left, and it waits.
            if let order, order.isAlone, isFreshDry {
                guard now < backlog.resumeAt else { return .wait }
                return .waitUpTo(.nanoseconds(backlog.resumeAt - now), generation: generation)
            }
            return .lease(plan(order, shards: shards, isSuccessor: isSuccessor, now: now))
        }
        guard let passesAt = passesAt(after: passesAfter) else { return .wait }
        if now < passesAt { return .waitUpTo(.nanoseconds(passesAt - now), generation: generation) }
        return .lease(plan(freshFirst(now: now, isPassing: true), shards: 1, isSuccessor: false, now: now))
    }

    private mutating func plan(_ order: FreshFirst?, shards: Int, isSuccessor: Bool, now: Int64) -> LeasePlan {
        deliveries += 1
        pace?.begins(at: now)
        defer { if leasesOfPoints > 0 { leasesOfPoints -= 1 } }
        let points = maximumPoints(order)
        return LeasePlan(
            route: route, points: points, leasePoints: isWell(order) && !isReplay ? leasePoints(for: points) : points,
            shards: shards, isSuccessor: isSuccessor,
            followsBacklog: backlog.deliveries > 0,
            mayPass: order != nil && backlog.deliveries > 0 && backlog.mayBePassed,
            takesBodies: route.takesBodies && leasesOfPoints == 0 && isWell(order) && !isReplay,
            freshFirst: order, generation: generation, news: news)
    }

    var isWell: Bool { retry.mode == .ok && breaker.failures == 0 && suspicion == nil }

    /// Whoever looks for what is wrong needs points, in an order in which requests follow each other.
    private func isWell(_ order: FreshFirst?) -> Bool { isWell && !(order?.turn == .backlog && backlog.isInTrouble) }

    /// A request of bodies was refused, in part or as a whole: its points go out the other way, and those behind them for a
    /// while, as they are likely to fare the same.
    mutating func refusedBodies() { leasesOfPoints = LaneState.leasesAfterRefusal }

    private static let leasesAfterRefusal = 16

    private var allowed: Int {
        let traits = route.backend.traits
        return traits.keepsOrder || isReplay ? 1 : max(1, traits.concurrency)
    }

    /// Of the next lease. Only with more owed than a request has, and while all is well.
    private func shards(_ order: FreshFirst?) -> Int {
        let traits = route.backend.traits
        guard traits.keepsOrder, !traits.takesIncrements, isBehind, isWell(order), !isReplay else { return 1 }
        guard order != nil else { return traits.concurrency }
        let points = (sendRate.pointsPerSecond ?? 0) * LaneState.leaseSeconds
        return max(1, Int(min(Double(traits.concurrency), points / Double(maximumPoints(order)))))
    }

    private func maximumPoints(_ order: FreshFirst?) -> Int {
        let limit = min(route.backend.traits.maximumPoints, learnedPoints ?? .max, pace?.maximumPoints ?? .max)
        let suspicion = order?.turn == .backlog ? backlog.suspicion : suspicion
        return max(1, min(limit, suspicion?.points ?? (isProbing ? LaneState.probePoints : .max)))
    }

    /// So many that about `points` of them go out.
    private func leasePoints(for points: Int) -> Int {
        route.router == nil ? points : Int(Double(points) / max(keptShare, LaneState.leastShare))
    }

    /// A lease is not larger than a request by more than this, however little of it goes out.
    private static let leastShare = 1.0 / 16

    mutating func learnKept(_ kept: Int, of points: Int) {
        if points > 0 { keptShare += (Double(kept) / Double(points) - keptShare) / 2 }
    }

    /// The backend keeps failing, whatever it is asked, and what is fresh is to go out as soon as it is back.
    private var isProbing: Bool { breaker.isOpen && asksOften }

    /// So that the wait for the next attempt is short. What gets 500 may be at fault itself, and is not small.
    var asksOften: Bool { catchUp != nil && suspicion == nil }

    /// Whether a request may be kept until its next attempt; an open breaker admits one, and that a small one.
    ///
    /// - Parameter points: of its lease.
    func keepsWaiting(points: Int, isShard: Bool) -> Bool {
        guard breaker.isOpen else { return true }
        return !isShard && deliveries == 1 && (!isProbing || points <= LaneState.probePoints)
    }

    /// - Returns: whether a worker has to be started.
    mutating func workArrived() -> Bool {
        news += 1
        (isDry, isFreshDry) = (false, false)
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

    /// A request goes out.
    mutating func sends(points: Int, now: Int64) {
        requestsInFlight += 1
        pointsInFlight += points
        sendRate.begin(now: now)
    }

    /// - Parameters:
    ///   - startedAt: boot clock, as `now`.
    ///   - isTaken: who fails says nothing about how far away he is: a refused connection is quick.
    mutating func answered(points: Int, startedAt: Int64, now: Int64, isTaken: Bool) {
        requestsInFlight -= 1
        pointsInFlight -= points
        sendRate.end(taken: isTaken ? points : nil, now: now)
        let seconds = Double(now - startedAt) / 1e9
        counters.latency.record(seconds: seconds)
        guard isTaken else { return }
        answerSeconds += (seconds - answerSeconds) / (answerSeconds == 0 ? 1 : 8)
    }

    /// A request was taken.
    ///
    /// - Parameter isOfBacklog: beside which fresh points go out.
    mutating func delivered(isOfBacklog: Bool = false) {
        doubt.end()
        if isOfBacklog {
            backlog.suspicion = nil
        } else {
            suspicion = nil
            backlog.isBackendProven = true
        }
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
    mutating func answered(isOfBacklog: Bool = false) -> Bool {
        if isOfBacklog { backlog.answered() }
        lastError = ""
        breaker.succeeded()
        guard retry.mode != .ok else { return false }
        retry = .ok
        sendRate.forget()
        // It failed as all did.
        backlog.answered()
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

    /// Counts points that became dead letters.
    ///
    /// - Returns: how many there are to be told of, at the first and then now and then.
    mutating func buried(points: Int, now: Int64) -> Int? {
        dead.points += points
        if let toldAt = dead.toldAt, now - toldAt < LaneState.tellsDeadEvery { return nil }
        defer { dead = (now, 0) }
        return dead.points
    }
    private static let tellsDeadEvery: Int64 = 600_000_000_000

    /// What an earlier process left: its wait goes on, as far as the wall clock can be believed.
    mutating func restore(_ saved: RetryState, now: Int64, wall: Int64, _ backoff: Backoff) {
        isRestored = true
        retry = saved
        guard saved.mode != .ok else { return }
        let (wait, overflow) = saved.nextAttemptAt.subtractingReportingOverflow(wall)
        resumeAt = now + (overflow ? 0 : backoff.left(of: wait).wholeNanoseconds)
        lastError = saved.reason
    }

    mutating func learnTooLarge(points: Int) {
        learnedPoints = max(1, min(points, learnedPoints ?? .max))
        deliveriesSinceTooLarge = 0
    }

    /// Counts one more answer of 500 to the points that begin at this place.
    ///
    /// - Parameter isOfBacklog: beside which fresh points go out.
    mutating func suspect(
        sequence: Int64, ordinal: Int64, points: Int, isOfBacklog: Bool, now: Int64
    ) -> StuckRule.Suspicion {
        var new = StuckRule.Suspicion(
            firstSequence: sequence, firstOrdinal: ordinal, points: points, tries: 1, since: now)
        if let known = isOfBacklog ? backlog.suspicion : suspicion, known.isOf(new) {
            new = known
            new.tries += 1
        }
        if isOfBacklog { backlog.suspicion = new } else { suspicion = new }
        return new
    }

    /// It was an outage as far as anybody can tell: the suspicion starts anew.
    mutating func suspectsAnew(isOfBacklog: Bool, now: Int64) {
        if isOfBacklog {
            backlog.suspicion?.startAnew(now: now)
        } else {
            suspicion?.startAnew(now: now)
        }
    }
}
