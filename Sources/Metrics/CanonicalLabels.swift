/// Checks on canonical label bytes that come from a file rather than from `LabelBuilder`.
public enum CanonicalLabels {
    /// Whether `LabelIterator` can walk the bytes: every length is in the shortest form and stays inside.
    /// What the labels say is not looked at again: a checksum covers it.
    public static func isWellFramed(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var at = 0
        while at < bytes.count {
            guard let length = framed(0x0A, bytes, &at, bytes.count) else { return false }
            let end = at + length
            guard let name = framed(0x0A, bytes, &at, end) else { return false }
            at += name
            guard let value = framed(0x12, bytes, &at, end), at + value == end else { return false }
            at = end
        }
        return true
    }

    /// Reads a tag and a length that fits before `end`.
    @inline(__always)
    static func framed(_ tag: UInt8, _ bytes: UnsafeRawBufferPointer, _ at: inout Int, _ end: Int) -> Int? {
        guard at + 2 <= end, bytes[at] == tag else { return nil }
        at += 1
        var length = Int(bytes[at])
        at += 1
        if length >= 0x80 {
            length &= 0x7f
            var shift = 7
            while true {
                guard at < end, shift <= 28 else { return nil }
                let byte = bytes[at]
                at += 1
                length |= Int(byte & 0x7f) << shift
                if byte < 0x80 {
                    if byte == 0 { return nil }
                    break
                }
                shift += 7
            }
        }
        return length <= end - at ? length : nil
    }
}
