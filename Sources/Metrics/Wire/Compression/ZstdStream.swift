import CZstd

/// One zstd decompression stream; a body may be several frames (RFC 8878, 3).
final class ZstdStream {
    private let context: OpaquePointer
    /// Whether the last frame has ended; a body of no frames is not whole.
    private(set) var isWhole = false

    /// 8 MiB, what RFC 8878 (3.1.1.1.2) asks every decoder to support: a larger window is memory for a stranger.
    private static let windowLog: Int32 = 23

    init() {
        guard let context = ZSTD_createDCtx() else { preconditionFailure("ZSTD_createDCtx fails only without memory") }
        self.context = context
        ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, ZstdStream.windowLog)
    }

    deinit { ZSTD_freeDCtx(context) }

    func feed(_ chunk: UnsafeRawBufferPointer, into output: inout [UInt8], limit: Int) throws(WireError) {
        var input = ZSTD_inBuffer(src: chunk.baseAddress, size: chunk.count, pos: 0)
        let context = self.context
        while true {
            let room = min(limit - output.count + 1, Decompressor.stepBytes)
            guard room > 0 else { throw Decompressor.tooLarge(limit) }
            let (hint, isFull) = output.appendUninitialized(room) { free in
                var target = ZSTD_outBuffer(dst: free.baseAddress, size: free.count, pos: 0)
                let hint = ZSTD_decompressStream(context, &target, &input)
                return (target.pos, (hint, target.pos == target.size))
            }
            if ZSTD_isError(hint) != 0 {
                let name = String(cString: ZSTD_getErrorName(hint))
                throw WireError(.malformed, "zstd: \(name)")
            }
            if output.count > limit { throw Decompressor.tooLarge(limit) }
            isWhole = hint == 0
            if input.pos == input.size, !isFull || isWhole { return }
        }
    }
}

/// Bound to whoever feeds it: its state is the C library's.
@available(*, unavailable)
extension ZstdStream: Sendable {}
