/// Which spools are open, who uses them, and who waits: a value, kept in the store's mutex. It decides; the store acts
/// on its answers outside the lock.
struct StoreState: Sendable {
    typealias Waiter = @Sendable (Result<Spool, SpoolError>) -> Void

    /// Somebody who wants a spool that is not open.
    struct Waiting: Sendable {
        var waiter: Waiter
        /// Until then on the monotonic clock, nanoseconds; nil: as long as it takes.
        var until: Int64?
    }

    enum Phase: Sendable {
        case closed
        /// In `queue`, for one of the open places.
        case queued
        case opening
        case open(Spool)
        case closing(Spool)
    }

    struct Tenant: Sendable {
        var configuration: SpoolConfiguration
        var phase = Phase.closed
        /// Callers that hold the spool, queued appends among them: it stays open.
        var users = 0
        var waiters: [Waiting] = []
        var lastUse: UInt64 = 0
        /// It would not close when it was last asked to: something is leased.
        var isBusy = false
        /// No longer configured: it goes when it closes.
        var isRemoved = false
        /// Its open spool has not taken `configuration` yet: the disk was in the way.
        var isBehind = false
        /// In `stale`.
        var isStale = false
        /// Since when, on the boot clock, the disk fails to read what this life of the spool carries over.
        var unreadSince: (incarnation: [UInt8], at: Int64)?
        /// Boot clock, nanoseconds: when what the summary says of it was noted, or found at the start.
        var notedAt: Int64
        /// Boot clock, nanoseconds, of its last upkeep; before the first one, of the start.
        var visitedAt: Int64
        /// Its upkeep has run in this process.
        var isVisited = false
    }

    /// What the store is to do next, outside the lock.
    enum Action: Sendable {
        case open(String, SpoolConfiguration)
        case close(String, Spool)
    }

    let maximumOpen: Int
    var tenants: [String: Tenant] = [:]
    /// Why a configured tenant's spool could not be opened when it was last tried; those only.
    private var openProblems: [String: String] = [:]
    /// Why the data folder cannot be worked in: it is not where it was.
    var folderFault: String?
    /// Why a configured tenant's spool refused new points when it was last looked at; those only.
    var refusals: [String: String] = [:]
    var ingest: IngestBudget
    var summary: NodeSummary
    var isSummaryChanged = false
    var isClosing = false
    /// Spools may have been opened since the start.
    var isConfigured = false
    /// Boot clock, nanoseconds: when files beside the spools were counted last.
    var recountedAt: Int64 = .min / 2
    /// With whose spool the last round of repacks ended.
    var repackedLast = ""
    var repacked = RepackTally()
    /// Whose part of a round of upkeep is under way.
    var inUpkeep: Set<String> = []
    /// Resumed when a spool has been opened or closed.
    var changeWaiters: [CheckedContinuation<Void, Never>] = []
    /// Tenants whose summary entry may be wrong, in the order in which they are looked at.
    var stale: [String] = []
    /// Who has one of the open places: open, opening and closing ones. Of very many tenants these are few.
    private var holders: Set<String> = []
    var openCount: Int { holders.count }
    private(set) var highestOpenCount = 0
    /// A task looks after those whose wait ends.
    var isWatchingWaits = false
    /// Who waits for a place, in order: those with a request, and all others.
    private var requests: [String] = []
    private var queue: [String] = []
    private var dequeued: UInt64 = 0
    private var uses: UInt64 = 0

    init(maximumOpen: Int, ingestBytes: Int, summary: NodeSummary) {
        self.maximumOpen = max(1, maximumOpen)
        self.summary = summary
        ingest = IngestBudget(maximumBytes: ingestBytes)
    }

