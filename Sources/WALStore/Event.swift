/// Something an operator should be able to see. Rooms below the daemon do not log: they hand events to whoever does.
public struct Event: Sendable {
    public enum Level: Int, Sendable, Comparable {
        case debug, info, warning, error
        public static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }
    }
    public var level: Level
    /// A constant sentence: what changes is in `metadata`.
    public var message: String
    /// Dotted keys (`batch.sequence`), values as text; no secrets, no payloads.
    public var metadata: [String: String]

    public init(_ level: Level, _ message: StaticString, _ metadata: [String: String] = [:]) {
        self.level = level
        self.message = message.description
        self.metadata = metadata
    }
}

public typealias EventSink = @Sendable (Event) -> Void
