import Metrics

/// Reads a section from front to back. Every read is checked; a failed one makes the block unreadable.
struct BlockReader {
    let bytes: UnsafeRawBufferPointer
    private(set) var at = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var remaining: Int { bytes.count - at }

    static func broken(_ what: StaticString) -> SpoolError {
        SpoolError(.unreadable, "the block does not decode", cause: what.description)
    }

    @inline(__always)
    mutating func byte() throws(SpoolError) -> UInt8 {
        guard at < bytes.count else { throw BlockReader.broken("a section ends early") }
        defer { at += 1 }
        return bytes[at]
    }

    @inline(__always)
    mutating func varint() throws(SpoolError) -> UInt64 {
        // Most are one byte.
        if at < bytes.count, bytes[at] < 0x80 {
            defer { at += 1 }
            return UInt64(bytes[at])
        }
        return try longVarint()
    }

    /// Steps over bytes that are all `byte`, which begins no longer number.
    ///
    /// - Parameter most: how many at most.
    /// - Returns: how many there were.
    @inline(__always)
    mutating func run(of byte: UInt8, atMost most: Int) -> Int {
        let end = at + min(most, remaining)
        let start = at
        let pattern = UInt64(byte) &* 0x0101_0101_0101_0101
        while at + 8 <= end, bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self) == pattern { at += 8 }
        while at < end, bytes[at] == byte { at += 1 }
        return at - start
    }

    private mutating func longVarint() throws(SpoolError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            let next = try byte()
            if shift == 63, next > 1 { throw BlockReader.broken("a number is too long") }
            value |= UInt64(next & 0x7f) << shift
            if next < 0x80 { return value }
            shift += 7
            if shift > 63 { throw BlockReader.broken("a number is too long") }
        }
    }

    mutating func zigzag() throws(SpoolError) -> Int64 { Varint.unzigzag(try varint()) }

    /// A count of entries of at least `entryBytes` each: more than what is left could hold is refused before any
    /// memory is taken for them.
    mutating func count(entryBytes: Int = 1) throws(SpoolError) -> Int {
        let value = try varint()
        guard value <= UInt64(remaining / entryBytes) else { throw BlockReader.broken("a count exceeds its section") }
        return Int(value)
    }

    mutating func fixed() throws(SpoolError) -> UInt64 {
        guard remaining >= 8 else { throw BlockReader.broken("a section ends early") }
        defer { at += 8 }
        return UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self))
    }

    mutating func fixedList() throws(SpoolError) -> [UInt64] {
        let count = try count(entryBytes: 8)
        var values: [UInt64] = []
        values.reserveCapacity(count)
        for _ in 0..<count { values.append(try fixed()) }
        return values
    }

    @inline(__always)
    mutating func take(_ count: Int) throws(SpoolError) -> UnsafeRawBufferPointer {
        guard count >= 0, count <= remaining else { throw BlockReader.broken("a section ends early") }
        defer { at += count }
        return UnsafeRawBufferPointer(rebasing: bytes[at..<at + count])
    }

    mutating func countedBytes() throws(SpoolError) -> [UInt8] { [UInt8](try take(try count())) }

    mutating func text() throws(SpoolError) -> String {
        let bytes = try take(try count())
        guard UTF8Check.isValid(bytes) else { throw BlockReader.broken("a text is not UTF-8") }
        return String(decoding: bytes, as: UTF8.self)
    }

    func finish() throws(SpoolError) {
        if remaining != 0 { throw BlockReader.broken("a section has bytes left over") }
    }
}

extension [UInt32] {
    /// Appends `count` numbers that follow each other.
    mutating func appendNumbers(from first: UInt32, _ count: Int) {
        append(addingCapacity: count) { room in
            for index in 0..<count { room.append(first &+ UInt32(truncatingIfNeeded: index)) }
        }
    }
}
