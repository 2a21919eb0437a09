/// What a later sending of a request is known by. It is committed in the transaction of the request's points, so that
/// neither is ever there without the other (`docs/decisions/0043-a-resent-request-is-one.md`).
///
/// A class, so that a request without one carries a word more, and no more.
public final class RequestMark: Sendable {
    public let name: ResendName
    /// Which lines these are: of the stream, or of the request's body; as the client counts them, blank and refused ones
    /// included, from 0. Empty for a body that does not consist of lines.
    public let lines: Range<Int64>
    /// SHA-256 of the body up to the end of `lines`; empty for a stream, whose count alone decides.
    public let body: [UInt8]
    /// With it all of the body is committed.
    public let isLast: Bool

    private init(_ name: ResendName, lines: Range<Int64>, body: [UInt8], isLast: Bool) {
        self.name = name
        self.lines = lines
        self.body = body
        self.isLast = isLast
    }

    /// A part of a stream of lines.
    public convenience init(stream: String, lines: Range<Int64>) {
        self.init(.stream(stream), lines: lines, body: [], isLast: false)
    }

    /// A request with a key that is committed whole.
    public convenience init(key: [UInt8], body: [UInt8]) {
        self.init(.key(key), lines: 0..<0, body: body, isLast: true)
    }

    /// A part of a request with a key whose body is lines.
    public convenience init(key: [UInt8], lines: Range<Int64>, body: [UInt8], isLast: Bool) {
        self.init(.key(key), lines: lines, body: body, isLast: isLast)
    }

    /// No part of anything: what came before and after it is nobody's.
    var isWhole: Bool { isLast && lines.isEmpty && lines.lowerBound == 0 }
}

/// The name of something that may be sent again, within its tenant.
public enum ResendName: Sendable, Hashable {
    /// The ID that a client gave to a stream of lines.
    case stream(String)
    /// SHA-256 of an `Idempotency-Key` and of the credential that it came with.
    case key([UInt8])
}

/// What is committed of a stream, or of a request with a key.
public struct ResendProgress: Sendable, Hashable {
    public var committedLines: Int64 = 0
    /// Of a request with a key: SHA-256 of what is committed of its body.
    public var body: [UInt8] = []
    /// Of a request with a key: all of its body is committed.
    public var isComplete = false
    /// What the answer to a request with a key said, or would have said so far.
    public var storedPoints = 0
    public var refusedPoints = 0
    public var droppedPoints = 0

    public init(committedLines: Int64 = 0) { self.committedLines = committedLines }
}

/// How much of it a spool keeps, and for how long.
public struct ResendLimits: Sendable, Hashable {
    /// A stream beyond it is refused: to forget another would be to store its lines twice.
    public var maximumStreams = 1000
    /// A stream that nobody has added to for so long is forgotten.
    public var streamSeconds: Int64 = 7 * 86_400
    /// Beyond it the oldest key is forgotten.
    public var maximumKeys = 10_000
    /// A key is kept as long, at least, while there is room for it.
    public var keySeconds: Int64 = 86_400

    public init() {}
}
