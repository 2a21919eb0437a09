/// How a lease is chosen where what is fresh goes ahead of what has waited since an outage.
/// See `docs/decisions/0045-fresh-points-go-ahead.md`.
public struct FreshFirst: Sendable, Hashable {
    public enum Turn: Sendable, Hashable { case fresh, backlog }

    /// Whose turn it is; the other has it where this one is owed nothing that is free.
    public var turn: Turn
    /// The other has it in no case.
    public var isAlone: Bool
    /// What was received within the last so many seconds is fresh. Once something fresh has waited for twice as long, what
    /// is older than this becomes the backlog.
    public var freshSeconds: Int64
    /// A backlog that is older is not overtaken any more; nil: however old it is.
    public var maximumBacklogSeconds: Int64?
    /// The backend wants each series in order: what goes ahead of the backlog is written down first (`Spool.overtake`).
    public var keepsOrder: Bool

    public init(
        turn: Turn = .fresh, isAlone: Bool = false, freshSeconds: Int64, maximumBacklogSeconds: Int64? = nil,
        keepsOrder: Bool = false
    ) {
        precondition(freshSeconds > 0, "what came a moment ago is fresh")
        self.turn = turn
        self.isAlone = isAlone
        self.freshSeconds = freshSeconds
        self.maximumBacklogSeconds = maximumBacklogSeconds
        self.keepsOrder = keepsOrder
    }
}

extension Lease {
    /// Of what has waited since an outage, or since before the backend was away.
    public var isOfBacklog: Bool { lane == .backlog }
}
