import Synchronization
import WALStore

/// How a lease ended on the way.
struct DeliveryEnding: Sendable {
    /// For the caller to make durable; nil when there is nothing more to write.
    var settlement: Settlement?
    /// Points are left that go back, once the settlement is made.
    var isLeft = false
    /// Some of those may have reached the backend.
    var maybeSent = false
    /// The spool could not write down what was answered: it is owed again, and not sent again at once.
    var isUnsettled = false
}

/// One lease, or one shard of it, on its way: encodes its parts, sends them, and acts on each answer until nothing is left
/// or the lane has to wait.
struct Delivery {
    let lane: Lane
    let context: DeliveryContext
    let route: DeliveryRoute
    let generation: UInt64
    let gate: TurnGate
    let lease: Lease
    /// The lease goes out in shards, of which this is one: it takes turns request by request, and looks for no points at
    /// fault, which needs the lane to itself.
    let shard: SeriesShard?
    /// Fresh points go out beside it: what is wrong with it is its own trouble.
    let isOfBacklog: Bool
    /// What of it goes out; where rules are to be asked, known once it runs.
    private(set) var routed: RoutedLease
    /// Of a request, at most.
    private let points: Int
    private let before: Handover?
    private let hintsBefore: RefusalHints
    var bisect: Bisect
    private var holdsTurn: Bool
    /// Not settled yet.
    private var answered: [Settlement] = []
    /// Answers in a row after which nothing was settled.
    private var fruitless = 0
    /// The spool has been told that a probe overtakes points of this lease.
    private var hasNoted = false

    /// Of a whole lease, which holds a turn.
    init(
        lane: Lane, context: DeliveryContext, route: DeliveryRoute, generation: UInt64, gate: TurnGate, lease: Lease,
        points: Int? = nil
    ) {
        self.init(
            lane: lane, context: context, route: route, generation: generation, gate: gate, lease: lease,
            routed: RoutedLease(lease), shard: nil, points: points ?? route.backend.traits.maximumPoints, before: nil)
    }

    /// - Parameters:
    ///   - points: of a request, at most.
    ///   - before: what a shard's first request waits for.
    init(
        lane: Lane, context: DeliveryContext, route: DeliveryRoute, generation: UInt64, gate: TurnGate, lease: Lease,
        routed: RoutedLease, shard: SeriesShard?, points: Int, before: Handover?
    ) {
        self.lane = lane
        self.context = context
        self.route = route
        self.generation = generation
        self.gate = gate
        self.lease = lease
        self.routed = routed
        self.shard = shard
        self.points = max(1, points)
        self.before = before
        holdsTurn = shard == nil
        isOfBacklog = lease.isOfBacklog && route.order != .oldestFirst
        hintsBefore = lane.state.withLock { $0.refusalHints }
        bisect = Bisect(lease.pieces, runs: shard?.runs, maximumPoints: self.points, hints: hintsBefore)
    }

    consuming func run() async -> DeliveryEnding {
        var delivery = self
        if delivery.shard == nil { await delivery.askRules() }
        await delivery.beginCounting()
        let ending = await delivery.endCounting(await delivery.deliver())
        delivery.keepHints()
        delivery.giveUpTurn()
        return ending
    }

    /// Asks the rules, and fills requests with what they let through.
    private mutating func askRules() async {
        guard route.router != nil else { return }
        routed = await route.routed(lease, context)
        let (cuts, kept) = routed.cuts(points: points)
        bisect = Bisect(lease.pieces, cuts: cuts, hints: hintsBefore)
        lane.state.withLock { $0.learnKept(kept, of: lease.points) }
    }

    /// For the leases that come after this one. Who learned nothing leaves what others learned meanwhile.
    private func keepHints() {
        let hints = bisect.hints
        if hints != hintsBefore { lane.state.withLock { $0.refusalHints = hints } }
    }

