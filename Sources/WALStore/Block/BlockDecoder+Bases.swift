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
        var reader = BlockReader(sections[.baseSeries])
        guard reader.remaining <= BlockBase.maximumNames * 5 else { throw BlockReader.broken("too many series") }
        var names = BaseNames(bases: bases)
        names.ids.reserveCapacity(min(reader.remaining, BlockBase.maximumNames))
        predictors = []
        if wantsPredictors { predictors.reserveCapacity(min(reader.remaining, BlockBase.maximumNames)) }
        var starts = [0]
        for base in bases { starts.append(starts[starts.count - 1] + base.series.count) }
        let end = Int64(starts[starts.count - 1])
        var expected: Int64 = 0
        var ownCount = 0
        var (base, numbers) = (0, 0..<0)
        while reader.remaining > 0 {
            guard names.ids.count < BlockBase.maximumNames else { throw BlockReader.broken("too many series") }
            let code = try reader.varint()
            if code == 0 {
                guard ownCount < own.count else { throw BlockReader.broken("a series has no labels") }
                names.ids.append(BaseNames.own)
                if wantsPredictors { predictors.append(ValuePredictor()) }
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
            names.ids.append(UInt32(number))
            if wantsPredictors { predictors.append(bases[base].predictors[Int(number) - numbers.lowerBound]) }
            expected = number + 1
            // The neighbours in a base mostly are neighbours here.
            let room = min(numbers.upperBound - Int(expected), BlockBase.maximumNames - names.ids.count)
            let more = reader.run(of: BlockDecoder.nextNumber, atMost: room)
            if more > 0 {
                let first = Int(expected)
                names.ids.appendNumbers(from: UInt32(first), more)
                let place = first - numbers.lowerBound
                if wantsPredictors { predictors.append(contentsOf: bases[base].predictors[place..<place + more]) }
                expected += Int64(more)
            }
        }
        guard ownCount == own.count else { throw BlockReader.broken("a series is not in its table") }
        return names
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
