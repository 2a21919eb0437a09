import Metrics

extension FuzzTarget {
    static let snappy = compression("snappy", .snappy)
    static let gzip = compression("gzip", .gzip)
    static let deflate = compression("deflate", .deflate)
    static let zstd = compression("zstd", .zstd)

    /// The first byte is the size of the chunks a body arrives in. However it is cut, the result is the same, within the
    /// limit; and the rest of the input, taken as a plain body, comes back from its own compression.
    private static func compression(_ name: String, _ coding: ContentCoding) -> FuzzTarget {
        FuzzTarget(name, seeds: { CompressionSeeds.packed(coding) }) { bytes in
            var input = FuzzInput(bytes)
            let chunk = Int(input.byte()) + 1
            let body = input.rest
            let whole = unpack(body, coding, chunk: .max)
            let cut = unpack(body, coding, chunk: chunk)
            // libzstd alone: a frame with less content than its header states is refused when it comes in one piece, and
            // taken when an empty last block comes in another. Nothing is made up, so it is let pass.
            let isShort = coding == .zstd && whole == nil
            try require(cut == whole || isShort, "the way a body is cut changes nothing")
            if let whole { try require(whole.count <= limit, "\(whole.count) bytes of \(limit)") }
            guard coding != .deflate else { return }
            let packed = CompressionSeeds.pack(Array(body), coding)
            let back = packed.withUnsafeBytes { unpack($0, coding, chunk: .max) }
            try require(back == Array(body), "what was compressed comes back")
        }
    }

    private static let limit = 1 << 20

    /// nil when the body is refused.
    private static func unpack(_ body: UnsafeRawBufferPointer, _ coding: ContentCoding, chunk: Int) -> [UInt8]? {
        var decompressor = Decompressor(coding, limit: limit)
        var output: [UInt8] = []
        do throws(WireError) {
            var start = 0
            while start < body.count {
                let end = chunk == .max ? body.count : min(body.count, start + chunk)
                try decompressor.feed(UnsafeRawBufferPointer(rebasing: body[start..<end]), into: &output)
                start = end
            }
            try decompressor.finish(into: &output)
            return output
        } catch {
            return nil
        }
    }
}

enum CompressionSeeds {
    private static let plain: [[UInt8]] = [
        [], Array("a".utf8), Array(repeating: 7, count: 3000), (0..<600).map { UInt8(truncatingIfNeeded: $0 * 7) },
        Array("up{job=\"node\"} 1\nup{job=\"node\"} 0\n".utf8),
    ]
    /// zlib's frame around one stored block and around one of fixed codes: "a".
    private static let deflated: [[UInt8]] = [
        [0x78, 0x01, 0x01, 0x01, 0x00, 0xfe, 0xff, 0x61, 0x00, 0x62, 0x00, 0x62],
        [0x78, 0x9c, 0x4b, 0x04, 0x00, 0x00, 0x62, 0x00, 0x62],
    ]

    /// Chunk size, then the body.
    static func packed(_ coding: ContentCoding) -> [[UInt8]] {
        let bodies = coding == .deflate ? deflated : plain.map { pack($0, coding) }
        return bodies.map { [9] + $0 }
    }

    static func pack(_ plain: [UInt8], _ coding: ContentCoding) -> [UInt8] {
        var packed: [UInt8] = []
        plain.withUnsafeBytes { plain in
            switch coding {
            case .gzip: Gzip.compress(plain, level: 1, into: &packed)
            case .zstd: Zstd.compress(plain, into: &packed)
            case .snappy: Snappy.compress(plain, into: &packed)
            case .identity, .deflate: packed.append(contentsOf: plain)
            }
        }
        return packed
    }
}