    enum Next {
        /// The part is dealt with as far as it can be; the next one, please.
        case goOn(Settlement)
        /// The lane waits, or ends, or the backend changed: what is left goes back.
        case stop(Settlement?)
    }

    private mutating func deliver() async -> DeliveryEnding {
        while true {
            guard await note(bisect.takeNewSuspects()) else {
                return await giveBack()
            }
            if bisect.needsProof, await !proveWithOtherPoints() {
                return await giveBack()
            }
            guard let part = bisect.next() else { return DeliveryEnding(settlement: takeAnswered()) }
            switch await deliver(part) {
            case .goOn(let settlement):
                fruitless = settlement.parts.isEmpty ? fruitless + 1 : 0
                guard fruitless <= Delivery.mostFruitless else {
                    _ = await fail(
                        "\(fruitless) answers in a row, and nothing is settled", after: nil,
                        startedAt: context.time.boot())
                    return await giveBack()
                }
                answered.append(settlement)
                if bisect.isDone { return DeliveryEnding(settlement: takeAnswered()) }
                guard await settleAnswered() else { return await giveBack(maybeSent: true, isUnsettled: true) }
                if shard == nil, await !takeTurn() { return await giveBack() }
            case .stop(let settlement):
                if let settlement { answered.append(settlement) }
                let isSettled = await settleAnswered()
                return await giveBack(maybeSent: !isSettled, isUnsettled: !isSettled)
            }
        }
    }

    /// A million points are halved in twenty, and looking for stuck ones sets eight aside: who needs more goes round in circles.
    private static let mostFruitless = 64

    /// Makes durable what was answered of a lease that is not done. A shard leaves that to the end: its points lie among
    /// those of other shards, and what they have between them is settled as one run, not as thousands.
    ///
    /// - Returns: false when the spool could not.
    private mutating func settleAnswered() async -> Bool {
        guard shard == nil, let settlement = takeAnswered(), !settlement.parts.isEmpty else { return true }
        return await settle(lease, settlement)
    }

    /// A disk without room is waited for, and others have the turn meanwhile.
    mutating func settle(_ lease: Lease, _ settlement: Settlement) async -> Bool {
        await lane.settle(lease, settlement, context) { giveUpTurn() }
    }

    private mutating func takeAnswered() -> Settlement? {
        defer { answered = [] }
        return (answered.count > 1 ? Settlement(together: answered) : answered.first).map(routed.noting)
    }

    /// Where order is kept, a probe that sends later points first takes from "out of order" what it could have proven
    /// of those before: the spool must know it first, whatever becomes of this process.
    ///
    /// - Parameter runs: what the next request goes out ahead of.
    /// - Returns: false when the spool could not write it down; nothing may be sent then.
    mutating func note(_ runs: [LeasedRun]) async -> Bool {
        guard await note(runs, of: lease) else { return false }
        if route.backend.traits.keepsOrder, !runs.isEmpty { hasNoted = true }
        return true
    }

    func note(_ runs: [LeasedRun], of lease: Lease) async -> Bool {
        guard route.backend.traits.keepsOrder, !runs.isEmpty else { return true }
        do throws(SpoolError) {
            try await lane.source.overtake(lease, tenant: lane.tenant, runs)
            return true
        } catch {
            context.events(
                Event(
                    .warning, "the spool could not note what a probe overtakes; it is tried again later",
                    lane.metadata(["error": error.description])))
            _ = await fail("the spool could not be written", after: nil, startedAt: context.time.boot())
            return false
        }
    }

    private mutating func giveBack(maybeSent: Bool = false, isUnsettled: Bool = false) async -> DeliveryEnding {
        // Nothing that was sent ahead arrived: what comes again can be believed as before.
        if hasNoted, !bisect.hasOvertaken { await lane.source.forgetOvertaking(lease, tenant: lane.tenant) }
        return DeliveryEnding(
            settlement: takeAnswered(), isLeft: true, maybeSent: maybeSent || bisect.hasUncertain,
            isUnsettled: isUnsettled)
    }

