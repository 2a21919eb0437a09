import CSnappy

/// Snappy's block format, which remote write uses: a varint with the plain size, then the data.
/// <https://github.com/google/snappy/blob/main/format_description.txt>
public enum Snappy {
    /// Replaces what `plain` holds with the plain bytes of `block`; `plain` keeps its memory from call to call.
    ///
    /// - Parameter limit: bytes at most. The size that the block states is checked before memory is taken.
    /// - Throws: `tooLarge` beyond the limit, `malformed` for bytes that are no snappy block.
    public static func decompress(
        _ block: UnsafeRawBufferPointer, into plain: inout [UInt8], limit: Int
    ) throws(WireError) {
        plain.removeAll(keepingCapacity: true)
        let source = block.bindMemory(to: CChar.self)
        var stated = 0
        guard snappy_uncompressed_length(source.baseAddress, source.count, &stated) == SNAPPY_OK else {
            throw WireError(.malformed, "snappy: the block does not begin with its plain size", offset: 0)
        }
        guard stated <= limit else {
            throw WireError(.tooLarge, "snappy: \(stated) plain bytes stated, \(limit) allowed")
        }
        // No element writes more than 64 bytes from 3: a size beyond that is a lie, and needs no memory to tell.
        guard stated / 22 <= block.count else {
            throw WireError(.malformed, "snappy: \(block.count) bytes cannot hold the \(stated) they state", offset: 0)
        }
        if stated == 0 {
            guard snappy_validate_compressed_buffer(source.baseAddress, source.count) == SNAPPY_OK else {
                throw corrupt
            }
            return
        }
        let status = plain.appendUninitialized(stated) { free in
            var written = free.count
            let target = free.bindMemory(to: CChar.self).baseAddress
            let status = snappy_uncompress(source.baseAddress, source.count, target, &written)
            return (status == SNAPPY_OK ? written : 0, status)
        }
        guard status == SNAPPY_OK else { throw corrupt }
    }

    private static var corrupt: WireError {
        WireError(.malformed, "snappy: the block is corrupt, or is framed snappy rather than a block")
    }

    /// Appends the block of `plain` to `block`.
    public static func compress(_ plain: UnsafeRawBufferPointer, into block: inout [UInt8]) {
        let source = plain.bindMemory(to: CChar.self)
        block.appendUninitialized(snappy_max_compressed_length(plain.count)) { free in
            var written = free.count
            let target = free.bindMemory(to: CChar.self).baseAddress
            let status = snappy_compress(source.baseAddress, source.count, target, &written)
            precondition(status == SNAPPY_OK, "the room is snappy's own bound")
            return (written, ())
        }
    }
}
