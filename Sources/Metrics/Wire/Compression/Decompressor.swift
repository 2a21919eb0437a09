/// Decompresses a body while it arrives, into a buffer that never grows beyond a limit.
///
/// A snappy block has no streaming form: it is collected, and decompressed by `finish` once its stated size was checked.
public struct Decompressor: ~Copyable {
    private enum State {
        case identity
        case zlib(InflateStream)
        case zstd(ZstdStream)
        case snappy
    }
    private let state: State
    private let limit: Int
    private var block: [UInt8] = []

    /// - Parameter limit: plain bytes at most, counted over what `output` already holds.
    public init(_ coding: ContentCoding, limit: Int) {
        self.limit = limit
        switch coding {
        case .identity: state = .identity
        case .gzip: state = .zlib(InflateStream(.gzip))
        case .deflate: state = .zlib(InflateStream(.zlib))
        case .zstd: state = .zstd(ZstdStream())
        case .snappy: state = .snappy
        }
    }

    /// Appends what `chunk` decompresses to.
    ///
    /// - Throws: `tooLarge` beyond the limit, `malformed` for bytes that the coding does not allow. After an error the
    ///   decompressor is used up.
    public mutating func feed(_ chunk: UnsafeRawBufferPointer, into output: inout [UInt8]) throws(WireError) {
        if chunk.isEmpty { return }
        switch state {
        case .identity:
            guard output.count + chunk.count <= limit else { throw Decompressor.tooLarge(limit) }
            output.append(contentsOf: chunk)
        case .zlib(let stream):
            try stream.feed(chunk, into: &output, limit: limit)
        case .zstd(let stream):
            try stream.feed(chunk, into: &output, limit: limit)
        case .snappy:
            // A block is larger than its plain bytes by a sixth and a header at most (snappy's own bound).
            guard block.count + chunk.count <= limit + limit / 6 + 32 else { throw Decompressor.tooLarge(limit) }
            block.append(contentsOf: chunk)
        }
    }

    /// Says that the body has ended.
    ///
    /// - Throws: `malformed` when it ended in the middle of compressed data.
    public mutating func finish(into output: inout [UInt8]) throws(WireError) {
        switch state {
        case .identity:
            return
        case .zlib(let stream):
            if !stream.isWhole { throw WireError(.malformed, "the compressed body ends before its trailer") }
        case .zstd(let stream):
            if !stream.isWhole { throw WireError(.malformed, "zstd: the body ends inside a frame") }
        case .snappy:
            try Decompressor.finishSnappy(block, into: &output, limit: limit)
        }
    }

    private static func finishSnappy(_ block: [UInt8], into output: inout [UInt8], limit: Int) throws(WireError) {
        precondition(output.isEmpty, "a snappy block is a whole body")
        let failure = block.withUnsafeBytes { block -> WireError? in
            do throws(WireError) {
                try Snappy.decompress(block, into: &output, limit: limit)
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw failure }
    }

    static func tooLarge(_ limit: Int) -> WireError {
        WireError(.tooLarge, "the body is larger than \(limit) bytes when decompressed")
    }

    /// Plain bytes asked for at a time: small enough that a bomb is met early, large enough to be quick.
    static let stepBytes = 64 * 1024
}
