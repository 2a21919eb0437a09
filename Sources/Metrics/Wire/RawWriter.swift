/// Writes into room of a known size: for messages whose size was computed first, so that the room is checked once rather
/// than at each byte.
struct RawWriter {
    private let room: UnsafeMutableRawBufferPointer
    private(set) var written = 0

    init(_ room: UnsafeMutableRawBufferPointer) { self.room = room }

    @inline(__always)
    mutating func append(_ byte: UInt8) {
        take(1).storeBytes(of: byte, as: UInt8.self)
    }

    @inline(__always)
    mutating func append(littleEndian value: UInt64) {
        take(8).storeBytes(of: value.littleEndian, as: UInt64.self)
    }

    @inline(__always)
    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        take(bytes.count).copyMemory(from: bytes)
    }

    @inline(__always)
    mutating func append(varint value: UInt64) {
        var value = value
        while value >= 0x80 {
            append(UInt8(truncatingIfNeeded: value) | 0x80)
            value >>= 7
        }
        append(UInt8(truncatingIfNeeded: value))
    }

    @inline(__always)
    private mutating func take(_ count: Int) -> UnsafeMutableRawBufferPointer {
        precondition(count <= room.count - written, "the size was computed from the same values")
        defer { written += count }
        return UnsafeMutableRawBufferPointer(rebasing: room[written..<written + count])
    }
}