    /// The tenant's spool when it is open, counted as one more user; else `waiter` is called once it is.
    ///
    /// - Throws: `.closing`, or `.misuse` for a tenant that is not configured.
    mutating func acquire(_ tenant: String, or waiting: () -> Waiting) throws(SpoolError) -> Spool? {
        if isClosing { throw SpoolError(.closing, "the node is closing") }
        guard let phase = tenants[tenant]?.phase else {
            throw SpoolError(.misuse, "tenant \(tenant) is not in the config")
        }
        switch phase {
        case .open(let spool):
            uses += 1
            tenants[tenant]?.users += 1
            tenants[tenant]?.lastUse = uses
            return spool
        case .closed, .queued, .opening, .closing: break
        }
        let waiting = waiting()
        tenants[tenant]?.waiters.append(waiting)
        switch phase {
        case .closed: enqueue(tenant)
        case .queued where waiting.until != nil:
            guard let index = queue.firstIndex(of: tenant) else { break }
            queue.remove(at: index)
            requests.append(tenant)
        case .queued, .opening, .closing, .open: break
        }
        return nil
    }

    mutating func release(_ tenant: String) {
        guard let users = tenants[tenant]?.users else { preconditionFailure("a tenant with users is kept") }
        precondition(users > 0, "each release follows an acquire")
        tenants[tenant]?.users = users - 1
        if users == 1 { tenants[tenant]?.isBusy = false }
    }

    /// Configured tenants that cannot be served, and why.
    var problems: [String: String] {
        guard let folderFault else { return openProblems }
        return tenants.filter { !$0.value.isRemoved }.mapValues { _ in folderFault }
    }

    /// Whether anybody waits for a place.
    var hasQueue: Bool { queueLength > 0 }

    /// Tenants that wait for a place.
    var queueLength: Int { queue.count + requests.count }

    /// Those of them with a request.
    var requestLength: Int { requests.count }

    private mutating func enqueue(_ tenant: String) {
        tenants[tenant]?.phase = .queued
        let isRequest = tenants[tenant]?.waiters.contains { $0.until != nil } ?? false
        if isRequest { requests.append(tenant) } else { queue.append(tenant) }
    }

    /// A sender waits for its answer, and thousands of lanes may wait to look whether they have work: requests go first, but
    /// for each fourth place.
    private mutating func dequeue() -> String? {
        guard hasQueue else { return nil }
        dequeued &+= 1
        let takesRequest = !requests.isEmpty && (queue.isEmpty || dequeued % 4 != 0)
        return takesRequest ? requests.removeFirst() : queue.removeFirst()
    }

    /// Opens what waits while there are places; else asks the least recently used idle spools to close.
    mutating func next() -> [Action] {
        var actions: [Action] = []
        while holders.count < maximumOpen, let tenant = dequeue() {
            guard let configuration = tenants[tenant]?.configuration else { continue }
            tenants[tenant]?.phase = .opening
            holders.insert(tenant)
            highestOpenCount = max(highestOpenCount, holders.count)
            actions.append(.open(tenant, configuration))
        }
        var closing = holders.count { if case .closing? = tenants[$0]?.phase { true } else { false } }
        while closing < queueLength, let (tenant, spool) = leastRecentlyUsed() {
            tenants[tenant]?.phase = .closing(spool)
            actions.append(.close(tenant, spool))
            closing += 1
        }
        return actions
    }

    private func leastRecentlyUsed() -> (String, Spool)? {
        var best: (tenant: String, spool: Spool, lastUse: UInt64)?
        for name in holders {
            guard let tenant = tenants[name], tenant.users == 0, !tenant.isBusy, case .open(let spool) = tenant.phase,
                tenant.lastUse < best?.lastUse ?? .max
            else { continue }
            best = (name, spool, tenant.lastUse)
        }
        return best.map { ($0.tenant, $0.spool) }
    }

    /// The spool is open: all who waited become its users.
    mutating func opened(_ tenant: String, _ spool: Spool) -> [Waiter] {
        uses += 1
        let waiters = (tenants[tenant]?.waiters ?? []).map(\.waiter)
        tenants[tenant]?.phase = .open(spool)
        openProblems[tenant] = nil
        tenants[tenant]?.users += waiters.count
        tenants[tenant]?.lastUse = uses
        tenants[tenant]?.waiters = []
        return waiters
    }

