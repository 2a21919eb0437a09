import WALStore

/// What names a body that may have been sent before, in part or whole.
enum Resend: Sendable, Equatable {
    /// A part of a stream that begins behind `from` lines of it.
    case stream(String, from: Int64)
    /// A request with an `Idempotency-Key`, by the key's name.
    case key([UInt8])

    static let maximumStreamBytes = 128
    /// Beyond it no line has a number that JSON's readers keep.
    static let maximumLine: Int64 = 1 << 53

    /// - Returns: nil for a request that says nothing of it.
    static func find(in head: RequestHead) throws(ResendMistake) -> Resend? {
        let key = try IdempotencyKey.name(of: head, allowingParameters: false)
        guard let stream = head.parameter("stream") else {
            guard head.parameter("from") == nil else {
                throw ResendMistake(message: "from= is of a stream: add stream=")
            }
            return key.map { .key($0) }
        }
        guard key == nil else {
            throw ResendMistake(message: "a part of a stream is known by its lines: leave the Idempotency-Key out")
        }
        guard isStreamID(stream) else {
            let alphabet = "letters, digits, dots, colons, dashes or underscores"
            throw ResendMistake(message: "stream= must be 1 to \(maximumStreamBytes) \(alphabet)")
        }
        guard let text = head.parameter("from"), !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let from = Int64(text), from <= maximumLine
        else { throw ResendMistake(message: "from= must say how many lines of the stream come before this body") }
        return .stream(stream, from: from)
    }

    static func isStreamID(_ text: some StringProtocol) -> Bool {
        (1...maximumStreamBytes).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: ":"), UInt8(ascii: "-"),
                    UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }

    var name: ResendName {
        switch self {
        case .stream(let id, _): .stream(id)
        case .key(let key): .key(key)
        }
    }
}
