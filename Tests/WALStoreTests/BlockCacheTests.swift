import Metrics
import TestSupport
import Testing

@testable import WALStore

struct BlockCacheTests {
    /// What a cache should have: a plain list, searched from end to end.
    private struct Model {
        var entries: [(spool: UInt64, sequence: Int64, bytes: Int)] = []

        /// - Returns: whether it is there; it is then the one used last.
        mutating func use(_ spool: UInt64, _ sequence: Int64) -> Bool {
            guard let at = entries.firstIndex(where: { $0.spool == spool && $0.sequence == sequence }) else {
                return false
            }
            entries.append(entries.remove(at: at))
            return true
        }

        mutating func insert(_ spool: UInt64, _ sequence: Int64, _ bytes: Int, limit: Int, share: Int) {
            guard bytes <= share else { return }
            entries.removeAll { $0.spool == spool && $0.sequence == sequence }
            entries.append((spool, sequence, bytes))
            while self.bytes(of: spool) > share, let at = entries.firstIndex(where: { $0.spool == spool }) {
                entries.remove(at: at)
            }
            while entries.reduce(0, { $0 + $1.bytes }) > limit { entries.removeFirst() }
        }

        func bytes(of spool: UInt64) -> Int { entries.reduce(0) { $1.spool == spool ? $0 + $1.bytes : $0 } }
    }

    private static func block(points: Int) -> DecodedBlock {
        var batch = Batch()
        for value in 0..<points { batch.points.appendFloat64(series: 0, time: 0, bits: UInt64(value)) }
        return DecodedBlock(batch: batch, origins: [])
    }

    @Test func `what was used longest ago goes first, of the spool that is beyond its share, then of all`() {
        var random = SeededGenerator.fresh()
        let blocks = (0..<40).map { BlockCacheTests.block(points: $0) }
        let (limit, share) = (40_000, 16_000)
        let cache = BlockCache(maximumBytes: limit, maximumSpoolBytes: share)
        var model = Model()
        var found = 0
        for step in 0..<10_000 {
            let (spool, sequence) = (random.next() % 5, Int64(random.next() % 30))
            switch random.next() % 20 {
            case 0..<8:
                let block = blocks[Int(random.next() % 40)]
                cache.insert(block, spool, sequence)
                let bytes = BlockCache.placeBytes + BlockCache.bytes(of: block)
                model.insert(spool, sequence, bytes, limit: limit, share: share)
            case 19 where random.next() % 20 == 0:
                cache.removeAll(spool)
                model.entries.removeAll { $0.spool == spool }
            default:
                let isThere = model.use(spool, sequence)
                if isThere { found += 1 }
                guard (cache.block(spool, sequence) != nil) == isThere else {
                    Issue.record("seed \(random.seed), step \(step): \(sequence) of \(spool) is there: \(!isThere)")
                    return
                }
            }
        }
        #expect(found > 500, "seed \(random.seed)")
    }
}
