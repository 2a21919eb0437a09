import Metrics

@testable import WALStore

extension DecodedBlock {
    /// The commits that a row holds: itself, or those that a repack has merged.
    ///
    /// - Returns: of each its sequence, where its points begin among the row's, and their bits.
    func commits(row sequence: Int64) -> [(sequence: Int64, offset: Int, bits: ArraySlice<UInt64>)] {
        if origins.isEmpty { return [(sequence, 0, batch.points.bits[...])] }
        var offset = 0
        return origins.map { run in
            defer { offset += run.count }
            return (run.sequence, offset, batch.points.bits[offset..<offset + run.count])
        }
    }
}

extension Block {
    /// Decodes a row's block with the bases of its database.
    static func stored(_ bytes: UnsafeRawBufferPointer, _ connection: Connection) throws(SpoolError) -> DecodedBlock {
        let bases = StoredBases(connection: connection, cache: BlockCache(maximumBytes: 0), spool: 0)
        let found: StoredBases.Decoded
        do throws(StoredBases.Failure) {
            found = try bases.decode(bytes).get()
        } catch { throw error.error.asSpoolError }
        return try found.block()
    }
}
