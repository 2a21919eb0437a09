/// The bases of a database, and the node's memory of them: what it takes to decode a row's block.
struct StoredBases {
    let connection: Connection
    let cache: BlockCache
    /// As whose they are kept there.
    let spool: UInt64

    struct Decoded {
        /// What `Block.decode` says of it.
        var content: Result<RowContent, SpoolError>
        /// The bases that it names.
        var standsOn: [BlockBase]

        func block() throws(SpoolError) -> DecodedBlock {
            guard case .block(let block) = try content.get() else {
                preconditionFailure("columns come out only where they are asked for")
            }
            return block
        }
    }

    /// A base that cannot be read: corrupt when neither of its rows has it.
    struct Failure: Error {
        var base: Int64
        var error: SQLiteError
    }

    /// Decodes a row's block.
    ///
    /// - Parameter asColumns: as columns, where it can be.
    func decode(_ block: UnsafeRawBufferPointer, asColumns: Bool = false) -> Result<Decoded, Failure> {
        var failed: Failure?
        var bases: [BlockBase] = []
        let content = Result { () throws(SpoolError) in
            let sections = try BlockSections(block)
            bases = try sections.bases { (id, checksum) throws(SpoolError) in
                do throws(SQLiteError) { return try base(id, checksum) } catch {
                    failed = Failure(base: id, error: error)
                    throw error.asSpoolError
                }
            }
            let decoder = BlockDecoder(sections: sections, bases: bases)
            if asColumns, let columns = try decoder.decodeColumns() { return RowContent.columns(columns) }
            var predictors: [ValuePredictor] = []
            return .block(try decoder.decode(&predictors))
        }
        return failed.map { .failure($0) } ?? .success(Decoded(content: content, standsOn: bases))
    }

    func base(_ id: Int64, _ checksum: UInt64) throws(SQLiteError) -> BlockBase {
        if let known = cache.base(spool, id), known.checksum == checksum { return known }
        let found = try read(id, checksum)
        cache.insert(found, spool)
        return found
    }

    private func read(_ id: Int64, _ checksum: UInt64) throws(SQLiteError) -> BlockBase {
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
