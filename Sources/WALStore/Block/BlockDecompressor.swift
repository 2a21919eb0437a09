import CZstd
import Synchronization

/// Undoes zstd for one block, with a context that blocks before it had.
///
/// To make a context costs more than most sections do: it asks the processor what it can, which a virtual machine answers in
/// tens of microseconds.
struct BlockDecompressor: ~Copyable {
    /// A context that is in nobody's use. `@unchecked Sendable`: it stands in `idle` alone, whose lock hands it from thread to
    /// thread; whoever takes it out is its only owner.
    private struct Idle: @unchecked Sendable { var context: OpaquePointer }

    private static let idle = Mutex<[Idle]>([])
    /// Beyond so many that nobody uses they are freed; one takes about 95 KiB.
    private static let maximumIdle = 4

    private let context: OpaquePointer

    init() {
        if let idle = BlockDecompressor.idle.withLock({ $0.popLast() }) {
            context = idle.context
            return
        }
        guard let made = ZSTD_createDCtx() else { preconditionFailure("ZSTD_createDCtx fails only without memory") }
        context = made
    }

    deinit {
        let mine = Idle(context: context)
        let isKept = BlockDecompressor.idle.withLock { idle in
            guard idle.count < BlockDecompressor.maximumIdle else { return false }
            idle.append(mine)
            return true
        }
        if !isKept { ZSTD_freeDCtx(context) }
    }

    /// - Returns: whether the frame was whole and fills `target` to its end.
    func decompress(_ frame: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer) -> Bool {
        let count = ZSTD_decompressDCtx(context, target.baseAddress, target.count, frame.baseAddress, frame.count)
        return ZSTD_isError(count) == 0 && count == target.count
    }
}
