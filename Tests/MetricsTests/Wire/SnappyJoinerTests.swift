import TestSupport
import Testing

@testable import Metrics

@Suite struct SnappyJoinerTests {
    @Test func `joined blocks are one block of all their bytes`() throws {
        var random = SeededGenerator.fresh()
        for _ in 0..<40 {
            var joiner = SnappyJoiner()
            var all: [UInt8] = []
            for _ in 0..<Int(random.next() % 6) {
                // Up to several of the 64 KiB within which a copy of our own encoder looks back.
                let count = random.next() % 4 == 0 ? Int(random.next() % 200_000) : Int(random.next() % 300)
                let word = (0..<16).map { _ in UInt8(random.next() % 256) }
                var plain = (0..<count).map { word[$0 % 16] }
                for _ in 0..<count / 10 { plain[Int(random.next() % UInt64(count))] = UInt8(random.next() % 256) }
                var block: [UInt8] = []
                plain.withUnsafeBytes { Snappy.compress($0, into: &block) }
                joiner.add(block)
                all += plain
            }
            var joined: [UInt8] = []
            joiner.finish(into: &joined)
            var plain: [UInt8] = []
            try joined.withUnsafeBytes { try Snappy.decompress($0, into: &plain, limit: 4 << 20) }
            #expect(plain == all, "seed \(random.seed)")
            #expect(joiner.plainBytes == all.count)
        }
    }

    @Test func `a size in more bytes than it takes is read as it is`() throws {
        var joiner = SnappyJoiner()
        let padded: [UInt8] = [0x82, 0x80, 0x00, 0x04, 7, 8]
        var plain: [UInt8] = []
        try padded.withUnsafeBytes { try Snappy.decompress($0, into: &plain, limit: 10) }
        #expect(plain == [7, 8])
        joiner.add(padded)
        joiner.add([0x01, 0x00, 9])
        var joined: [UInt8] = []
        joiner.finish(into: &joined)
        try joined.withUnsafeBytes { try Snappy.decompress($0, into: &plain, limit: 10) }
        #expect(plain == [7, 8, 9])
    }
}
