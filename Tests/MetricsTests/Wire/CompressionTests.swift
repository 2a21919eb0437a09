import TestSupport
import Testing

@testable import Metrics

@Suite struct CompressionTests {
    private static func random(_ count: Int, _ random: inout SeededGenerator) -> [UInt8] {
        // Half noise, half repetition: matches as well as literals.
        (0..<count).map { $0 % 7 < 3 ? UInt8(truncatingIfNeeded: random.next() >> 7) : UInt8(truncatingIfNeeded: $0) }
    }

    private static func pack(_ plain: [UInt8], _ coding: ContentCoding) -> [UInt8] {
        var packed: [UInt8] = []
        plain.withUnsafeBytes { plain in
            switch coding {
            case .identity: packed.append(contentsOf: plain)
            case .gzip: Gzip.compress(plain, into: &packed)
            case .zstd: Zstd.compress(plain, into: &packed)
            case .snappy: Snappy.compress(plain, into: &packed)
            // A gzip member without header and trailer is raw deflate; zlib's frame around it is by hand.
            case .deflate: packed = zlibFrame(plain)
            }
        }
        return packed
    }

    /// Stored blocks in a zlib frame (RFC 1950, RFC 1951 section 3.2.4).
    private static func zlibFrame(_ plain: UnsafeRawBufferPointer) -> [UInt8] {
        var result: [UInt8] = [0x78, 0x01]
        var (a, b): (UInt32, UInt32) = (1, 0)
        for byte in plain {
            a = (a + UInt32(byte)) % 65521
            b = (b + a) % 65521
        }
        var start = 0
        repeat {
            let end = min(start + 65535, plain.count)
            let length = UInt16(end - start)
            result.append(end == plain.count ? 1 : 0)
            for word in [length, ~length] { result += [UInt8(word & 0xff), UInt8(word >> 8)] }
            result += plain[start..<end]
            start = end
        } while start < plain.count
        let check = b << 16 | a
        return result + [24, 16, 8, 0].map { UInt8(check >> $0 & 0xff) }
    }

    private static func unpack(
        _ packed: [UInt8], _ coding: ContentCoding, limit: Int = 1 << 20, chunk: Int = .max
    ) throws -> [UInt8] {
        var decompressor = Decompressor(coding, limit: limit)
        var output: [UInt8] = []
        var start = 0
        while start < packed.count {
            let end = chunk == .max ? packed.count : min(packed.count, start + chunk)
            try packed.withUnsafeBytes {
                try decompressor.feed(UnsafeRawBufferPointer(rebasing: $0[start..<end]), into: &output)
            }
            start = end
        }
        try decompressor.finish(into: &output)
        #expect(output.count <= limit)
        return output
    }

    @Test(arguments: ContentCoding.allCases)
    func `what was compressed comes back, however it is cut into chunks`(coding: ContentCoding) throws {
        var random = SeededGenerator.fresh()
        for size in [0, 1, 100, 65_535, 65_536, 200_000] {
            let plain = Self.random(size, &random)
            let packed = Self.pack(plain, coding)
            for chunk in [1, 1000, Int.max] where chunk > 1 || size < 1000 {
                let back = try Self.unpack(packed, coding, chunk: chunk)
                #expect(back == plain, "\(coding) \(size) by \(chunk), seed \(random.seed)")
            }
        }
    }

    @Test(arguments: ContentCoding.allCases)
    func `the limit is exact, and beyond it is too large`(coding: ContentCoding) throws {
        let plain = [UInt8](repeating: 7, count: 300_000)
        let packed = Self.pack(plain, coding)
        #expect(try Self.unpack(packed, coding, limit: plain.count) == plain)
        let error = #expect(throws: WireError.self) { try Self.unpack(packed, coding, limit: plain.count - 1) }
        #expect(error?.code == .tooLarge)
    }

