/// One backend's side of the equation (rule 3): `owed = delivered + assumed + pending + dead + lost + excluded`.
public struct BackendLedger: Sendable, Hashable, Codable {
    public var name = ""
    public var type = ""
    /// Every point the spool ever accepted.
    public var owedPoints: Int64 = 0
    /// Counted over the ranges, never by subtraction.
    public var pendingPoints: Int64 = 0
    public var deliveredPoints: Int64 = 0
    public var assumedPoints: Int64 = 0
    public var deadPoints: Int64 = 0
    public var lostPoints: Int64 = 0
    public var excludedPoints: Int64 = 0
    /// Stored bytes of the rows still owed, wholly or in part.
    public var pendingBytes: Int64 = 0
    /// When the oldest pending point was received (spool clock), nanoseconds; 0 when nothing is pending.
    public var oldestPendingAgeSeconds: Double = 0
    /// Of the pending points those in the backlog lane: set apart after an outage, or from before the backend was away.
    public var backlogPoints: Int64 = 0
    /// As `oldestPendingAgeSeconds`, of each lane by itself.
    public var oldestFreshAgeSeconds: Double = 0
    public var oldestBacklogAgeSeconds: Double = 0
    public var isDetached = false
    public var retry = RetryState.ok

    public init() {}

    public var balances: Bool {
        owedPoints == pendingPoints + deliveredPoints + assumedPoints + deadPoints + lostPoints + excludedPoints
    }
}

/// One tenant's spool, as `status` and `/metrics` show it.
public struct SpoolStatus: Sendable, Hashable, Codable {
    public var tenant = ""
    public var incarnation = ""
    public var acceptedPoints: Int64 = 0
    public var acceptedRequests: Int64 = 0
    public var refusedPoints: Int64 = 0
    /// Points turned into loss rows before they had a place (`drop_newest`).
    public var droppedAtIngestPoints: Int64 = 0
    public var batches: Int64 = 0
    public var lastSequence: Int64 = 0
    public var databaseBytes: Int64 = 0
    public var freePageBytes: Int64 = 0
    public var walBytes: Int64 = 0
    public var deadLetters: Int64 = 0
    public var deadLetterBytes: Int64 = 0
    public var lossRows: Int64 = 0
    /// Spools of this tenant that were set aside, and other things that stood in the spool's place.
    public var setAsideFiles: Int64 = 0
    public var setAsideBytes: Int64 = 0
    /// What can be read of a spool that was set aside is being carried over: 1, else 0.
    public var salvaging: Int64 = 0
    /// Why that does not get on; nil while it does.
    public var salvageProblem: String?
    /// Replay jobs that run.
    public var replays: Int64 = 0
    /// When the oldest stored point was received, nanoseconds since the epoch by the wall clock as it goes now; 0 when there
    /// is none. So far back a replay reaches.
    public var oldestStoredAt: Int64 = 0
    public var maximumBytes: Int64?
    /// Why new points are refused at present; nil while they are not.
    public var refusal: String?
    /// The end of its chain, of a closed spool as it was when it closed; nil while it keeps none.
    public var chain: ChainStatus?
    /// Until `maximumBytes` is reached at the present growth, 0 when it is; nil when it does not grow or has no budget.
    public var secondsToFull: Double?
    public var backends: [BackendLedger] = []

    public init() {}
}
