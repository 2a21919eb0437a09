import Metrics

/// What is asked of a replay: stored points that are sent once more, to one backend.
public struct ReplayOrder: Sendable, Hashable {
    public var backend: String
    /// Nanoseconds since the epoch, as measured by the sender; nil: all times.
    public var times: Range<Int64>?
    /// When the node received them: nanoseconds since the epoch, by the wall clock as it goes now; nil: all.
    public var received: Range<Int64>?
    /// nil: all series.
    public var selector: SeriesSelector?
    /// nil: as fast as the backend takes them.
    public var pointsPerSecond: Int?
    /// By whom and for what: the job and an event keep it.
    public var asked: String

    public init(backend: String, asked: String) {
        self.backend = backend
        self.asked = asked
    }
}

/// A replay, as its row has it. See `docs/decisions/0034-a-replay-is-a-walk-with-a-cursor.md`.
public struct ReplayJob: Sendable, Hashable {
    public enum State: String, Sendable, Hashable, CaseIterable {
        case running, paused
        /// It came to its end.
        case done
        case cancelled

        public var isOver: Bool { self == .done || self == .cancelled }
    }

    /// Of its spool; a number does not come back.
    public internal(set) var id: Int64 = 0
    public internal(set) var backend: String
    public internal(set) var state = State.running
    /// Why it paused by itself; empty when it did not.
    public internal(set) var problem = ""
    public internal(set) var times: Range<Int64>?
    public internal(set) var selector: SeriesSelector?
    public internal(set) var pointsPerSecond: Int?
    public internal(set) var counts = ReplayCounts()
    /// Wall clock, nanoseconds since the epoch.
    public internal(set) var createdAt: Int64 = 0
    public internal(set) var changedAt: Int64 = 0
    public internal(set) var asked: String

    var backendID: Int64
    /// What was received in its time.
    var sequences: Range<Int64>
    /// Positions: where it began and where it ends.
    var start: Int64
    var end: Int64
    /// Up to where all is settled.
    var cursor: Cut

    /// Stored points between its beginning and its end, selected or not, and how many of them it has passed.
    public var span: (points: Int64, passed: Int64) { (end - start, cursor.position - start) }
    var isAtEnd: Bool { cursor.position >= end }
}

/// What became of the points of a replay: `selected = sent + pending + dead + lost + excluded + pruned`.
public struct ReplayCounts: Sendable, Hashable {
    /// The backend took them.
    public var sent: Int64 = 0
    /// On their way: read, and not answered yet.
    public var pending: Int64 = 0
    /// The backend refused them, also as already there: nothing proves then that it has these values.
    public var dead: Int64 = 0
    /// Their block could not be read.
    public var lost: Int64 = 0
    /// The backend cannot represent them, or is still owed them: these its own delivery brings.
    public var excluded: Int64 = 0
    /// Gone before the job came to them; whether the selector would have taken them nobody can tell any more.
    public var pruned: Int64 = 0

    public init() {}

    /// Up to the cursor, and what is pending behind it.
    public var selected: Int64 { sent + pending + dead + lost + excluded + pruned }
}

/// Neighbouring points of a replay that its backend refused with one answer.
public struct ReplayRefusal: Sendable {
    /// Of the first of them.
    public var place: Place
    public var points: Int64
    public var reason: DeadLetterReason
    /// Wall clock, nanoseconds since the epoch.
    public var refusedAt: Int64
    /// The first of them, as a batch of one; nil when it cannot be read any more.
    public var first: Batch?
}
