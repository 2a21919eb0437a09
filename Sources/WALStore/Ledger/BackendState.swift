import Metrics

/// One backend's side of the ledger in memory: the same values as its rows, changed together with them in one
/// transaction. A value type: a transaction that fails puts the old one back.
struct BackendState: Sendable {
    let id: Int64
    var name: String
    var type: String
    var firstSequence: Int64
    /// The open tail: all from here on is owed. nil while detached.
    var tail: Cut?
    /// Where the tail was closed; nil while attached.
    var detachedPosition: Int64?
    /// Owed before the tail: first obligations, in position order, never touching each other.
    var ranges: [OwedRange] = []

    var deliveredPoints: Int64 = 0
    var assumedPoints: Int64 = 0
    var deadPoints: Int64 = 0
    var lostPoints: Int64 = 0
    var excludedPoints: Int64 = 0

    /// Nothing at or beyond this sequence was ever sent.
    var sentBefore: Int64 = 0
    /// What was sent by a process that did not live to settle it lies before this sequence.
    var unknownBefore: Int64 = 0
    var retry = RetryState.ok
    /// Positions among which are points that later ones were sent ahead of: "out of order" does not prove them there.
    var overtaken: Range<Int64>?
    /// The row a next adjacent delivery may still grow.
    var lastDelivery: DeliveryRow?

    init(id: Int64, name: String, type: String, firstSequence: Int64) {
        self.id = id
        self.name = name
        self.type = type
        self.firstSequence = firstSequence
    }

    var isAttached: Bool { tail != nil }

    /// Counted over the ranges, never by subtraction from the other terms.
    func pendingPoints(upTo end: Int64) -> Int64 {
        let explicit = ranges.reduce(Int64(0)) { $0 + ($1.end.position - $1.start.position) }
        guard let tail else { return explicit }
        precondition(tail.position <= end, "a tail does not run ahead of what was accepted")
        return explicit + end - tail.position
    }

    /// Excluded by rule; while detached also what it misses meanwhile.
    func excludedPoints(upTo end: Int64) -> Int64 {
        guard let detachedPosition else { return excludedPoints }
        return excludedPoints + end - detachedPosition
    }

    /// Zero when the equation holds: every accepted point has exactly one first obligation (rule 3).
    func balance(upTo end: Int64) -> Int64 {
        let ended = deliveredPoints + assumedPoints + deadPoints + lostPoints + excludedPoints(upTo: end)
        return end - pendingPoints(upTo: end) - ended
    }

    /// Whether every point of the span is owed.
    func owes(_ span: Span, upTo end: Cut) -> Bool {
        owed(in: span, upTo: end).reduce(0) { $0 + $1.points } == span.points
    }

    /// The row's JSON of what was learned. What is not understood of it is nothing.
    var limits: String? {
        get { overtaken.map { "{\"overtaken\":[\($0.lowerBound),\($0.upperBound)]}" } }
        set {
            let value: JSONValue?
            do throws(WireError) {
                value = try newValue.map { (text) throws(WireError) in
                    try JSONValue.parse(Array(text.utf8), depth: 4, values: 16)
                }
            } catch { value = nil }
            let bounds = value?["overtaken"]?.array?.compactMap(\.int) ?? []
            overtaken = bounds.count == 2 && bounds[0] < bounds[1] ? bounds[0]..<bounds[1] : nil
        }
    }

    /// Remembers positions as overtaken; what is owed no more of those before is forgotten.
    mutating func overtake(_ positions: Range<Int64>) {
        guard let known = overtaken, isOwed(among: known) else {
            overtaken = positions
            return
        }
        overtaken = min(known.lowerBound, positions.lowerBound)..<max(known.upperBound, positions.upperBound)
    }

    private func isOwed(among positions: Range<Int64>) -> Bool {
        ranges.contains { $0.positions.overlaps(positions) } || (tail?.position ?? .max) < positions.upperBound
    }

    /// The parts of `span` that are owed.
    func owed(in span: Span, upTo end: Cut) -> [Span] {
        var parts = ranges.compactMap { span.shared(with: Span($0.start, $0.end)) }
        if let tail, let part = span.shared(with: Span(tail, end)) { parts.append(part) }
        return parts
    }

    /// Takes an owed span out of what is owed: it has been settled or lost.
    ///
    /// A span inside the open tail moves the tail behind it; what stays before it becomes an explicit range.
    mutating func end(_ span: Span) -> [RangeEdit] {
        guard span.points > 0 else { return [] }
        if let tail, span.start.position >= tail.position {
            self.tail = span.end
            guard span.start.position > tail.position else { return [] }
            let gap = OwedRange(lane: .live, start: tail, end: span.start)
            ranges.append(gap)
            return [.insert(gap)]
        }
        guard let index = ranges.firstIndex(where: { $0.positions.contains(span.start.position) }) else {
            preconditionFailure("a span is checked to be owed before it ends")
        }
        let range = ranges[index]
        if span.end.position > range.end.position {
            // Two ranges can touch: a backlog and the tail of a backend that returned at once.
            return end(Span(span.start, range.end)) + end(Span(range.end, span.end))
        }
        var rest: [OwedRange] = []
        if range.start.position < span.start.position {
            rest.append(OwedRange(lane: range.lane, start: range.start, end: span.start))
        }
        if span.end.position < range.end.position {
            rest.append(OwedRange(lane: range.lane, start: span.end, end: range.end))
        }
        ranges.replaceSubrange(index...index, with: rest)
        return [.delete(range)] + rest.map { .insert($0) }
    }

    /// Closes the tail: removed from the config, its backlog stays owed.
    mutating func detach(at end: Cut) -> [RangeEdit] {
        guard let tail else { return [] }
        self.tail = nil
        detachedPosition = end.position
        guard tail.position < end.position else { return [] }
        let backlog = OwedRange(lane: .backlog, start: tail, end: end)
        ranges.append(backlog)
        return [.insert(backlog)]
    }

    /// Owed again from `end` on, and of what it missed `runs`; the rest of it is excluded.
    ///
    /// - Parameter runs: of stored points, oldest first, none before the place where it was detached.
    mutating func attach(_ runs: [Span], end: Cut) -> [RangeEdit] {
        guard let detachedPosition else { return [] }
        excludedPoints += end.position - detachedPosition - runs.reduce(0) { $0 + $1.points }
        self.detachedPosition = nil
        var runs = runs
        tail = end
        if let last = runs.last, last.end.position == end.position {
            tail = last.start
            runs.removeLast()
        }
        let backlog = runs.map { OwedRange(lane: .backlog, start: $0.start, end: $0.end) }
        ranges.append(contentsOf: backlog)
        return backlog.map { .insert($0) }
    }
}

/// The `deliveries` row written last for a backend, with the one over the same places of what rules kept back.
struct DeliveryRow: Sendable, Hashable {
    /// nil while there is none: all points of its places are excluded.
    var id: Int64?
    /// nil while no points of its places are.
    var excludedID: Int64?
    var start: Cut
    var end: Cut
    var points: Int64
    var excludedPoints: Int64
    var outcome: String
    var reason: String?
    var firstAttemptWall: Int64
    var attempts: Int
    var status: Int
    /// Spool clock of its last settle.
    var settledAt: Int64
}
