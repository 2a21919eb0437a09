import CXXHash

@testable import WALStore

/// Blocks that no encoder makes.
enum BlockForgery {
    /// Makes the checksum right for whatever the block says now.
    static func seal(_ block: inout [UInt8]) {
        let covered = block.count - Block.checksumBytes
        let checksum = block.withUnsafeBytes { holdfast_xxh3($0.baseAddress, covered) }
        withUnsafeBytes(of: checksum.littleEndian) { block.replaceSubrange(covered..., with: $0) }
    }

    /// A few hundred bytes whose series each share a megabyte with the one before.
    static func expandingLabels() -> [UInt8] {
        let workspace = BlockWorkspace()
        workspace.reset()
        let middle = 1 << 20
        let lengths = ScratchBuffer(capacity: 1024)
        for value in [0, 0, middle] { lengths.appendVarint(value) }
        for _ in 0..<100_000 { for value in [middle, 0, 0] { lengths.appendVarint(value) } }
        let text = ScratchBuffer(capacity: middle)
        for _ in 0..<middle { text.append(0x41) }
        workspace.add(.labelLengths, lengths.bytes)
        workspace.add(.labelText, text.bytes)
        return assembled(Block.version, workspace)
    }

    private static func assembled(_ version: UInt8, _ workspace: BlockWorkspace) -> [UInt8] {
        var block = Block.magic + [version, 0, 0, 0, 0, 0, UInt8(workspace.sections)]
        block.append(contentsOf: workspace.directory.bytes)
        block.append(contentsOf: workspace.payload.bytes)
        block.append(contentsOf: [UInt8](repeating: 0, count: 8))
        seal(&block)
        return block
    }

    /// A few dozen bytes that name the first series of a base again and again.
    static func standing(on base: BlockBase, series count: Int) -> [UInt8] {
        let workspace = BlockWorkspace()
        workspace.reset()
        let named = ScratchBuffer(capacity: 64)
        named.appendVarint(1)
        named.appendZigzag(base.id)
        named.appendFixed(base.checksum)
        workspace.add(.bases, named.bytes)
        let steps = ScratchBuffer(capacity: count)
        // The number after the last one, and then each time the one before that.
        steps.append(1)
        for _ in 1..<count { steps.append(2) }
        workspace.add(.baseSeries, steps.bytes)
        return assembled(Block.standingVersion, workspace)
    }
}
