import Metrics

extension BlockDecoder {
    /// Where the series of a block that stands on bases are.
    ///
    /// - Parameter own: those that the block says itself.
    func names(own: SeriesTable) throws(SpoolError) -> BaseNames {
        var none: [ValuePredictor] = []
        return try names(own: own, &none, wantsPredictors: false)
    }

    /// - Parameters:
    ///   - own: those that the block says itself.
    ///   - predictors: gets what the bases know of each, if it is wanted.
    func names(
        own: SeriesTable, _ predictors: inout [ValuePredictor], wantsPredictors: Bool = true
    ) throws(SpoolError) -> BaseNames {
        guard own.isPlain else { throw BlockReader.broken("a block that stands on bases has more than labels") }
        var names = BaseNames(bases: bases)
        let room = min(sections[.baseSeries].count, BlockBase.maximumNames)
        names.ids.reserveCapacity(room)
        predictors = []
        if wantsPredictors { predictors.reserveCapacity(room) }
        let starts = baseStarts
        try eachRun(own: own) { base, first, count in
            guard let base else {
                names.ids.append(BaseNames.own)
                if wantsPredictors { predictors.append(ValuePredictor()) }
                return
            }
            if count == 1 {
                names.ids.append(UInt32(starts[base] + first))
            } else {
                names.ids.appendNumbers(from: UInt32(starts[base] + first), count)
            }
            if wantsPredictors { predictors.append(contentsOf: bases[base].predictors[first..<first + count]) }
        }
        return names
    }

    /// The same as runs, without a number for each.
    func baseRuns(own: SeriesTable) throws(SpoolError) -> [BaseRun] {
        guard own.isPlain else { throw BlockReader.broken("a block that stands on bases has more than labels") }
        var runs: [BaseRun] = []
        try eachRun(own: own) { base, first, count in
            if let last = runs.last, last.base == base, last.first + last.count == first {
                runs[runs.count - 1].count += count
            } else {
                runs.append(BaseRun(base: base, first: first, count: count))
            }
        }
        return runs
    }

    /// Where the numbers of each base begin, counted through all of them; and the end.
    private var baseStarts: [Int] {
        var starts = [0]
        for base in bases { starts.append(starts[starts.count - 1] + base.series.count) }
        return starts
    }

    /// Goes through the series of a block that stands on bases, in its order.
    ///
    /// - Parameter body: gets neighbours: in which of `bases` they are (nil: the block says them itself), the number there of
    ///   the first, and how many they are.
    @inline(__always)
    private func eachRun(
        own: SeriesTable, _ body: (_ base: Int?, _ first: Int, _ count: Int) -> Void
    ) throws(SpoolError) {
        var reader = BlockReader(sections[.baseSeries])
        guard reader.remaining <= BlockBase.maximumNames * 5 else { throw BlockReader.broken("too many series") }
        let starts = baseStarts
        let end = Int64(starts[starts.count - 1])
        var (total, ownCount) = (0, 0)
        var expected: Int64 = 0
        var (base, numbers) = (0, 0..<0)
        while reader.remaining > 0 {
            guard total < BlockBase.maximumNames else { throw BlockReader.broken("too many series") }
            let code = try reader.varint()
            if code == 0 {
                guard ownCount < own.count else { throw BlockReader.broken("a series has no labels") }
                body(nil, ownCount, 1)
                ownCount += 1
                total += 1
                continue
            }
            let number = expected &+ Varint.unzigzag(code - 1)
            guard number >= 0, number < end else { throw BlockReader.broken("a series is in no base") }
            if !numbers.contains(Int(number)) {
                // An empty base has none of them.
                base = starts.lastIndex { $0 <= Int(number) } ?? 0
                numbers = starts[base]..<starts[base + 1]
            }
            expected = number + 1
            // The neighbours in a base mostly are neighbours here.
            let room = min(numbers.upperBound - Int(expected), BlockBase.maximumNames - total - 1)
            let more = reader.run(of: BlockDecoder.nextNumber, atMost: room)
            body(base, Int(number) - numbers.lowerBound, 1 + more)
            expected += Int64(more)
            total += 1 + more
        }
        guard ownCount == own.count else { throw BlockReader.broken("a series is not in its table") }
    }

    /// How the number behind the one before is written.
    private static let nextNumber: UInt8 = 1

    /// The table of such a block: series of its bases, and its own, in the block's order.
    func joined(_ own: SeriesTable, _ names: BaseNames) throws(SpoolError) -> SeriesTable {
        var table = SeriesTable()
        var (bytes, ownCount) = (0, 0)
        names.forEachRun { base, series in
            let source = base?.0.series ?? own
            let first = base?.first ?? ownCount
            if base == nil { ownCount += series.count }
            let run = first..<first + series.count
            bytes += source.labelBytes(of: run)
            if bytes <= Block.maximumDecodedBytes { table.append(source, run) }
        }
        guard bytes <= Block.maximumDecodedBytes else { throw BlockReader.broken("labels decode to too much") }
        return table
    }
}
