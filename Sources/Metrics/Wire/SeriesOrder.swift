/// Points of a batch brought into the order of their series, by counting: each series' points stand together and keep their
/// order. Reused from request to request: it keeps its memory.
struct SeriesOrder: Sendable {
    /// Where the points of each series end in `ordinals`.
    private var ends: [UInt32] = []
    private var ordinals: [UInt32] = []
    private var first = 0
    private(set) var points = 0

    /// - Parameters:
    ///   - ids: the series of each point of the batch.
    ///   - runs: ordinals, ascending.
    ///   - series: the ids that those points have.
    mutating func fill(_ ids: [UInt32], _ runs: some Sequence<Range<Int>>, of series: Range<Int>) {
        first = series.lowerBound
        ends.removeAll(keepingCapacity: true)
        ends.append(contentsOf: repeatElement(0, count: series.count))
        points = 0
        for run in runs {
            precondition(run.upperBound <= ids.count, "a slice lies inside its batch")
            points += run.count
            for ordinal in run { ends[Int(ids[ordinal]) - first] += 1 }
        }
        var start: UInt32 = 0
        for index in ends.indices { (ends[index], start) = (start, start + ends[index]) }
        if ordinals.count < points { ordinals = Array(repeating: 0, count: max(points, 2 * ordinals.count)) }
        for run in runs {
            for ordinal in run {
                let index = Int(ids[ordinal]) - first
                ordinals[Int(ends[index])] = UInt32(ordinal)
                ends[index] += 1
            }
        }
    }

    /// Ids of the series, with or without points.
    var series: Range<Int> { first..<first + ends.count }

    /// Ordinals of the points of one series.
    @inline(__always)
    func points(of series: Int) -> ArraySlice<UInt32> {
        let index = series - first
        return ordinals[(index == 0 ? 0 : Int(ends[index - 1]))..<Int(ends[index])]
    }
}
