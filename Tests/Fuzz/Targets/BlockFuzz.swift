import CXXHash
import Metrics
import TestSupport

@testable import WALStore

extension FuzzTarget {
    /// A block as it is stored, with its checksum made right first, because a search cannot guess one: what decodes is
    /// walked, stored and decoded again.
    static let block = FuzzTarget("block", seeds: { BlockSeeds.all }) { bytes in
        try require((try? Block.decode(bytes)) == nil || bytes.count >= 18, "a block has a header")
        var sealed = Array(bytes)
        BlockSeeds.seal(&sealed)
        guard let decoded = try? sealed.withUnsafeBytes({ try Block.decode($0) }) else { return }
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
    static let all: [[UInt8]] = (0..<UInt64(4)).map { number in
        var random = SeededGenerator(seed: number)
        let batch = RandomBatch.make(points: 12, series: 3, plainOnly: number == 0, using: &random)
        return Block.encode(
            batch, origins: [OriginRun(sequence: 7, firstOrdinal: 0, count: 12)], workspace: BlockWorkspace())
    }

    static func seal(_ block: inout [UInt8]) {
        let covered = block.count - Block.checksumBytes
        guard covered >= 0 else { return }
        let checksum = block.withUnsafeBytes { holdfast_xxh3($0.baseAddress, covered) }
        withUnsafeBytes(of: checksum.littleEndian) { block.replaceSubrange(covered..., with: $0) }
    }
}
