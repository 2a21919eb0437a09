/// Where and why bytes are not a protobuf message. Trivial, so that throwing it from a hot loop costs nothing.
public struct ProtobufFault: Error, Sendable, Equatable {
    public enum Reason: UInt8, Sendable {
        case truncated
        case overlongVarint
        case invalidField
        case invalidWireType
        case unexpectedWireType
        /// Well formed, but more of it than one request may carry.
        case overLimit
    }
    public var reason: Reason
    /// Byte offset into the bytes the outermost reader was made of.
    public var offset: Int

    public init(_ reason: Reason, offset: Int) {
        self.reason = reason
        self.offset = offset
    }
}

extension WireError {
    /// What a client is told of a protobuf fault.
    public init(_ fault: ProtobufFault) {
        let code = fault.reason == .overLimit ? Code.tooLarge : .malformed
        let message =
            switch fault.reason {
            case .truncated: "protobuf: a length or value runs past the end of its message"
            case .overlongVarint: "protobuf: a varint is longer than 64 bits"
            case .invalidField: "protobuf: field number out of range"
            case .invalidWireType: "protobuf: groups and unknown wire types are not accepted"
            case .unexpectedWireType: "protobuf: a known field has another wire type than its schema says"
            case .overLimit: "more items than one request may carry"
            }
        self.init(code, message, offset: fault.offset)
    }
}

/// A field's key: its number and how its value is written. <https://protobuf.dev/programming-guides/encoding/>
public struct ProtobufKey: Sendable, Equatable {
    public enum WireType: UInt8, Sendable {
        case varint = 0
        case fixed64 = 1
        case bytes = 2
        case fixed32 = 5
    }
    public var field: UInt32
    public var wireType: WireType
}

/// Walks the fields of one message inside borrowed bytes, and never reads outside of them.
///
/// A nested message is a reader over a part of the same bytes, so that offsets in faults count from the body's start.
/// Depth is the caller's: the reader does not recurse.
public struct ProtobufReader {
    let bytes: UnsafeRawBufferPointer
    /// The next byte to read.
    public internal(set) var offset: Int
    /// The end of this message.
    public let end: Int

    public init(_ bytes: UnsafeRawBufferPointer) { self.init(bytes, 0..<bytes.count) }

    /// - Parameter range: the message, a part of `bytes`.
    public init(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count, "a message lies inside its body")
        self.bytes = bytes
        offset = range.lowerBound
        end = range.upperBound
    }

    @inline(__always) public var isAtEnd: Bool { offset >= end }

    @inline(__always)
    public mutating func readVarint() throws(ProtobufFault) -> UInt64 {
        guard offset < end else { throw ProtobufFault(.truncated, offset: offset) }
        let first = bytes[offset]
        if first < 0x80 {
            offset += 1
            return UInt64(first)
        }
        return try readLongVarint()
    }

    /// Eight bytes at once where the body has them: a time in milliseconds is six, which a loop makes six branches.
    @inline(__always)
    private mutating func readLongVarint() throws(ProtobufFault) -> UInt64 {
        if bytes.count - offset >= 8 {
            let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            let stops = ~word & 0x8080_8080_8080_8080
            if stops != 0 {
                let length = stops.trailingZeroBitCount / 8 + 1
                guard length <= end - offset else { throw ProtobufFault(.truncated, offset: offset) }
                offset += length
                return ProtobufReader.fold(word & (.max &>> UInt64(64 - 8 * length)))
            }
        }
        return try readVarintBytewise()
    }

    /// Joins the seven payload bits of each of eight bytes.
    @inline(__always)
    private static func fold(_ word: UInt64) -> UInt64 {
        var value = word & 0x7f7f_7f7f_7f7f_7f7f
        value = (value & 0x7f00_7f00_7f00_7f00) &>> 1 | (value & 0x007f_007f_007f_007f)
        value = (value & 0x3fff_0000_3fff_0000) &>> 2 | (value & 0x0000_3fff_0000_3fff)
        return (value & 0x0fff_ffff_0000_0000) &>> 4 | (value & 0x0fff_ffff)
    }

    private mutating func readVarintBytewise() throws(ProtobufFault) -> UInt64 {
        let start = offset
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while offset < end {
            let byte = bytes[offset]
            offset += 1
            // The tenth byte holds bit 63 alone.
            if shift == 63, byte > 1 { throw ProtobufFault(.overlongVarint, offset: start) }
            value |= UInt64(byte & 0x7f) &<< shift
            if byte < 0x80 { return value }
            shift += 7
        }
        throw ProtobufFault(.truncated, offset: start)
    }

    @inline(__always)
    public mutating func readKey() throws(ProtobufFault) -> ProtobufKey {
        let start = offset
        let key = try readVarint()
        let field = key >> 3
        guard field >= 1, field < 1 << 29 else { throw ProtobufFault(.invalidField, offset: start) }
        guard let wireType = ProtobufKey.WireType(rawValue: UInt8(key & 7)) else {
            throw ProtobufFault(.invalidWireType, offset: start)
        }
        return ProtobufKey(field: UInt32(field), wireType: wireType)
    }

    @inline(__always)
    public mutating func readFixed64() throws(ProtobufFault) -> UInt64 {
        guard end - offset >= 8 else { throw ProtobufFault(.truncated, offset: offset) }
        let value = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        offset += 8
        return value
    }

    public mutating func readFixed32() throws(ProtobufFault) -> UInt32 {
        guard end - offset >= 4 else { throw ProtobufFault(.truncated, offset: offset) }
        let value = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
        offset += 4
        return value
    }

    /// Reads a length and steps over what it covers.
    @inline(__always)
    public mutating func readRange() throws(ProtobufFault) -> Range<Int> {
        let start = offset
        let length = try readVarint()
        guard length <= UInt64(end - offset) else { throw ProtobufFault(.truncated, offset: start) }
        let range = offset..<offset + Int(length)
        offset = range.upperBound
        return range
    }

    @inline(__always)
    public mutating func readBytes() throws(ProtobufFault) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: bytes[try readRange()])
    }

    @inline(__always)
    public mutating func readMessage() throws(ProtobufFault) -> ProtobufReader {
        ProtobufReader(bytes, try readRange())
    }

    /// Steps over neighbouring fields with this key, which is one byte, and a length each.
    /// - Returns: how many there were.
    @inline(__always)
    mutating func skipRun(key: UInt8) throws(ProtobufFault) -> Int {
        var count = 0
        while offset < end, bytes[offset] == key {
            offset += 1
            _ = try readRange()
            count += 1
        }
        return count
    }

    /// Steps over the value of a field nobody asked for.
    public mutating func skip(_ wireType: ProtobufKey.WireType) throws(ProtobufFault) {
        switch wireType {
        case .varint: _ = try readVarint()
        case .fixed64: _ = try readFixed64()
        case .bytes: _ = try readRange()
        case .fixed32: _ = try readFixed32()
        }
    }

    /// A known field must come as its schema says: to guess would be to store something else.
    @inline(__always)
    public func expect(_ wireType: ProtobufKey.WireType, of key: ProtobufKey) throws(ProtobufFault) {
        if key.wireType != wireType { throw ProtobufFault(.unexpectedWireType, offset: offset) }
    }
}