    // MARK: One part

    private mutating func deliver(_ whole: Bisect.Part) async -> Next {
        var part = whole
        let chunk = routed.chunk(lane.tenant, part.runs, series: shard?.series)
        if chunk.points == 0, part.points > 0 {
            return .goOn(part.settlement(routed.settlingExcluded(part.runs), status: 0, context))
        }
        let keys = counterKeys(of: chunk)
        if keys.count > Delivery.maximumCounters, part.points > 1 {
            return .goOn(part.settlement(bisect.tooLarge(part, status: 0, excerpt: ""), status: 0, context))
        }
        guard let request = await encode(chunk, keys) else {
            bisect.putBack(part)
            _ = await fail("the spool could not be read", after: nil, startedAt: context.time.boot())
            return .stop(nil)
        }
        guard request.points + request.unsentRuns.points == chunk.points else {
            // What is in no account would be settled as if it had been sent.
            bisect.putBack(part)
            await hold(
                "a defect: the request has \(request.points) points and leaves \(request.unsentRuns.points) out, of \(chunk.points)"
            )
            return .stop(nil)
        }
        part.runs = part.runs.subtracting(request.unsentRuns)
        var settlement = part.settlement(request.unsent, status: 0, context)
            .counting(request.counters, isTaken: false)
        guard routed.kept(part.runs).points > 0 else {
            settlement.parts += routed.settlingExcluded(part.runs)
            return .goOn(settlement)
        }

        let limit = route.backend.traits.maximumBodyBytes
        if request.body.count > limit, lease.isOfBodies { return giveBackBodies(part) }
        if request.body.count > limit, part.points > 1, request.isSmallerWithFewerPoints {
            learnTooLarge(part, bodyBytes: request.body.count, limitBytes: limit)
            settlement.parts += bisect.tooLarge(part, status: 0, excerpt: "")
            return .goOn(settlement)
        }
        let rawLimit = route.backend.traits.maximumRawBytes
        if request.rawBytes > rawLimit, part.points > 1, request.isSmallerWithFewerPoints {
            learnTooLarge(part, bodyBytes: request.rawBytes, limitBytes: rawLimit)
            settlement.parts += bisect.tooLarge(part, status: 0, excerpt: "")
            return .goOn(settlement)
        }
        let next = await attempt(part, request, chunk)
        switch next {
        case .goOn(let answered): return .goOn(answered.adding(settlement))
        case .stop(let answered): return .stop(answered?.adding(settlement) ?? settlement)
        }
    }

    /// - Returns: nil when the spool could not say what increments are to be counted from.
    func encode(_ chunk: Chunk, _ keys: [CounterKey]) async -> EncodedRequest? {
        guard let book = await book(keys) else { return nil }
        var chunk = chunk
        chunk.counters = book
        await context.encoding.acquire(lane.tenant, weight: route.weight)
        defer { context.encoding.release() }
        var request = EncodedRequest()
        route.backend.encode(chunk, into: &request)
        return request
    }

    /// Sends the same bytes until an answer other than "later" comes, or the wait is too long to keep them.
    private mutating func attempt(_ first: Bisect.Part, _ request: EncodedRequest, _ chunk: Chunk) async -> Next {
        var part = first
        guard await takeTurn() else {
            bisect.putBack(part)
            return .stop(nil)
        }
        while true {
            guard await keepPace(request) else {
                bisect.putBack(part)
                return .stop(nil)
            }
            let (answer, startedAt) = await send(&part, request, chunk)
            let outcome = route.backend.outcome(of: answer, to: request)
            lane.state.withLock { $0.counters.answers[outcome.name, default: 0] += 1 }
            guard case .retry(let after, let reason) = outcome else {
                return await act(on: outcome, answer, part, request)
            }
            if isOver {
                bisect.putBack(part)
                return .stop(nil)
            }
            if shard == nil, !lease.isOfBodies, StuckRule.counts(answer), let settled = suspect(part, answer, reason) {
                return .goOn(part.settlement(settled, status: answer.status, context))
            }
            let wait = await fail(reason, after: after, startedAt: startedAt)
            // Whether points are at fault is found out among points; and what is fresh does not wait for a backlog that fails.
            let mayStay = (!lease.isOfBodies || !StuckRule.counts(answer)) && (!isOfBacklog || bisect.isProbing)
            guard mayStay, await pause(wait, holding: request) else {
                bisect.putBack(part)
                return .stop(nil)
            }
        }
    }

