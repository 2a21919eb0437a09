extension Batch {
    /// Makes room for a merge of `parts`, as if no two shared a series: one allocation a column instead of many.
    public mutating func reserveCapacity(merging parts: some Sequence<Batch>) {
        var (points, series, labelBytes) = (self.points.count, self.series.count, self.series.labelBytes.count)
        for part in parts {
            points += part.points.count
            series += part.series.count
            labelBytes += part.series.labelBytes.count
        }
        self.points.reserveCapacity(points)
        self.series.reserveCapacity(series: series, labelBytes: labelBytes)
    }

    /// Appends the points of `other` after our own, in their order: how one commit makes one block of many requests.
    ///
    /// - Parameter range: which ordinals of `other`; its exemplars travel with their points, and exemplars without a
    ///   point and metadata travel with the first point: of the pieces of a batch exactly one has them.
    /// - Returns: the ordinals the points have here.
    @discardableResult
    public mutating func merge(_ other: Batch, _ range: Range<Int>? = nil) -> Range<Int> {
        let range = range ?? 0..<other.points.count
        var seriesMap = SeriesMap(count: other.series.count)
        let first = merge(points: range, of: other, &seriesMap)
        mergeExemplars(of: other, range, &seriesMap, shift: first - range.lowerBound)
        if range.lowerBound == 0 { metadata.append(contentsOf: other.metadata) }
        return first..<points.count
    }

    /// Appends points of series that were found before; both columns are plain.
    ///
    /// - Parameter ids: here, by id there.
    /// - Returns: the ordinals the points have here.
    package mutating func merge(_ other: PointColumns, _ range: Range<Int>, ids: [UInt32]) -> Range<Int> {
        let first = points.count
        points.append(other, range, ids)
        return first..<points.count
    }

    /// Appends some of the points of `other`, with the exemplars that belong to them; what belongs to no point stays.
    ///
    /// - Parameter runs: ordinals of `other`, in order, none twice.
    public mutating func merge(_ other: Batch, runs: [Range<Int>]) {
        var seriesMap = SeriesMap(count: other.series.count)
        var firsts: [Int] = []
        for run in runs { firsts.append(merge(points: run, of: other, &seriesMap)) }
        for exemplar in other.exemplars {
            guard let ordinal = exemplar.ordinal.map(Int.init), let index = Batch.index(of: ordinal, in: runs)
            else { continue }
            var exemplar = exemplar
            exemplar.ordinal = UInt32(ordinal - runs[index].lowerBound + firsts[index])
            exemplar.series = mapped(exemplar.series, of: other, &seriesMap)
            exemplars.append(exemplar)
        }
    }

    /// By halving.
    private static func index(of ordinal: Int, in runs: [Range<Int>]) -> Int? {
        var (low, high) = (0, runs.count)
        while low < high {
            let middle = (low + high) / 2
            if runs[middle].upperBound <= ordinal { low = middle + 1 } else { high = middle }
        }
        return low < runs.count && runs[low].contains(ordinal) ? low : nil
    }

    /// - Returns: the ordinal that the first of them has here.
    private mutating func merge(points range: Range<Int>, of other: Batch, _ seriesMap: inout SeriesMap) -> Int {
        let first = points.count
        if other.points.isPlain, points.isPlain, other.series.isPlain {
            series.merge(other.series, of: other.points.series[range], &seriesMap)
            points.append(other.points, range, seriesMap.ids)
        } else {
            points.reserveCapacity(first + range.count)
            for ordinal in range { mergePoint(ordinal, of: other, &seriesMap, isFirst: ordinal == range.lowerBound) }
        }
        return first
    }

    @inline(__always)
    private mutating func mapped(_ id: UInt32, of other: Batch, _ map: inout SeriesMap) -> UInt32 {
        let known = map.ids[Int(id)]
        return known == SeriesMap.unknown ? mapSlow(id, of: other, &map) : known
    }

    private mutating func mapSlow(_ id: UInt32, of other: Batch, _ map: inout SeriesMap) -> UInt32 {
        var identity = other.series.identity(of: id)
        if identity != .plain {
            identity.field = intern(text: other.texts[Int(identity.field)])
            identity.unit = intern(text: other.texts[Int(identity.unit)])
            if identity.resource != 0 {
                identity.resource = intern(resource: other.resources[Int(identity.resource) - 1])
            }
            if identity.scope != 0 { identity.scope = intern(scope: other.scopes[Int(identity.scope) - 1]) }
        }
        let hash = other.series.hash(of: id)
        let here = other.series.withLabels(of: id) { labels in
            series.find(labels, hash: hash, identity: identity)
                ?? series.insert(
                    labels, hash: hash, identity: identity, hasPrometheusNames: other.series.hasPrometheusNames)
        }
        map.ids[Int(id)] = here
        return here
    }

    private mutating func mergePoint(_ ordinal: Int, of other: Batch, _ map: inout SeriesMap, isFirst: Bool) {
        let id = mapped(other.points.series[ordinal], of: other, &map)
        let time = other.points.times[ordinal]
        let start = other.points.startTime(at: ordinal)
        var flags = other.points.flags(at: ordinal)
        // The row it shared began before the range: here it begins a row of its own.
        if isFirst { flags.remove(.sharesRow) }
        let index = Int(truncatingIfNeeded: other.points.bits[ordinal])
        switch other.points.kind(at: ordinal) {
        case .string:
            append(series: id, time: time, string: other.strings[index], startTime: start, flags: flags)
        case .explicitHistogram:
            append(
                series: id, time: time, explicit: other.explicitHistograms[index], startTime: start, flags: flags)
        case .exponentialHistogram:
            append(
                series: id, time: time, exponential: other.exponentialHistograms[index], startTime: start, flags: flags)
        case .summary:
            append(series: id, time: time, summary: other.summaries[index], startTime: start, flags: flags)
        case let scalar:
            points.append(
                series: id, time: time, kind: scalar, bits: other.points.bits[ordinal], startTime: start, flags: flags)
        }
    }

    private mutating func mergeExemplars(of other: Batch, _ range: Range<Int>, _ map: inout SeriesMap, shift: Int) {
        let isFirst = range.lowerBound == 0
        for exemplar in other.exemplars {
            var exemplar = exemplar
            if let ordinal = exemplar.ordinal {
                guard range.contains(Int(ordinal)) else { continue }
                exemplar.ordinal = UInt32(Int(ordinal) + shift)
            } else if !isFirst {
                continue
            }
            exemplar.series = mapped(exemplar.series, of: other, &map)
            exemplars.append(exemplar)
        }
    }
}
