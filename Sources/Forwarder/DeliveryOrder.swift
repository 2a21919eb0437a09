/// In which order a backend gets what it is owed.
public enum DeliveryOrder: Sendable, Hashable {
    /// As it was received.
    case oldestFirst
    /// What is fresh goes ahead of what has waited since an outage, and that is refilled beside it.
    case freshFirst(CatchUp)
}

/// How a lane catches up after an outage: see `docs/decisions/0045-fresh-points-go-ahead.md`.
public struct CatchUp: Sendable, Hashable {
    /// Of the points that are sent while fresh ones wait, the part that the backlog has: above 0, below 1. It has all while
    /// none wait.
    public var share: Double
    /// What was received within the last so many seconds is fresh.
    public var freshSeconds: Int64
    /// How much older than the newest point of its series a point may be for the backend to take it; nil: as old as it is.
    public var outOfOrderSeconds: Int64?

    public init(share: Double = 0.5, freshSeconds: Int64 = 60, outOfOrderSeconds: Int64? = nil) {
        precondition(share > 0 && share < 1, "the config's reader admits only shares that leave something to both")
        precondition(freshSeconds > 0, "the config's reader admits only positive durations")
        self.share = share
        self.freshSeconds = freshSeconds
        self.outOfOrderSeconds = outOfOrderSeconds
    }

    /// A backlog older than this keeps its place ahead of what is fresh: the other half of the window is left for the time
    /// that refilling takes.
    var maximumBacklogSeconds: Int64? { outOfOrderSeconds.map { $0 / 2 } }

    /// What is not fresh any more, after twice that time, is not too old to be passed yet.
    public var canGoAhead: Bool { maximumBacklogSeconds.map { $0 > 2 * freshSeconds } ?? true }
}
