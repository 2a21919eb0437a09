import Metrics

/// A point of a series that somebody looks for.
struct ChosenPoint: Sendable, Hashable {
    /// In the block's points.
    var ordinal: Int
    var series: UInt32
    /// Nanoseconds; 0 until `readTimes`.
    var time: Int64 = 0
}

/// Few points of many: columns are walked by runs, and none is made.
extension BlockDecoder {
    /// - Parameters:
    ///   - wanted: numbers of series, rising.
    ///   - series: how many the block has.
    /// - Returns: the points of the wanted ones, in the block's order, and how many points the block has.
    func points(of wanted: [Int], series: Int) throws(SpoolError) -> (chosen: [ChosenPoint], count: Int) {
        var reader = BlockReader(sections[.pointSeries])
        guard reader.remaining <= Block.maximumPoints * 5 else { throw BlockReader.broken("too many points") }
        var chosen: [ChosenPoint] = []
        var (ordinal, expected) = (0, Int64(0))
        while reader.remaining > 0 {
            let id = expected &+ Varint.unzigzag(try reader.varint())
            guard id >= 0, id < Int64(series), ordinal < Block.maximumPoints else {
                throw BlockReader.broken("a point has no series")
            }
            let (first, room) = (Int(id), Block.maximumPoints - ordinal - 1)
            // Each series comes behind the one before, or one again and again.
            let rising = reader.run(of: BlockDecoder.nextSeries, atMost: min(series - first - 1, room))
            let repeats = rising > 0 ? 0 : reader.run(of: BlockDecoder.sameSeries, atMost: room)
            var index = BlockDecoder.lowerBound(wanted, first)
            while index < wanted.count, wanted[index] <= first + rising {
                let series = wanted[index]
                for again in 0...repeats {
                    chosen.append(ChosenPoint(ordinal: ordinal + series - first + again, series: UInt32(series)))
                }
                index += 1
            }
            expected = id + Int64(rising) + 1
            ordinal += 1 + rising + repeats
        }
        return (chosen, ordinal)
    }

    /// How the number behind the one before, and the same again, are written.
    private static let nextSeries: UInt8 = 0
    private static let sameSeries: UInt8 = 1

    /// The first of rising numbers that is no less.
    private static func lowerBound(_ numbers: [Int], _ number: Int) -> Int {
        var (low, high) = (0, numbers.count)
        while low < high {
            let middle = (low + high) / 2
            if numbers[middle] < number { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// - Parameters:
    ///   - chosen: in the block's order; each gets its time.
    ///   - count: how many points the block has.
    func readTimes(of chosen: inout [ChosenPoint], count: Int) throws(SpoolError) {
        var reader = BlockReader(sections[.times])
        guard reader.remaining >= count else { throw BlockReader.broken("a point has no time") }
        let unit: Int64 = sections.flags.contains(.millisecondTimes) ? 1_000_000 : 1
        var (value, time, ordinal, next) = (Int64(0), Int64(0), 0, 0)
        while ordinal < count {
            let step = Varint.unzigzag(try reader.varint())
            if step != 0 {
                value = value &+ step
                let (scaled, overflow) = value.multipliedReportingOverflow(by: unit)
                guard !overflow else { throw BlockReader.broken("a time is out of range") }
                time = scaled
            }
            ordinal += 1 + reader.run(of: 0, atMost: count - ordinal - 1)
            while next < chosen.count, chosen[next].ordinal < ordinal {
                chosen[next].time = time
                next += 1
            }
        }
        try reader.finish()
    }
}
