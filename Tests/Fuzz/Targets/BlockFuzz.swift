import CXXHash
import Metrics
import TestSupport

@testable import WALStore

extension FuzzTarget {
    /// A block as it is stored, with its checksum made right first, because a search cannot guess one: what decodes is
    /// walked, stored and decoded again. Whatever base it names is there.
    static let block = FuzzTarget("block", seeds: { BlockSeeds.all }) { bytes in
        try require((try? Block.decode(bytes)) == nil || bytes.count >= 18, "a block has a header")
        var sealed = Array(bytes)
        BlockSeeds.seal(&sealed)
        guard let decoded = try? sealed.withUnsafeBytes({ try Block.decode($0, base: BlockSeeds.base) }) else { return }
        try require(
            decoded.batch.points.series.allSatisfy { Int($0) < decoded.batch.series.count }, "a point's series is there"
        )
        for id in 0..<decoded.batch.series.count {
            decoded.batch.series.withLabels(of: UInt32(id)) { for _ in LabelIterator($0) {} }
        }
        let again = Block.encode(decoded.batch, origins: decoded.origins, workspace: BlockWorkspace())
        try require(
            try again.withUnsafeBytes { try Block.decode($0) } == decoded, "a block gives back what it was made of")
    }
}

private enum BlockSeeds {
    static let all: [[UInt8]] =
        (0..<UInt64(4)).map { number in
            let batch = batch(number, plainOnly: number == 0)
            return Block.encode(batch, origins: origins, workspace: BlockWorkspace())
        }
        + [standing(named: [0, 1, 2]), standing(named: [2, BaseNames.own, 4])]

    private static let origins = [OriginRun(sequence: 7, firstOrdinal: 0, count: 12)]

    private static func batch(_ seed: UInt64, plainOnly: Bool) -> Batch {
        var random = SeededGenerator(seed: seed)
        return RandomBatch.make(points: 12, series: 3, plainOnly: plainOnly, using: &random)
    }

    /// Twice the same, under different ids: series 0 to 2, and 3 to 5.
    private static func standing(named ids: [UInt32]) -> [UInt8] {
        let names = BaseNames(bases: [known, known], ids: ids)
        return Block.encode(batch(0, plainOnly: true), origins: origins, names: names, workspace: BlockWorkspace())
    }

    private static let known: BlockBase = {
        let content = Block.encode(batch(0, plainOnly: true), origins: origins, workspace: BlockWorkspace())
        do { return try content.withUnsafeBytes { try BlockBase(id: 7, block: $0) } } catch {
            preconditionFailure("a base is a block that says all itself: \(error)")
        }
    }()

    static func base(_ id: Int64, _ checksum: UInt64) throws(SpoolError) -> BlockBase { known }

    static func seal(_ block: inout [UInt8]) {
        let covered = block.count - Block.checksumBytes
        guard covered >= 0 else { return }
        let checksum = block.withUnsafeBytes { holdfast_xxh3($0.baseAddress, covered) }
        withUnsafeBytes(of: checksum.littleEndian) { block.replaceSubrange(covered..., with: $0) }
    }
}
