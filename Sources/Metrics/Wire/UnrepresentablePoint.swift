/// A point that a format has no spelling for: it is in no body, and the ledger counts it as excluded.
public struct UnrepresentablePoint: Sendable, Hashable {
    public var ordinal: Int
    /// A constant sentence, also the value of a metric's label.
    public var reason: String

    public init(ordinal: Int, reason: String) {
        self.ordinal = ordinal
        self.reason = reason
    }
}
