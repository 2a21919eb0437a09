/// Writes a snappy block's elements for whoever knows where bytes repeat: nothing is searched for, and the plain bytes are
/// never put together.
///
/// An element is a literal or a copy of bytes that begin up to 65,535 bytes back in what is put out so far.
/// <https://github.com/google/snappy/blob/main/format_description.txt>
struct SnappyWriter: ~Copyable {
    private let room: UnsafeMutableRawBufferPointer
    /// Bytes of elements so far.
    private(set) var count = 0
    /// Where the tag of a literal is that may get more bytes; -1 when the last element is none.
    private var tag = -1

    /// A copy may begin so far back.
    static let mostBack = 65_535
    /// The fewest bytes for which a copy takes fewer.
    static let shortestCopy = 4
    /// The longest literal whose length fits into its tag.
    private static let longestLiteral = 60
    private static let longestCopy = 64
    /// What one step below writes at most, beside the bytes of a literal.
    private static let margin = 16

    /// - Parameter room: `room(for:)` bytes.
    init(_ room: UnsafeMutableRawBufferPointer) { self.room = room }

    /// What the elements of so many plain bytes may take: a literal adds one for 60, and no copy that pays takes more than
    /// its bytes.
    static func room(for plainBytes: Int) -> Int { plainBytes + plainBytes / 6 + 64 }

    /// Appends the lowest `length` bytes of `bytes`, 8 at most.
    @inline(__always)
    mutating func literal(_ bytes: UInt64, _ length: Int) {
        if length == 0 { return }
        if tag < 0 || count - tag + length > SnappyWriter.longestLiteral + 1 { beginLiteral() }
        precondition(count + SnappyWriter.margin <= room.count, "the room was computed from the same bytes")
        room.storeBytes(of: bytes.littleEndian, toByteOffset: count, as: UInt64.self)
        count += length
    }

    mutating func literal(_ bytes: UnsafeRawBufferPointer) {
        guard var source = bytes.baseAddress, let target = room.baseAddress else { return }
        var rest = bytes.count
        while rest > 0 {
            if tag < 0 || count - tag > SnappyWriter.longestLiteral { beginLiteral() }
            let part = min(rest, SnappyWriter.longestLiteral + 1 - (count - tag))
            precondition(count + part + SnappyWriter.margin <= room.count, "the room was computed from the same bytes")
            (target + count).copyMemory(from: source, byteCount: part)
            count += part
            source += part
            rest -= part
        }
    }

    /// Puts out `length` bytes again that begin `back` bytes before the end of what is put out; these may be among them.
    @inline(__always)
    mutating func copy(_ back: Int, _ length: Int) {
        endLiteral()
        if length < 12, back < 2048, length >= SnappyWriter.shortestCopy {
            precondition(count + SnappyWriter.margin <= room.count, "the room was computed from the same bytes")
            let element = 1 | (length - 4) << 2 | (back >> 8) << 5 | (back & 0xff) << 8
            room.storeBytes(of: UInt16(truncatingIfNeeded: element).littleEndian, toByteOffset: count, as: UInt16.self)
            count += 2
        } else {
            longCopy(back, length)
        }
    }

    private mutating func longCopy(_ back: Int, _ length: Int) {
        precondition(back > 0 && back <= SnappyWriter.mostBack, "callers look how far back it is")
        var rest = length
        while rest > 0 {
            let part = min(rest, SnappyWriter.longestCopy)
            precondition(count + SnappyWriter.margin <= room.count, "the room was computed from the same bytes")
            let element = 2 | (part - 1) << 2 | back << 8
            room.storeBytes(of: UInt32(truncatingIfNeeded: element).littleEndian, toByteOffset: count, as: UInt32.self)
            count += 3
            rest -= part
        }
    }

    @inline(__always)
    private mutating func beginLiteral() {
        endLiteral()
        tag = count
        count += 1
    }

    /// Says how long the literal at the end has become. To be called behind the last step.
    @inline(__always)
    mutating func endLiteral() {
        if tag < 0 { return }
        room.storeBytes(of: UInt8(truncatingIfNeeded: (count - tag - 2) << 2), toByteOffset: tag, as: UInt8.self)
        tag = -1
    }
}
