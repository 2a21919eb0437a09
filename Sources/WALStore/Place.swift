/// The stable address of a point: which batch, and where in it. Repack keeps places.
public struct Place: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// A batch's place in its spool; only rises, and never comes back.
    public var sequence: Int64
    /// Arrival order in its commit.
    public var ordinal: Int64

    public init(_ sequence: Int64, _ ordinal: Int64) {
        self.sequence = sequence
        self.ordinal = ordinal
    }
    public static func < (left: Place, right: Place) -> Bool {
        (left.sequence, left.ordinal) < (right.sequence, right.ordinal)
    }
    public var description: String { "\(sequence).\(ordinal)" }
}

/// The places from `start` up to, not including, `end`.
public struct PlaceRange: Sendable, Hashable, CustomStringConvertible {
    public var start: Place
    public var end: Place

    public init(_ start: Place, _ end: Place) {
        precondition(start <= end, "a range of places does not run backwards")
        self.start = start
        self.end = end
    }
    /// A piece of one batch.
    public init(sequence: Int64, ordinals: Range<Int>) {
        self.init(Place(sequence, Int64(ordinals.lowerBound)), Place(sequence, Int64(ordinals.upperBound)))
    }
    public var isEmpty: Bool { start == end }
    public func contains(_ place: Place) -> Bool { start <= place && place < end }
    public var description: String { "\(start)..<\(end)" }
}
