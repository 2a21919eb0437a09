import CZstd

/// Zstandard compression (RFC 8878) of whole bodies.
public enum Zstd {
    /// Appends one frame with the bytes of `plain` to `packed`; the frame states its plain size.
    ///
    /// - Parameter level: zstd's levels; outside of them the nearest counts.
    public static func compress(_ plain: UnsafeRawBufferPointer, level: Int = 1, into packed: inout [UInt8]) {
        let level = min(max(Int32(clamping: level), ZSTD_minCLevel()), ZSTD_maxCLevel())
        packed.appendUninitialized(ZSTD_compressBound(plain.count)) { free in
            let written = ZSTD_compress(free.baseAddress, free.count, plain.baseAddress, plain.count, level)
            precondition(ZSTD_isError(written) == 0, "the room is zstd's own bound")
            return (written, ())
        }
    }
}