    @Test(arguments: [ContentCoding.gzip, .zstd])
    func `a bomb is met before it is held`(coding: ContentCoding) throws {
        let packed = Self.pack([UInt8](repeating: 0, count: 64 << 20), coding)
        #expect(packed.count < 100_000)
        var decompressor = Decompressor(coding, limit: 100_000)
        var output: [UInt8] = []
        let error = #expect(throws: WireError.self) {
            try packed.withUnsafeBytes { try decompressor.feed($0, into: &output) }
        }
        #expect(error?.code == .tooLarge)
        #expect(output.capacity < 1 << 20)
    }

    @Test(arguments: [ContentCoding.gzip, .deflate, .zstd, .snappy])
    func `a body cut short is malformed`(coding: ContentCoding) {
        let packed = Self.pack(Array("Not very long, but long enough. Not very long, but long enough.".utf8), coding)
        for length in 0..<packed.count {
            let error = #expect(throws: WireError.self, "\(length)") {
                try Self.unpack(Array(packed[..<length]), coding)
            }
            #expect(error?.code == .malformed, "\(length)")
        }
    }

    @Test(arguments: [ContentCoding.gzip, .deflate, .zstd, .snappy])
    func `bytes after the end are malformed`(coding: ContentCoding) {
        let packed = Self.pack(Array("Long enough".utf8), coding) + [0x00, 0x01, 0x02, 0x03]
        #expect(throws: WireError.self) { try Self.unpack(packed, coding) }
        #expect(throws: WireError.self) { try Self.unpack(packed, coding, chunk: 1) }
    }

    @Test(arguments: [ContentCoding.gzip, .zstd])
    func `members one after the other are one body`(coding: ContentCoding) throws {
        let packed = Self.pack([1, 2, 3], coding) + Self.pack([], coding) + Self.pack([4, 5], coding)
        #expect(try Self.unpack(packed, coding) == [1, 2, 3, 4, 5])
        #expect(try Self.unpack(packed, coding, chunk: 1) == [1, 2, 3, 4, 5])
    }

    @Test(arguments: ContentCoding.allCases)
    func `damage is an error or other bytes, never a trap`(coding: ContentCoding) {
        var random = SeededGenerator.fresh()
        let packed = Self.pack(Self.random(3000, &random), coding)
        for _ in 0..<2000 {
            var damaged = packed
            for _ in 0...Int(random.next() % 3) {
                damaged[Int(random.next() % UInt64(damaged.count))] = UInt8(truncatingIfNeeded: random.next())
            }
            if let output = try? Self.unpack(damaged, coding, limit: 10_000) {
                #expect(output.count <= 10_000, "seed \(random.seed)")
            }
        }
    }

    @Test(
        arguments: [
            ([0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0x00], WireError.Code.tooLarge),
            ([0x80, 0x80, 0x40, 0x00], .malformed),
            ([], .malformed), ([0x80], .malformed), ([0x00, 0x00], .malformed),
            (Array("\u{ff}\u{06}\u{00}\u{00}sNaPpY".unicodeScalars.map { UInt8($0.value) }), .malformed),
        ] as [([UInt8], WireError.Code)])
    func `a snappy block that lies about its size takes no memory`(block: [UInt8], code: WireError.Code) {
        var plain: [UInt8] = []
        let error = #expect(throws: WireError.self) {
            try block.withUnsafeBytes { try Snappy.decompress($0, into: &plain, limit: 64 << 20) }
        }
        #expect(error?.code == code)
        #expect(plain.capacity < 1 << 16)
    }

    @Test(
        arguments: [
            (nil, ContentCoding.identity), ("", .identity), ("GZIP", .gzip), ("x-gzip", .gzip), ("zstd", .zstd),
            ("snappy", .snappy), ("deflate", .deflate), ("br", nil), ("gzip, gzip", nil),
        ] as [(String?, ContentCoding?)])
    func `a content encoding is read without case, and an unknown one is unknown`(
        header: String?, coding: ContentCoding?
    ) {
        #expect(ContentCoding(header: header) == coding)
    }
}
