/// 256 bits: what HMAC-SHA-256 gives, and what a sum of such is. A value, so that a commit takes no memory for it.
struct ChainDigest: Sendable, Hashable {
    static let bytes = 32
    static let zero = ChainDigest(0, 0, 0, 0)

    /// The highest word first.
    private var words: (UInt64, UInt64, UInt64, UInt64)

    private init(_ first: UInt64, _ second: UInt64, _ third: UInt64, _ fourth: UInt64) {
        words = (first, second, third, fourth)
    }

    /// - Parameter bytes: `ChainDigest.bytes` of them, big-endian.
    init(_ bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count == ChainDigest.bytes, "a digest has 32 bytes")
        func word(_ index: Int) -> UInt64 {
            UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self))
        }
        self.init(word(0), word(1), word(2), word(3))
    }

    /// nil for another number of bytes.
    init?(stored bytes: UnsafeRawBufferPointer) {
        guard bytes.count == ChainDigest.bytes else { return nil }
        self.init(bytes)
    }

    /// The first 16 bytes: as much of it as a tag has.
    var half: (UInt64, UInt64) { (words.0, words.1) }

    var array: [UInt8] { withBytes { Array($0) } }

    func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        var big = (words.0.bigEndian, words.1.bigEndian, words.2.bigEndian, words.3.bigEndian)
        return withUnsafeBytes(of: &big) { body($0) }
    }

    /// 64 hexadecimal digits.
    var text: String { SalvageNote.hexadecimal(array) }

    /// Modulo 2^256.
    static func &+ (left: ChainDigest, right: ChainDigest) -> ChainDigest {
        let (fourth, first) = add(left.words.3, right.words.3, false)
        let (third, second) = add(left.words.2, right.words.2, first)
        let (upper, last) = add(left.words.1, right.words.1, second)
        return ChainDigest(add(left.words.0, right.words.0, last).0, upper, third, fourth)
    }

    static func &- (left: ChainDigest, right: ChainDigest) -> ChainDigest {
        left &+ ~right &+ ChainDigest(0, 0, 0, 1)
    }

    static prefix func ~ (value: ChainDigest) -> ChainDigest {
        ChainDigest(~value.words.0, ~value.words.1, ~value.words.2, ~value.words.3)
    }

    static func ^ (left: ChainDigest, right: ChainDigest) -> ChainDigest {
        ChainDigest(
            left.words.0 ^ right.words.0, left.words.1 ^ right.words.1, left.words.2 ^ right.words.2,
            left.words.3 ^ right.words.3)
    }

    private static func add(_ left: UInt64, _ right: UInt64, _ carry: Bool) -> (UInt64, Bool) {
        let (sum, isOver) = left.addingReportingOverflow(right)
        let (whole, isOverAgain) = sum.addingReportingOverflow(carry ? 1 : 0)
        return (whole, isOver || isOverAgain)
    }

    static func == (left: ChainDigest, right: ChainDigest) -> Bool { left.words == right.words }

    func hash(into hasher: inout Hasher) { withBytes { hasher.combine(bytes: $0) } }
}
