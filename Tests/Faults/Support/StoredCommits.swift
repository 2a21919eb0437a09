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
        try decode(bytes) { (id, checksum) throws(SpoolError) in
            do throws(SQLiteError) { return try StoredBase.read(id, checksum, connection) } catch {
                throw error.asSpoolError
            }
        }
    }
}
