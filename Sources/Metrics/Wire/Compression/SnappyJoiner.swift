/// Joins snappy blocks into one block of all their plain bytes, without a look at these.
///
/// A block is the size of its plain bytes and then elements that put out literals and copies; a copy says how far back it
/// begins, never where, so elements mean the same behind others.
/// <https://github.com/google/snappy/blob/main/format_description.txt>
package struct SnappyJoiner {
    private var parts: [ArraySlice<UInt8>] = []
    /// Of all blocks together.
    package private(set) var plainBytes = 0

    package init() {}

    /// - Parameter block: one that `Snappy.decompress` has taken.
    package mutating func add(_ block: [UInt8]) {
        var (stated, shift, at) = (0, 0, 0)
        while true {
            precondition(at < block.count && shift < 35, "the block was decompressed once")
            let byte = block[at]
            at += 1
            stated |= Int(byte & 0x7f) << shift
            if byte < 0x80 { break }
            shift += 7
        }
        plainBytes += stated
        precondition(plainBytes <= UInt32.max, "callers join a few requests")
        parts.append(block[at...])
    }

    /// Appends the joined block to `block`.
    package func finish(into block: inout [UInt8]) {
        block.reserveCapacity(block.count + 5 + parts.reduce(0) { $0 + $1.count })
        Varint.append(UInt64(plainBytes), to: &block)
        for part in parts { block.append(contentsOf: part) }
    }
}
