import Metrics

/// A merged row in the making.
struct RepackMerge {
    private(set) var batch = Batch()
    private(set) var origins: [OriginRun] = []
    /// What its rows stand on, the first of each id; the merged one may stand on the same, and on no others: whoever asks
    /// which rows need a base looks only where it served.
    private var bases: [BlockBase] = []
    private var basesBytes = 0
    let memoryBytes: Int

    init(memoryBytes: Int) { self.memoryBytes = memoryBytes }

    /// Adds the next row, in order.
    ///
    /// - Parameter standsOn: the bases of its block.
    /// - Returns: false when it would make the row too large, or is not that of its block.
    mutating func add(_ row: StoredRow, _ block: DecodedBlock, standsOn: [BlockBase]) -> Bool {
        guard block.batch.points.count == row.points, row.isRow(of: block.origins),
            batch.points.count + row.points <= Block.maximumPoints,
            origins.isEmpty || batch.memoryBytes + block.batch.memoryBytes <= memoryBytes
        else { return false }
        batch.merge(block.batch)
        // One for each row, of no points too: the first and the last of them are the row's sequences.
        if block.origins.isEmpty {
            origins.append(OriginRun(sequence: row.sequence, firstOrdinal: 0, count: 0))
        } else {
            origins.append(contentsOf: block.origins)
        }
        for base in standsOn where !bases.contains(where: { $0.id == base.id }) {
            // What is in those that are too many, the block says itself.
            guard bases.isEmpty || basesBytes + base.allocatedBytes <= memoryBytes else { break }
            bases.append(base)
            basesBytes += base.allocatedBytes
        }
        return true
    }

    /// The block; nil when it is larger than a stored one may be.
    func encoded() -> [UInt8]? {
        let block = Block.encode(
            batch, origins: origins, names: names(), workspace: BlockWorkspace(level: RepackMerge.level))
        return block.count <= Block.maximumStoredBytes ? block : nil
    }

    private func names() -> BaseNames? {
        guard !bases.isEmpty, batch.series.isPlain, batch.series.count <= BlockBase.maximumNames else { return nil }
        var index = BaseIndex()
        for base in bases { _ = index.add(base) }
        var found: [BaseIndex.Entry] = []
        index.lookUp(batch.series, into: &found)
        return index.names(of: found)?.names
    }

    /// Merged once and kept for long: more time than for a fresh block pays.
    private static let level: Int32 = 9
}

extension StoredRow {
    /// Whether a block says that it is of this row.
    ///
    /// - Parameter origins: of the block.
    func isRow(of origins: [OriginRun]) -> Bool {
        guard let first = origins.first, let last = origins.last else { return points == 0 }
        return first.sequence == sequence && last.sequence == lastSequence
    }
}
