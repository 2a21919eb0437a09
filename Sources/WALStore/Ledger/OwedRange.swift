/// A place with its position: the count of points the spool had accepted before it. Positions make the size of a range
/// one subtraction, also across sequences, and order places the same way.
struct Cut: Sendable, Hashable {
    var place: Place
    var position: Int64

    init(_ place: Place, _ position: Int64) {
        precondition(position >= 0 && place.ordinal >= 0, "positions and ordinals count from 0")
        self.place = place
        self.position = position
    }
}

/// What a backend is owed besides its open tail: one row of `ranges`.
struct OwedRange: Sendable, Hashable {
    var lane: Lane
    var start: Cut
    var end: Cut

    init(lane: Lane, start: Cut, end: Cut) {
        precondition(start.position < end.position, "a range owes at least one point")
        self.lane = lane
        self.start = start
        self.end = end
    }
    var positions: Range<Int64> { start.position..<end.position }
}

/// A run of points that are leased, settled or lost together.
struct Span: Sendable, Hashable {
    var start: Cut
    var end: Cut

    init(_ start: Cut, _ end: Cut) {
        precondition(start.position <= end.position, "a span does not run backwards")
        self.start = start
        self.end = end
    }
    var points: Int64 { end.position - start.position }
    var positions: Range<Int64> { start.position..<end.position }

    /// The points that are in both; nil when there are none.
    func shared(with other: Span) -> Span? {
        let first = start.position >= other.start.position ? start : other.start
        let last = end.position <= other.end.position ? end : other.end
        return first.position < last.position ? Span(first, last) : nil
    }
}

/// What a change of the ledger writes to `ranges`.
enum RangeEdit: Sendable, Hashable {
    case delete(OwedRange)
    case insert(OwedRange)
}
