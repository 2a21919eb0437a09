import CXXHash
import Metrics

/// Series that many blocks share: their labels, and a value each from which the next one is told.
///
/// It is a block of its own that stands on no other. A block that stands on it says a series by its number there, and the
/// series' first value as a step from the base's (`docs/decisions/0036-blocks-stand-on-bases.md`).
public final class BlockBase: Sendable {
    /// As the blocks that stand on it say it: the sequence of the first row that does.
    public let id: Int64
    /// The last bytes of its block: those who stand on it name it, so that no other is ever taken for it.
    public let checksum: UInt64
    let series: SeriesTable
    let predictors: [ValuePredictor]

    /// A block that has more of them is not written, and not read.
    static let maximumOfABlock = 16
    /// A block that stands on bases names at most so many series.
    static let maximumNames = 2 * Block.maximumPoints

    /// - Parameter bytes: the base's block.
    /// - Throws: as `Block.decode`; `.unreadable` also for a block that is no base.
    init(id: Int64, block bytes: UnsafeRawBufferPointer) throws(SpoolError) {
        let sections = try BlockSections(bytes)
        guard !sections.standsOnBases else { throw BlockReader.broken("a base stands on another") }
        let decoder = BlockDecoder(sections: sections, bases: [])
        var predictors: [ValuePredictor] = []
        let decoded = try decoder.decode(&predictors)
        guard decoded.batch.series.isPlain else { throw BlockReader.broken("a base has more than labels") }
        self.id = id
        checksum = BlockBase.checksum(of: bytes)
        series = decoded.batch.series
        self.predictors = predictors
    }

    static func checksum(of block: UnsafeRawBufferPointer) -> UInt64 {
        let at = block.count - Block.checksumBytes
        return UInt64(littleEndian: block.loadUnaligned(fromByteOffset: at, as: UInt64.self))
    }

    /// What it takes of memory.
    var allocatedBytes: Int {
        series.allocatedBytes + predictors.capacity * MemoryLayout<ValuePredictor>.stride + 128
    }
}

/// Where the series of one batch are found.
struct BaseNames {
    /// Those that are named, at most `BlockBase.maximumOfABlock`.
    var bases: [BlockBase] = []
    /// A series of the batch each: its number, counted through all of `bases`; `own` when the block says it itself.
    var ids: [UInt32] = []

    static let own = UInt32.max

    /// Calls `body` with neighbours in the batch that are neighbours in one base, or are all the block's own.
    ///
    /// - Parameter body: a base and the first number in it, or nil; and which series of the batch.
    func forEachRun(_ body: (_ base: (BlockBase, first: Int)?, _ series: Range<Int>) -> Void) {
        var starts: [Int] = [0]
        for base in bases { starts.append(starts[starts.count - 1] + base.series.count) }
        ids.withUnsafeBufferPointer { ids in
            var at = 0
            while at < ids.count {
                let first = at
                let id = ids[at]
                at += 1
                guard id != BaseNames.own else {
                    while at < ids.count, ids[at] == BaseNames.own { at += 1 }
                    body(nil, first..<at)
                    continue
                }
                let base = starts.lastIndex { $0 <= Int(id) } ?? 0
                let limit = min(ids.count, first + starts[base + 1] - Int(id))
                while at < limit, ids[at] == ids[at - 1] &+ 1 { at += 1 }
                body((bases[base], Int(id) - starts[base]), first..<at)
            }
        }
    }
}

/// Series of a block that are neighbours in it and where they stand.
struct BaseRun: Sendable, Hashable {
    /// Which of the block's bases; nil: the block says them itself.
    var base: Int?
    /// The number there of the first.
    var first: Int
    var count: Int
}
