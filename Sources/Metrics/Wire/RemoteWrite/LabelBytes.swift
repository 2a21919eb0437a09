/// What the canonical label bytes of two series share.
enum LabelBytes {
    static func firstLength(_ labels: UnsafeRawBufferPointer) -> Int {
        labels.count > 1 ? min(labels.count, 2 + Int(labels[1])) : labels.count
    }

    /// Of the first label, mostly the name: the same for the same one, and seldom the same for another.
    static func firstMark(_ labels: UnsafeRawBufferPointer) -> UInt64 {
        let end = firstLength(labels)
        guard end >= 8 else { return labels.prefix(end).reduce(0) { $0 << 8 | UInt64($1) } }
        // The last eight bytes may be some of those before.
        var mark = word(labels, end - 8)
        var at = 0
        while at + 8 < end {
            mark = (mark ^ word(labels, at)) &* 0x9e37_79b9_7f4a_7c15
            mark ^= mark >> 32
            at += 8
        }
        return mark
    }

    static func haveSameFirst(_ one: UnsafeRawBufferPointer, _ other: UnsafeRawBufferPointer) -> Bool {
        let length = firstLength(one)
        return length == firstLength(other) && shared(one, other, from: 0, to: length) == length
    }

    /// How many bytes are the same in both from `start` on, up to `end`, which is inside both.
    @inline(__always)
    static func shared(
        _ one: UnsafeRawBufferPointer, _ other: UnsafeRawBufferPointer, from start: Int, to end: Int
    ) -> Int {
        // Words may reach beyond the end; what is found there does not count.
        let most = min(one.count, other.count)
        var at = start
        while at < end, at + 8 <= most {
            let changed = word(one, at) ^ word(other, at)
            if changed != 0 { return min(at + changed.trailingZeroBitCount / 8, end) - start }
            at += 8
        }
        while at < end, one[at] == other[at] { at += 1 }
        return min(at, end) - start
    }

    /// How many bytes at their ends are the same.
    static func sharedEnd(_ one: UnsafeRawBufferPointer, _ other: UnsafeRawBufferPointer) -> Int {
        let most = min(one.count, other.count)
        var shared = 0
        while shared + 8 <= most {
            let changed = word(one, one.count - shared - 8) ^ word(other, other.count - shared - 8)
            if changed != 0 { return shared + changed.leadingZeroBitCount / 8 }
            shared += 8
        }
        while shared < most, one[one.count - shared - 1] == other[other.count - shared - 1] { shared += 1 }
        return shared
    }

    /// The first byte of it is the lowest.
    @inline(__always)
    private static func word(_ bytes: UnsafeRawBufferPointer, _ at: Int) -> UInt64 {
        UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self))
    }
}
