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
        var block = Block.magic + [Block.version, 0, 0, 0, 0, 0]
        block.append(2)
        block.append(contentsOf: workspace.directory.bytes)
        block.append(contentsOf: workspace.payload.bytes)
        block.append(contentsOf: [UInt8](repeating: 0, count: 8))
        seal(&block)
        return block
    }
}