    /// Waits, with its turn, where there is to be no more of requests or bytes in a second: whoever comes behind waits too.
    ///
    /// - Returns: false when nothing may be sent any more.
    private func keepPace(_ request: EncodedRequest) async -> Bool {
        let traits = route.backend.traits
        guard traits.requestsPerSecond != nil || traits.bytesPerSecond != nil else { return true }
        let wait = context.pace(for: route).take(bytes: request.body.count, traits, now: context.time.boot())
        if wait > .zero { await lane.sleep(wait, generation: generation, context) }
        return !isOver && !Task.isCancelled
    }

    /// - Returns: false when nothing may be sent any more.
    private mutating func takeTurn() async -> Bool {
        guard !holdsTurn else { return true }
        if let before, await !before.isClear { return false }
        guard !isOver else { return false }
        await gate.acquire(lane.tenant, weight: route.weight)
        holdsTurn = true
        return !isOver
    }

    mutating func giveUpTurn() {
        if holdsTurn { gate.release() }
        holdsTurn = false
    }

    mutating func send(
        _ part: inout Bisect.Part, _ request: EncodedRequest, _ chunk: Chunk
    ) async -> (Answer, startedAt: Int64) {
        part.attempts += 1
        if part.firstAttemptAt == 0 { part.firstAttemptAt = context.time.wall() }
        let points = part.points
        let startedAt = context.time.boot()
        lane.state.withLock { state in
            state.sends(points: points, now: startedAt)
            state.counters.requests += 1
            state.counters.rawBytes += UInt64(request.rawBytes)
            state.counters.sentBytes += UInt64(request.body.count)
        }
        let answer = await route.backend.send(request, of: chunk, attempt: part.attempts, over: context.transport)
        lane.state.withLock { state in
            state.answered(points: points, startedAt: startedAt, now: context.time.boot(), isTaken: answer.isTaken)
        }
        if case .failure(let failure) = answer, failure.mayHaveArrived {
            part.isUncertain = true
            bisect.overtook()
        }
        return (answer, startedAt)
    }

    /// The lane ends, or its backend is another one by now.
    var isOver: Bool { lane.state.withLock { $0.isStopping || $0.generation != generation } }

    /// Waits without a turn, with the request kept if there is room, and if nobody waits for the open spool.
    ///
    /// - Returns: whether the same request goes out now.
    private mutating func pause(_ wait: Duration, holding request: EncodedRequest) async -> Bool {
        // The decoded points are kept too: about as much as the body before compression.
        let bytes = request.body.count + request.rawBytes
        // An open breaker admits one request: of several that wait, each goes back but the last.
        let isAdmitted = lane.state.withLock { $0.keepsWaiting(points: lease.points, isShard: shard != nil) }
        guard isAdmitted, wait <= context.tuning.keepsRequestFor, !context.places.isWanted(of: lane.tenant),
            context.keep(bytes: bytes)
        else { return false }
        defer { context.forget(bytes: bytes) }
        giveUpTurn()
        await lane.sleep(wait, generation: generation, context)
        guard !isOver, !Task.isCancelled, !context.places.isWanted(of: lane.tenant) else { return false }
        await gate.acquire(lane.tenant, weight: route.weight)
        holdsTurn = true
        return !isOver
    }
}
