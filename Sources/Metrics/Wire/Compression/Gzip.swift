import CZlib

/// Gzip compression (RFC 1952) of whole bodies, for backends that take it.
public enum Gzip {
    /// Appends one gzip member with the bytes of `plain` to `packed`.
    ///
    /// - Parameter level: zlib's 1...9; outside of it the nearest counts.
    public static func compress(_ plain: UnsafeRawBufferPointer, level: Int = 6, into packed: inout [UInt8]) {
        // 15 bits of window, plus 16 for gzip's header and trailer. <https://zlib.net/manual.html#Advanced>
        compress(plain, level: level, windowBits: 15 + 16, into: &packed)
    }

    fileprivate static func compress(
        _ plain: UnsafeRawBufferPointer, level: Int, windowBits: Int32, into packed: inout [UInt8]
    ) {
        var stream = z_stream()
        let started = holdfast_deflate_init(&stream, Int32(min(max(level, 1), 9)), windowBits)
        precondition(started == Z_OK, "deflateInit2 fails only on bad parameters or without memory")
        defer { deflateEnd(&stream) }
        // zlib counts in 32 bits: a larger body is fed in slices.
        let slice = 1 << 30
        var start = 0
        repeat {
            let end = min(start + slice, plain.count)
            let part = UnsafeRawBufferPointer(rebasing: plain[start..<end])
            stream.next_in = UnsafeMutablePointer(mutating: part.bindMemory(to: UInt8.self).baseAddress)
            stream.avail_in = UInt32(part.count)
            deflateAll(&stream, flush: end == plain.count ? Z_FINISH : Z_NO_FLUSH, into: &packed)
            start = end
        } while start < plain.count
    }

    private static func deflateAll(_ stream: inout z_stream, flush: Int32, into packed: inout [UInt8]) {
        while true {
            let room = min(Int(deflateBound(&stream, UInt(stream.avail_in))) + 64, 1 << 30)
            let status = packed.appendUninitialized(room) { free in
                stream.next_out = free.bindMemory(to: UInt8.self).baseAddress
                stream.avail_out = UInt32(free.count)
                let status = deflate(&stream, flush)
                return (free.count - Int(stream.avail_out), status)
            }
            precondition(status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR, "deflate has room")
            if status == Z_STREAM_END { return }
            if flush == Z_NO_FLUSH, stream.avail_in == 0, stream.avail_out > 0 { return }
        }
    }
}

/// Compression in zlib's format (RFC 1950): what HTTP calls `deflate`.
public enum Zlib {
    /// Appends one stream with the bytes of `plain` to `packed`; as `Gzip.compress`.
    public static func compress(_ plain: UnsafeRawBufferPointer, level: Int = 6, into packed: inout [UInt8]) {
        Gzip.compress(plain, level: level, windowBits: 15, into: &packed)
    }
}
