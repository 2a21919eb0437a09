extension SpoolReader {
    /// The base of that id, from memory or the database.
    ///
    /// - Throws: what the disk says of both of its rows; corrupt when neither has it.
    func base(_ id: Int64, _ checksum: UInt64, _ connection: Connection) throws(SQLiteError) -> BlockBase {
        if let known = cache.kept.base(cache.spool, id), known.checksum == checksum { return known }
        let found = try StoredBase.read(id, checksum, connection)
        cache.kept.insert(found, cache.spool)
        return found
    }
}

/// A base's two rows.
enum StoredBase {
    static func read(
        _ id: Int64, _ checksum: UInt64, _ connection: Connection
    ) throws(SQLiteError) -> BlockBase {
        var failed: SQLiteError?
        for table in ["bases", "base_copies"] {
            do throws(SQLiteError) {
                let found = try Statement("SELECT block FROM \(table) WHERE id = ?1", on: connection)
                    .first(.integer(id)) { row in row.withBlob(0) { try? BlockBase(id: id, block: $0) } }
                if let base = found ?? nil, base.checksum == checksum { return base }
            } catch {
                // One that the disk may give in a moment is not damaged.
                if failed == nil || error.isInputOutput { failed = error }
            }
        }
        throw failed ?? SQLiteError.corrupt("the base of a block is not there, or damaged")
    }
}
