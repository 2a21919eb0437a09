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
        order.fill(batch.points.series, runs, of: series)
        guard version == .first else { return appendSecondSeries(batch, into: &body) }
        for id in order.series {
            let ordinals = order.points(of: id)
            if !ordinals.isEmpty { appendPlain(batch, UInt32(id), ordinals, into: &body) }
        }
        return order.points
    }
}
