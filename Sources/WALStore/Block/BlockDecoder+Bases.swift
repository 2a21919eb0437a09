import Metrics

extension BlockDecoder {
    /// The table of a block that stands on bases: series from these, and its own, in the block's order.
    ///
    /// - Parameters:
    ///   - own: the series whose labels the block says.
    ///   - predictors: gets what the bases know of each.
    func joined(_ own: SeriesTable, _ predictors: inout [ValuePredictor]) throws(SpoolError) -> SeriesTable {
        guard own.isPlain else { throw BlockReader.broken("a block that stands on bases has more than labels") }
        var reader = BlockReader(sections[.baseSeries])
        guard reader.remaining <= BlockBase.maximumNames * 5 else { throw BlockReader.broken("too many series") }
        var join = Join(tables: bases.map(\.series) + [own])
        predictors = []
        predictors.reserveCapacity(min(reader.remaining, BlockBase.maximumNames))
        var starts = [0]
        for base in bases { starts.append(starts[starts.count - 1] + base.series.count) }
        let end = Int64(starts[starts.count - 1])
        var expected: Int64 = 0
        var ownCount = 0
        var (base, numbers) = (0, 0..<0)
        while reader.remaining > 0 {
            guard predictors.count < BlockBase.maximumNames else { throw BlockReader.broken("too many series") }
            let code = try reader.varint()
            if code == 0 {
                guard ownCount < own.count else { throw BlockReader.broken("a series has no labels") }
                try join.add(bases.count, ownCount)
                predictors.append(ValuePredictor())
                ownCount += 1
                continue
            }
            let number = expected &+ Varint.unzigzag(code - 1)
            guard number >= 0, number < end else { throw BlockReader.broken("a series is in no base") }
            if !numbers.contains(Int(number)) {
                // An empty base has none of them.
                base = starts.lastIndex { $0 <= Int(number) } ?? 0
                numbers = starts[base]..<starts[base + 1]
            }
            let id = Int(number) - numbers.lowerBound
            try join.add(base, id)
            predictors.append(bases[base].predictors[id])
            expected = number + 1
        }
        guard ownCount == own.count else { throw BlockReader.broken("a series is not in its table") }
        return try join.finished()
    }
}

/// Copies neighbours together.
private struct Join {
    let tables: [SeriesTable]
    private var table = SeriesTable()
    private var source = 0
    private var run = 0..<0
    private var bytes = 0

    init(tables: [SeriesTable]) { self.tables = tables }

    @inline(__always)
    mutating func add(_ from: Int, _ id: Int) throws(SpoolError) {
        if from == source, id == run.upperBound {
            run = run.lowerBound..<id + 1
            return
        }
        try flush()
        source = from
        run = id..<id + 1
    }

    private mutating func flush() throws(SpoolError) {
        if run.isEmpty { return }
        bytes += tables[source].labelBytes(of: run)
        guard bytes <= Block.maximumDecodedBytes else { throw BlockReader.broken("labels decode to too much") }
        table.append(tables[source], run)
    }

    mutating func finished() throws(SpoolError) -> SeriesTable {
        try flush()
        run = 0..<0
        return table
    }
}
