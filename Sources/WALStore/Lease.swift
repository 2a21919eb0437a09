import Metrics

/// Which ranges a worker takes first. Raw values are stored.
public enum Lane: Int, Sendable, Hashable, CaseIterable {
    case live = 0
    case backlog = 1
    case replay = 2
}

/// A run of leased points of one stored row, with the decoded block they are in (shared, never copied).
public struct LeasedPiece: Sendable {
    /// The first and the last place are of this row; after a repack a row spans many sequences.
    public var places: PlaceRange
    /// The block's points, or those of all pieces of the lease where they were merged; `ordinals` says which are leased.
    public var batch: Batch
    /// In a lease of bodies (`LeaseLimit.bodyPoints`) the points, whole bodies one after the other; `batch` is then empty.
    public var bodies: [WireBody]
    public var ordinals: Range<Int>
    /// Whether the points may have been sent by a process that did not live to settle them.
    public var maybeSent: Bool
    /// Ordinals among which are points that later ones were sent ahead of (`Spool.overtake`).
    public var overtaken: Range<Int>

    public init(
        places: PlaceRange, batch: Batch = Batch(), bodies: [WireBody] = [], ordinals: Range<Int>, maybeSent: Bool,
        overtaken: Range<Int> = 0..<0
    ) {
        self.places = places
        self.batch = batch
        self.bodies = bodies
        self.ordinals = ordinals
        self.maybeSent = maybeSent
        self.overtaken = overtaken
    }
}

/// Which lease it is, among all that a node's spools ever gave.
public struct LeaseID: Sendable, Hashable {
    /// Of the spool that gave it: when another file takes that one's place, its leases begin at 1 again, and a settlement
    /// that is still on its way must not end one of them.
    public let life: UInt64
    public let number: UInt64

    public init(life: UInt64, number: UInt64) {
        self.life = life
        self.number = number
    }
}

/// A worker's claim on pieces of what one backend is owed. Held in memory: a restart releases it.
public struct Lease: Sendable {
    public let id: LeaseID
    public let backend: String
    public let lane: Lane
    public let pieces: [LeasedPiece]
    public var points: Int { pieces.reduce(0) { $0 + $1.ordinals.count } }
    /// The points are bodies: whoever needs to know what they are gives them back, and leases them again as points.
    public var isOfBodies: Bool { pieces.first.map { !$0.bodies.isEmpty } ?? false }

    public init(id: LeaseID, backend: String, lane: Lane, pieces: [LeasedPiece]) {
        self.id = id
        self.backend = backend
        self.lane = lane
        self.pieces = pieces
    }
}

/// How much a worker wants at once.
public struct LeaseLimit: Sendable, Hashable {
    public var points: Int
    /// Rows are merged into one batch that all pieces share, so that a series is one series across them. Where the rows
    /// of so many points would take more than `mergedBytes` of memory, the lease has fewer.
    public var isMerged: Bool
    /// Where the bodies of the next rows are at hand, they are leased in place of points: so many points at most, and with
    /// `isMerged` more than that of a row in which each series comes once. nil: points are wanted.
    public var bodyPoints: Int?
    /// What is fresh goes ahead of the backlog; nil: oldest first.
    public var freshFirst: FreshFirst?

    /// One row more may be in memory while it is merged.
    public static let mergedBytes = 32 << 20

    /// Whether a row begins the next lease, rather than be cut: it is then decoded once, and its labels need not be kept
    /// for the rest. Never where that would make a small lease.
    ///
    /// - Parameters:
    ///   - points: that are owed of the row.
    ///   - room: left of this lease.
    func leavesForNext(_ points: Int, room: Int) -> Bool {
        isMerged && points > room && room <= self.points / 2 && points <= self.points
    }

    public init(
        points: Int, isMerged: Bool = false, bodyPoints: Int? = nil, freshFirst: FreshFirst? = nil
    ) {
        self.points = points
        self.isMerged = isMerged
        self.bodyPoints = bodyPoints
        self.freshFirst = freshFirst
    }
}

/// A run of points inside a lease: which of its pieces, and which of the batch's ordinals there.
public struct LeasedRun: Sendable, Hashable {
    public var piece: Int
    public var ordinals: Range<Int>
    public init(piece: Int, ordinals: Range<Int>) {
        self.piece = piece
        self.ordinals = ordinals
    }
}

/// Why points were set aside, as told by the backend: stored with each dead letter.
public struct DeadLetterReason: Sendable, Hashable {
    /// A short class for filters and metrics: `refused`, `too_large`, `stuck`, `not_representable`.
    public var code: String
    /// What the backend said, bounded and with secrets removed.
    public var excerpt: String
    /// HTTP status or the backend's own, 0 when there was none.
    public var status: Int

    public static let excerptBytes = 1024

    public init(code: String, excerpt: String, status: Int) {
        self.code = code
        self.excerpt = excerpt
        self.status = status
    }
}

/// What becomes of a run of leased points.
public enum Fate: Sendable, Hashable {
    /// The backend said so.
    case delivered
    /// Sent once without an answer, then refused as already there (rule 4).
    case assumed
    case dead(DeadLetterReason)
    /// By rule: routed elsewhere, or the backend cannot represent it. `reason` is counted.
    case excluded(reason: String)
    /// Not done: owed again at once.
    case released
}

/// The end of a lease, or of a part of it: one transaction.
public struct Settlement: Sendable {
    public struct Part: Sendable {
        public var run: LeasedRun
        public var fate: Fate
        /// So many of the run's points were kept back by `route`; the fate is that of the others. Only of what is delivered or
        /// assumed.
        public var excluded: Int
        public init(_ run: LeasedRun, _ fate: Fate, excluded: Int = 0) {
            self.run = run
            self.fate = fate
            self.excluded = excluded
        }
    }
    public var parts: [Part]
    /// Requests it took, counted from 1.
    public var attempts: Int
    /// The last answer's status, 0 for backends without one.
    public var status: Int
    /// Wall clock of the first attempt, nanoseconds since the epoch.
    public var firstAttemptAt: Int64
    /// Where running totals stand with these points, at a backend that is sent increments.
    public var counters: [CounterKey: CounterState] = [:]
    /// The rules that the points went by; nil where all points of the tenant go to the backend.
    public var route: StoredRoute?

    public init(parts: [Part], attempts: Int, status: Int, firstAttemptAt: Int64) {
        self.parts = parts
        self.attempts = attempts
        self.status = status
        self.firstAttemptAt = firstAttemptAt
    }
}

/// What must survive a restart of a lane's retry clock, so that a reboot does not start a storm.
public struct RetryState: Sendable, Hashable, Codable {
    public enum Mode: String, Sendable, Codable { case ok, backingOff = "backing_off", held }
    public var mode: Mode
    public var attempts: Int
    /// Wall clock, nanoseconds since the epoch; 0 when there is none.
    public var nextAttemptAt: Int64
    public var reason: String

    public init(mode: Mode = .ok, attempts: Int = 0, nextAttemptAt: Int64 = 0, reason: String = "") {
        self.mode = mode
        self.attempts = attempts
        self.nextAttemptAt = nextAttemptAt
        self.reason = reason
    }
    public static let ok = RetryState()
}
