extension CanonicalLabels {
    /// Whether bytes from a stranger are exactly what `LabelBuilder` would make of them: names sorted and unique, nothing
    /// empty, UTF-8, shortest lengths, within `limits`.
    ///
    /// One pass without a copy. False says nothing about why: whoever needs to know parses the labels.
    ///
    /// - Parameter requiresName: whether `__name__` has to be there (it has for points, not for exemplars).
    static func areCanonical(_ bytes: UnsafeRawBufferPointer, _ limits: LabelLimits, requiresName: Bool) -> Bool {
        let isASCII = UTF8Check.isASCII(bytes)
        var previous = UnsafeRawBufferPointer(start: nil, count: 0)
        var previousPrefix: UInt64 = 0
        var isNamed = false
        var count = 0
        var at = 0
        while at < bytes.count {
            guard let (nameStart, nameLength, valueStart, end) = pair(at, in: bytes), nameLength > 0,
                nameLength <= limits.nameBytes, valueStart < end, end - valueStart <= limits.valueBytes
            else { return false }
            let name = UnsafeRawBufferPointer(rebasing: bytes[nameStart..<nameStart + nameLength])
            let prefix = prefix(of: bytes, nameStart, nameLength)
            // Equal prefixes are rare (names of 8 bytes and more that begin alike): only they cost a real compare.
            if count > 0, prefix <= previousPrefix {
                if prefix < previousPrefix || ByteOrder.compare(previous, name) >= 0 { return false }
            }
            if !isASCII {
                let value = UnsafeRawBufferPointer(rebasing: bytes[valueStart..<end])
                if !UTF8Check.isValid(name) || !UTF8Check.isValid(value) { return false }
            }
            if nameLength == 8, prefix == metricName { isNamed = true }
            (previous, previousPrefix) = (name, prefix)
            count += 1
            at = end
        }
        return count <= limits.labels && (isNamed || !requiresName)
    }

    /// Where the name and the value of the label at `start` are, or nil when they are not framed canonically.
    @inline(__always)
    private static func pair(
        _ start: Int, in bytes: UnsafeRawBufferPointer
    ) -> (nameStart: Int, nameLength: Int, valueStart: Int, end: Int)? {
        // All three lengths in a byte each, as almost always: `0x0A length 0x0A nameLength` is one word.
        if bytes.count - start >= 6 {
            let head = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: start, as: UInt32.self))
            if head & 0x80ff_80ff == 0x000a_000a {
                let end = start + 2 + Int(head >> 8 & 0x7f)
                let nameLength = Int(head >> 24)
                let valueStart = start + 6 + nameLength
                if end <= bytes.count, valueStart <= end, bytes[valueStart - 2] == 0x12,
                    Int(bytes[valueStart - 1]) == end - valueStart, end - valueStart < 0x80
                {
                    return (start + 4, nameLength, valueStart, end)
                }
                return nil
            }
        }
        return longPair(start, in: bytes)
    }

    private static func longPair(
        _ start: Int, in bytes: UnsafeRawBufferPointer
    ) -> (nameStart: Int, nameLength: Int, valueStart: Int, end: Int)? {
        var at = start
        guard let length = framed(0x0A, bytes, &at, bytes.count) else { return nil }
        let end = at + length
        guard let nameLength = framed(0x0A, bytes, &at, end) else { return nil }
        let nameStart = at
        at += nameLength
        guard let valueLength = framed(0x12, bytes, &at, end), at + valueLength == end else { return nil }
        return (nameStart, nameLength, at, end)
    }

    /// `__name__` as `prefix` gives it.
    private static let metricName: UInt64 = 0x5f5f_6e61_6d65_5f5f

    /// The first eight bytes as a number that sorts as the bytes do; a shorter name is padded with zeros.
    @inline(__always)
    private static func prefix(of bytes: UnsafeRawBufferPointer, _ start: Int, _ length: Int) -> UInt64 {
        if start + 8 <= bytes.count {
            let word = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self))
            return length >= 8 ? word : word & ~(UInt64.max &>> UInt64(8 * length))
        }
        var word: UInt64 = 0
        for index in 0..<min(length, 8) { word |= UInt64(bytes[start + index]) &<< UInt64(56 - 8 * index) }
        return word
    }
}

extension UTF8Check {
    @inline(__always)
    static func isASCII(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard bytes.count >= 8 else { return bytes.allSatisfy { $0 < 0x80 } }
        // The last word overlaps the one before: no byte is looked at alone.
        let last = bytes.count - 8
        var high = bytes.loadUnaligned(fromByteOffset: last, as: UInt64.self)
        var at = 0
        while at < last {
            high |= bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self)
            at &+= 8
        }
        return high & 0x8080_8080_8080_8080 == 0
    }
}
