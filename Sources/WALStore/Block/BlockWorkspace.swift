import CZstd

/// What encoding needs and keeps from block to block: scratch memory and a zstd context. One for each thread that
/// encodes; not `Sendable`.
public final class BlockWorkspace {
    let section = ScratchBuffer(capacity: 64 << 10)
    /// A second column that is filled beside `section` (lengths beside text, classes beside bytes).
    let companion = ScratchBuffer(capacity: 64 << 10)
    /// A third one.
    let tops = ScratchBuffer(capacity: 64 << 10)
    let directory = ScratchBuffer(capacity: 256)
    let payload = ScratchBuffer(capacity: 64 << 10)
    /// The last value of each series, to predict its next one.
    var predictors: [ValuePredictor] = []
    private(set) var sections = 0
    private let compressor: OpaquePointer
    private let level: Int32

    /// zstd's fastest ordinary level: for a fresh block more costs more time than it saves bytes.
    public static let freshLevel: Int32 = 1

    /// - Parameter level: of zstd.
    public init(level: Int32 = BlockWorkspace.freshLevel) {
        self.level = level
        guard let context = ZSTD_createCCtx() else { preconditionFailure("zstd has no memory for a context") }
        compressor = context
    }

    deinit { ZSTD_freeCCtx(compressor) }

    func reset() {
        directory.count = 0
        payload.count = 0
        sections = 0
    }

    /// Appends one section, in the smallest of its encodings, and its line in the directory. An empty one is left out.
    func add(_ id: Block.SectionID, _ bytes: UnsafeRawBufferPointer) {
        guard !bytes.isEmpty else { return }
        let start = payload.count
        let encoding = store(bytes)
        directory.append(id.rawValue)
        directory.append(encoding.rawValue)
        directory.appendVarint(bytes.count)
        directory.appendVarint(payload.count - start)
        sections += 1
    }

    private func store(_ bytes: UnsafeRawBufferPointer) -> Block.Encoding {
        if isOneByteRepeated(bytes) {
            payload.append(bytes[0])
            return .repeated
        }
        // Below this a frame's own bytes cost more than it saves.
        if bytes.count >= 48 {
            let bound = ZSTD_compressBound(bytes.count)
            payload.reserve(bound)
            let written = ZSTD_compressCCtx(
                compressor, payload.base + payload.count, bound, bytes.baseAddress, bytes.count, level)
            if ZSTD_isError(written) == 0, written < bytes.count {
                payload.count += written
                return .zstd
            }
        }
        payload.append(bytes)
        return .plain
    }

    private func isOneByteRepeated(_ bytes: UnsafeRawBufferPointer) -> Bool {
        let first = bytes[0]
        guard bytes.count > 1, bytes[bytes.count - 1] == first, bytes[bytes.count / 2] == first else { return false }
        return bytes.allSatisfy { $0 == first }
    }
}
