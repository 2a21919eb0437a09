import TestSupport
import Testing

@testable import Metrics

/// <https://github.com/google/snappy/blob/main/format_description.txt>
@Suite struct SnappyWriterTests {
    @Test func `literals and copies of every length and distance come back from libsnappy`() throws {
        var random = SeededGenerator.fresh()
        for _ in 0..<60 {
            var plain: [UInt8] = []
            let steps = Int(random.next() % 3000) + 1
            // A step is 300 bytes at most, and takes no more room than plain bytes would.
            let elements = [UInt8](unsafeUninitializedCapacity: SnappyWriter.room(for: steps * 300)) { room, count in
                var writer = SnappyWriter(UnsafeMutableRawBufferPointer(room))
                for _ in 0..<steps { Self.step(&writer, &plain, &random) }
                writer.endLiteral()
                count = writer.count
            }
            var block: [UInt8] = []
            Varint.append(UInt64(plain.count), to: &block)
            block += elements
            var back: [UInt8] = []
            try block.withUnsafeBytes { try Snappy.decompress($0, into: &back, limit: 1 << 20) }
            #expect(back == plain, "seed \(random.seed)")
        }
    }

    private static func step(_ writer: inout SnappyWriter, _ plain: inout [UInt8], _ random: inout SeededGenerator) {
        switch random.next() % 4 {
        case 0:
            let (bytes, length) = (random.next(), Int(random.next() % 9))
            writer.literal(bytes, length)
            for index in 0..<length { plain.append(UInt8(truncatingIfNeeded: bytes >> UInt64(8 * index))) }
        case 1:
            let bytes = (0..<Int(random.next() % 150)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            bytes.withUnsafeBytes { writer.literal($0) }
            plain += bytes
        default:
            guard !plain.isEmpty else { return }
            // A few bytes back as often as many, up to the most, and longer than that at times: a pattern repeated.
            let most = min(plain.count, random.next() % 2 == 0 ? 40 : SnappyWriter.mostBack)
            let back = Int(random.next() % UInt64(most)) + 1
            let length = Int(random.next() % 200) + SnappyWriter.shortestCopy
            writer.copy(back, length)
            for _ in 0..<length { plain.append(plain[plain.count - back]) }
        }
    }
}
