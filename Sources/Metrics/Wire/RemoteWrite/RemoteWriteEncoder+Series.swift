extension RemoteWriteEncoder {
    /// Whether each series of `batch` is one of its own at the receiver, and `append(_:_:of:into:)` may be used: only float64
    /// samples, no exemplars, and labels that go out as they are. Names that have to be changed may become those of
    /// another series.
    public static func keepsSeriesApart(_ batch: Batch) -> Bool {
        guard batch.points.kinds.isEmpty, batch.points.flags.isEmpty, batch.exemplars.isEmpty, batch.series.isPlain
        else { return false }
        for id in 0..<UInt32(batch.series.count) where !PrometheusLabels.areUsable(batch, id) { return false }
        return true
    }

    /// Appends points of `batch` series by series: the labels of a series go out once for all of its points, which keep
    /// their order.
    ///
    /// - Parameters:
    ///   - batch: one of which `keepsSeriesApart` is true.
    ///   - runs: ordinals, ascending.
    ///   - series: the ids that those points have.
    /// - Returns: how many points were appended.
    public mutating func append(
        _ batch: Batch, _ runs: some Sequence<Range<Int>>, of series: Range<Int>, into body: inout [UInt8]
    ) -> Int {
        // By counting: how many points each series has, where its points begin, and then each point in its place.
        ends.removeAll(keepingCapacity: true)
        ends.append(contentsOf: repeatElement(0, count: series.count))
        var points = 0
        for run in runs {
            precondition(run.upperBound <= batch.points.count, "a slice lies inside its batch")
            points += run.count
            for ordinal in run { ends[Int(batch.points.series[ordinal]) - series.lowerBound] += 1 }
        }
        var start: UInt32 = 0
        for index in ends.indices { (ends[index], start) = (start, start + ends[index]) }
        if order.count < points { order = Array(repeating: 0, count: max(points, 2 * order.count)) }
        for run in runs {
            for ordinal in run {
                let index = Int(batch.points.series[ordinal]) - series.lowerBound
                order[Int(ends[index])] = UInt32(ordinal)
                ends[index] += 1
            }
        }
        var from = 0
        for index in ends.indices {
            let end = Int(ends[index])
            if end > from { appendPlain(batch, UInt32(series.lowerBound + index), order[from..<end], into: &body) }
            from = end
        }
        return points
    }
}
