/// Why a part of a decodable request was set aside. The raw value is stored in the ledger and named in metrics.
public enum RefusalReason: String, Sendable, Hashable, CaseIterable {
    case invalidLabels = "invalid_labels"
    case invalidTime = "invalid_time"
    case invalidValue = "invalid_value"
    case invalidHistogram = "invalid_histogram"
    case invalidExemplar = "invalid_exemplar"
    case invalidLine = "invalid_line"
    case tooLarge = "too_large"
}

/// A part of a request that was set aside while the rest was stored: it becomes a refusal row, fsynced with the rest.
public struct Refusal: Sendable, Hashable {
    public var reason: RefusalReason
    /// How many points it would have been.
    public var points: Int
    /// 1-based line of the body, for line formats.
    public var line: Int?
    /// What and where, for people; at most `Refusal.detailBytes`.
    public var detail: String

    public static let detailBytes = 512

    public init(_ reason: RefusalReason, points: Int, line: Int? = nil, detail: String) {
        self.reason = reason
        self.points = points
        self.line = line
        // Cut on a character, never inside one.
        self.detail = detail.utf8.count <= Refusal.detailBytes ? detail : String(detail.prefix(Refusal.detailBytes / 4))
    }
}

/// Refusals of one request: each of the first `listed`, then only counted by reason, so that a hostile body of a
/// million bad lines costs no memory.
public struct RefusalTally: Sendable, Equatable {
    public static let listed = 100
    public private(set) var first: [Refusal] = []
    /// Points by reason, listed ones included.
    public private(set) var points: [RefusalReason: Int] = [:]

    public init() {}
    public var isEmpty: Bool { points.isEmpty }
    public var totalPoints: Int { points.values.reduce(0, +) }

    /// Whether a further refusal is listed with its detail: decoders make no text that nobody would see.
    public var wantsDetail: Bool { first.count < RefusalTally.listed }

    public mutating func add(_ refusal: Refusal) {
        points[refusal.reason, default: 0] += refusal.points
        if first.count < RefusalTally.listed { first.append(refusal) }
    }

    public mutating func merge(_ other: RefusalTally) {
        for (reason, count) in other.points { points[reason, default: 0] += count }
        first.append(contentsOf: other.first.prefix(max(0, RefusalTally.listed - first.count)))
    }
}

/// What a decoder makes of one body.
public struct DecodedRequest: Sendable, Equatable {
    public var batch = Batch()
    public var refusals = RefusalTally()
    /// The body, decompressed, is these points under labels that remote write 1.0 takes as they are, and nothing else:
    /// sent on as it came it means the same as the points encoded anew. Only that format's decoder says so.
    public internal(set) var isVerbatim = false
    public init() {}

    /// Makes it ready for the next body; the batch keeps its memory.
    public mutating func removeAll() {
        batch.removeAll()
        refusals = RefusalTally()
        isVerbatim = false
    }
}

/// A body that cannot be decoded at all: it is refused whole with 400 (or 413), and nothing of it is stored.
public struct WireError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Code: String, Sendable {
        /// Not what the format allows: 400.
        case malformed
        /// Beyond a limit of `WireLimits`: 413.
        case tooLarge
    }
    public var code: Code
    public var message: String
    /// Byte offset into the decompressed body, where known.
    public var offset: Int?
    /// 1-based line, for line formats.
    public var line: Int?

    public init(_ code: Code, _ message: String, offset: Int? = nil, line: Int? = nil) {
        self.code = code
        self.message = message
        self.offset = offset
        self.line = line
    }

    public var description: String {
        var text = message
        if let line { text += " (line \(line))" }
        if let offset { text += " (byte \(offset))" }
        return text
    }
}

/// What one request may cost. Checked before memory is taken.
public struct WireLimits: Sendable, Hashable {
    public var decodedBytes: Int
    public var points: Int
    public var series: Int
    public var lineBytes: Int
    public var depth: Int
    public var labels: LabelLimits

    public init(
        decodedBytes: Int = 64 << 20, points: Int = 1_048_576, series: Int = 1_048_576, lineBytes: Int = 1 << 20,
        depth: Int = 16, labels: LabelLimits = .standard
    ) {
        self.decodedBytes = decodedBytes
        self.points = points
        self.series = series
        self.lineBytes = lineBytes
        self.depth = depth
        self.labels = labels
    }
    public static let standard = WireLimits()
}