    /// - Parameter isTriedAgain: whoever mends the disk need not send anything: the next upkeep looks.
    mutating func failedToOpen(_ tenant: String, _ reason: String, isTriedAgain: Bool) -> [Waiter] {
        holders.remove(tenant)
        tenants[tenant]?.phase = .closed
        if tenants[tenant]?.isRemoved == false {
            openProblems[tenant] = reason
            refusals[tenant] = nil
            if isTriedAgain { visitSoon(tenant) }
        }
        defer { tenants[tenant]?.waiters = [] }
        return (tenants[tenant]?.waiters ?? []).map(\.waiter)
    }

    /// Nothing is asked of it any more.
    mutating func forgetProblem(_ tenant: String) {
        openProblems[tenant] = nil
        refusals[tenant] = nil
    }

    /// It would not close: something is leased or queued.
    mutating func stayedOpen(_ tenant: String, _ spool: Spool) -> [Waiter] {
        tenants[tenant]?.isBusy = true
        return opened(tenant, spool)
    }

    /// It is closed; whoever came meanwhile gets in the queue again.
    mutating func closed(_ tenant: String) {
        holders.remove(tenant)
        let hasWaiters = tenants[tenant]?.waiters.isEmpty == false
        tenants[tenant]?.phase = .closed
        if hasWaiters {
            enqueue(tenant)
        } else if tenants[tenant]?.isRemoved == true, tenants[tenant]?.users == 0 {
            tenants[tenant] = nil
        }
    }

    /// Whether the spool is on its way to being open or closed.
    func isChanging(_ tenant: String) -> Bool {
        switch tenants[tenant]?.phase {
        case .opening, .closing: true
        case .closed, .queued, .open, nil: false
        }
    }

    /// Takes the waiters of all tenants that are not open: the node is closing.
    mutating func abandonQueue() -> [Waiter] {
        var waiters: [Waiter] = []
        for name in queue + requests {
            waiters.append(contentsOf: (tenants[name]?.waiters ?? []).map(\.waiter))
            tenants[name]?.waiters = []
            tenants[name]?.phase = .closed
        }
        (queue, requests) = ([], [])
        return waiters
    }

    /// Takes those who have waited long enough, with what they waited for, and says when the next one will have: nil when
    /// nobody's wait ends.
    mutating func takeOverdue(_ now: Int64) -> (overdue: [(waiter: Waiter, reason: SpoolError)], next: Int64?) {
        var overdue: [(waiter: Waiter, reason: SpoolError)] = []
        var next: Int64?
        let waiting = tenants.filter { $0.value.waiters.contains { $0.until != nil } }
        for (name, tenant) in waiting.sorted(by: { $0.key < $1.key }) {
            let reason = tenant.phase.reasonToWait
            overdue += tenant.waiters.filter { $0.isOverdue(now) }.map { ($0.waiter, reason) }
            tenants[name]?.waiters.removeAll { $0.isOverdue(now) }
            for until in (tenants[name]?.waiters ?? []).compactMap(\.until) { next = min(next ?? until, until) }
        }
        isWatchingWaits = next != nil
        return (overdue, next)
    }

    /// Spools that are open now, by name.
    var open: [(tenant: String, spool: Spool)] {
        holders.compactMap { name -> (tenant: String, spool: Spool)? in
            if case .open(let spool)? = tenants[name]?.phase { (name, spool) } else { nil }
        }.sorted { $0.tenant < $1.tenant }
    }
}

extension StoreState.Waiting {
    fileprivate func isOverdue(_ now: Int64) -> Bool { until.map { $0 <= now } ?? false }
}

extension StoreState.Phase {
    /// Why somebody who waits for the spool has not got it yet.
    fileprivate var reasonToWait: SpoolError {
        switch self {
        case .queued, .closed: SpoolError(.full, "all open spools are in use (open_spools); try again")
        case .opening, .open: SpoolError(.full, "the spool takes long to open (a slow disk, or a salvage); try again")
        case .closing: SpoolError(.full, "the spool takes long to close (its disk); try again")
        }
    }
}
