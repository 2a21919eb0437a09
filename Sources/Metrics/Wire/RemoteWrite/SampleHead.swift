/// A varint of up to seven bytes as a number.
enum PackedVarint {
    /// - Parameter milliseconds: more than 0; of nanoseconds in 64 bits they have 44 bits at most.
    static func of(_ milliseconds: Int64) -> UInt64 {
        var rest = UInt64(milliseconds)
        var packed: UInt64 = 0
        var shift: UInt64 = 0
        while rest >= 0x80 {
            packed |= (rest & 0x7f | 0x80) << shift
            rest >>= 7
            shift += 8
        }
        return packed | rest << shift
    }

    /// The last byte of a varint of more than 0 is not 0.
    @inline(__always)
    static func length(_ packed: UInt64) -> Int { 8 - packed.leadingZeroBitCount / 8 }
}

/// The first three bytes of a sample: its key, its length, and the key of the value, or of the time where the value is 0
/// and left out. Samples with the same head are as long as each other.
enum SampleHead {
    @inline(__always)
    static func of(isZero: Bool, timeLength: Int) -> UInt64 {
        isZero ? UInt64(1 + timeLength) << 8 | 0x10_00_12 : UInt64(10 + timeLength) << 8 | 0x09_00_12
    }

    /// Of the whole sample.
    @inline(__always)
    static func length(isZero: Bool, timeLength: Int) -> Int { (isZero ? 12 - zeroSaves : 12) + timeLength }
    /// A value that is left out, with its key.
    static let zeroSaves = 9

    static let bytes = 3
    @inline(__always) static func length(_ head: UInt64) -> Int { Int(head >> 8 & 0xff) + 2 }
    @inline(__always) static func isZero(_ head: UInt64) -> Bool { head >> 16 == 0x10 }
    @inline(__always) static func timeLength(_ head: UInt64) -> Int {
        Int(head >> 8 & 0xff) - (isZero(head) ? 1 : 10)
    }
}
