import Synchronization

/// Who waits for spools whose disk does not answer: tells of it, and lets go whoever need not wait.
final class StallDesk: Sendable {
    private struct State {
        /// By tenant: for how long it was held when that was last said.
        var said: [String: Int64] = [:]
        var waits: [UInt64: (tenant: String, abandon: @Sendable () -> Void)] = [:]
        var lastWait: UInt64 = 0
    }

    private let threads: String
    private let limits: StallLimits
    private let events: EventSink
    private let state = Mutex(State())

    /// - Parameter threads: `writer` or `reader`, for the log.
    init(_ threads: String, limits: StallLimits, events: @escaping EventSink) {
        self.threads = threads
        self.limits = limits
        self.events = events
    }

    private static let repeatNanoseconds: Int64 = 30_000_000_000

    /// Takes what is held at this moment; called by the thread that watches.
    func looked(_ stalls: [ThreadCrew.Stall]) {
        let held = Dictionary(stalls.map { ($0.name, $0.nanoseconds) }, uniquingKeysWith: max)
        let (abandoned, news) = state.withLock { state -> ([@Sendable () -> Void], [Event]) in
            let over = state.waits.filter { held[$0.value.tenant] ?? 0 >= limits.passedOver.wholeNanoseconds }
            for id in over.keys { state.waits[id] = nil }
            return (over.values.map(\.abandon), say(held, &state))
        }
        for abandon in abandoned { abandon() }
        for event in news { events(event) }
    }

    private func say(_ held: [String: Int64], _ state: inout State) -> [Event] {
        var news: [Event] = []
        for (tenant, nanoseconds) in held where nanoseconds >= limits.said.wholeNanoseconds {
            if let before = state.said[tenant], nanoseconds - before < StallDesk.repeatNanoseconds { continue }
            state.said[tenant] = nanoseconds
            news.append(event(.warning, "the disk keeps a spool waiting", tenant, nanoseconds))
        }
        for (tenant, nanoseconds) in state.said where held[tenant] == nil {
            state.said[tenant] = nil
            news.append(event(.info, "the disk answers a spool again", tenant, nanoseconds))
        }
        return news
    }

    private func event(_ level: Event.Level, _ message: StaticString, _ tenant: String, _ nanoseconds: Int64) -> Event {
        Event(
            level, message,
            [
                "tenant": tenant, "spool.thread": threads,
                "spool.waiting_seconds": String((Double(nanoseconds) / 100_000_000).rounded() / 10),
            ])
    }

    /// Somebody waits for the tenant's spool.
    ///
    /// - Parameter abandon: called at most once, when its disk does not answer.
    func begin(_ tenant: String, abandon: @escaping @Sendable () -> Void) -> UInt64 {
        state.withLock { state in
            state.lastWait += 1
            state.waits[state.lastWait] = (tenant, abandon)
            return state.lastWait
        }
    }

    /// - Returns: false when it was abandoned.
    func end(_ wait: UInt64) -> Bool { state.withLock { $0.waits.removeValue(forKey: wait) != nil } }
}

extension WALStore {
    /// Seconds for which the disk has kept tenants' spools waiting: of those that nobody waits for any more.
    public func stalls() -> [String: Double] {
        let held = writers.stalls(longerThan: scheduling.stalls.passedOver)
        return Dictionary(
            held.map { ($0.name, Double($0.nanoseconds) / 1_000_000_000) }, uniquingKeysWith: { first, _ in first })
    }

    /// The longest that one commit, or another piece of work on a spool, has taken since the start; present ones count.
    public var longestWriteSeconds: Double { Double(writers.longestNanoseconds) / 1_000_000_000 }

    /// Asks something of a tenant's spool that can do without an answer: nil when its disk gives none.
    ///
    /// - Parameter body: goes on by itself when nobody waits for it any more.
    func unlessStalled<Answer: Sendable>(
        _ tenant: String, _ body: @escaping @Sendable () async -> Answer?
    ) async -> Answer? {
        guard writers.hasThreads else { return await body() }
        guard stalls()[tenant] == nil else { return nil }
        return await withCheckedContinuation { continuation in
            let wait = stallDesk.begin(tenant) { continuation.resume(returning: nil) }
            Task(executorPreference: scheduling.tasks) { [stallDesk] in
                let answer = await body()
                if stallDesk.end(wait) { continuation.resume(returning: answer) }
            }
        }
    }

    /// One tenant's part of a round of upkeep: the next round passes it over while this one goes on.
    func upkeep(_ tenant: String, _ body: @escaping @Sendable () async -> Void) async {
        _ = await unlessStalled(tenant) { [self] in
            guard state.withLock({ $0.inUpkeep.insert(tenant).inserted }) else { return false }
            await body()
            state.withLock { state in _ = state.inUpkeep.remove(tenant) }
            return true
        }
    }
}
