/// What the books of one spool tell of a stretch of time, as of one moment.
public struct SpoolReport: Sendable {
    public var span: ReportSpan
    public var tenant = ""
    /// Nanoseconds on the wall clock, as are all times here.
    public var createdAt: Int64 = 0
    /// Since when requests are known; nil when none is.
    public var knownSince: Int64?
    public var stored = Stored()

    // By bucket.
    public var requests: [Int64]
    public var acceptedPoints: [Int64]
    public var refusedPoints: [Int64]
    /// Of the requests, as they came.
    public var bodyBytes: Int64 = 0

    public var backends: [BackendReport] = []
    public var losses: [Tally] = []
    public var deadLetters: [Tally] = []
    public var refusals: [Tally] = []
    /// Those with the most points.
    public var senders: [Sender] = []
    /// The latest ones, oldest first.
    public var events: [Event] = []

    /// What lies in the spool now, whenever it came.
    public struct Stored: Sendable, Hashable {
        public var rows: Int64 = 0
        public var points: Int64 = 0
        public var blockBytes: Int64 = 0
        /// When the oldest of it was received: so far back a replay reaches.
        public var since: Int64?
    }

    /// Points of one kind.
    public struct Tally: Sendable, Hashable {
        /// nil: of no backend.
        public var backend: String?
        public var reason: String
        /// nil when it is not known how many.
        public var points: Int64?
        public var firstAt: Int64?
        public var lastAt: Int64?
    }

    public struct Sender: Sendable, Hashable {
        public var source: String
        public var peer: String
        public var requests: Int64
        public var points: Int64
    }

    public struct Event: Sendable, Hashable {
        public var at: Int64
        public var kind: String
        public var detail: String
    }

    init(_ span: ReportSpan) {
        self.span = span
        let none = [Int64](repeating: 0, count: span.count)
        (requests, acceptedPoints, refusedPoints) = (none, none, none)
    }
}

/// The same of one backend.
public struct BackendReport: Sendable {
    public var name: String
    public var type: String
    public var isAttached: Bool
    /// Of all time.
    public var books: AuditBooks
    /// Points that it confirmed, by bucket.
    public var deliveredPoints: [Int64]
    /// What it was owed at the end of each bucket: worked out backwards from what it is owed now. Empty for one that is
    /// detached.
    public var owedPoints: [Int64] = []
    public var outages: [Outage] = []
    /// When the oldest of what it is owed was received; nil when it is owed nothing.
    public var owedSince: Int64?

    /// A time in which it was owed points, and took none.
    public struct Outage: Sendable, Hashable {
        public var start: Int64
        /// When it took points again; of one that goes on, when the report was made.
        public var end: Int64
        public var isOver: Bool
        /// That came in meanwhile, in the minutes that began then.
        public var pointsMeanwhile: Int64
    }
}
