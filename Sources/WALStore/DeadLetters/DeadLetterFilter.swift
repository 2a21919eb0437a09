import Metrics

/// Which dead letters. Everything that is set must hold; nothing set is all of them.
public struct DeadLetterFilter: Sendable, Hashable {
    public var backend: String?
    /// `DeadLetterReason.code`
    public var reason: String?
    /// Nanoseconds since the epoch, as measured by the sender.
    public var times: Range<Int64>?
    /// Nanoseconds since the epoch, wall clock of the node.
    public var buried: Range<Int64>?
    public var selector: SeriesSelector?
    /// The id of the last one: whoever takes long has then nothing of what came since.
    public var until: Int64?

    public init() {}

    /// Whether the point itself has to be looked at.
    var asksPoint: Bool { times != nil || selector != nil }

    func admits(_ letter: DeadLetter) -> Bool {
        (backend.map { $0 == letter.backend } ?? true) && (reason.map { $0 == letter.reason.code } ?? true)
            && (buried?.contains(letter.buriedAt) ?? true)
    }

    /// - Parameter point: nil when it cannot be read: then nothing is known of it.
    func admits(point: Batch?) -> Bool {
        guard asksPoint else { return true }
        guard let point, point.points.count == 1 else { return false }
        return (times?.contains(point.points.times[0]) ?? true)
            && (selector?.matches(point, series: point.points.series[0]) ?? true)
    }
}

/// A dead letter with what it is about.
public struct DeadLetterWithPoint: Sendable {
    public var letter: DeadLetter
    /// A batch of one; nil when it cannot be read.
    public var point: Batch?
}

/// Some dead letters, oldest first.
public struct DeadLetterPage: Sendable {
    public var letters: [DeadLetterWithPoint] = []
    /// Where the next page begins; nil: there is none. A page that ends for its time may have no letter and a next one.
    public var next: Int64?
}

/// How much one page takes.
public struct DeadLetterLimit: Sendable {
    /// Memory of the points at most, but for one that takes more.
    static let pointBytes = 4 << 20
    /// Rows that are looked at in one transaction: another reader's turn, and the log's, is never far.
    static let rowsAtOnce: Int64 = 256

    /// At most so many.
    public var letters: Int
    /// A page is over after so many nanoseconds of looking.
    public var nanoseconds: Int64

    public init(letters: Int, nanoseconds: Int64 = 500_000_000) {
        self.letters = letters
        self.nanoseconds = nanoseconds
    }
}
