/// A batch as rules let it go to one backend. Ordinals are those of the batch that it was: a point keeps its place.
public struct RoutedBatch: Sendable {
    /// With the series as they go out. Two that have become one are one, with their points in the order of arrival. Points that
    /// are excluded are of the series `keptSeries`, if there are any; it means nothing.
    public var batch: Batch
    /// So many series go on: those of lower ids.
    public var keptSeries: UInt32

    public init(batch: Batch, keptSeries: UInt32) {
        self.batch = batch
        self.keptSeries = keptSeries
    }

    public func isExcluded(_ ordinal: Int) -> Bool { batch.points.series[ordinal] >= keptSeries }

    /// How many of a run of points are excluded.
    public func excluded(in ordinals: Range<Int>) -> Int {
        batch.points.series[ordinals].withUnsafeBufferPointer { ids in
            var count = 0
            for id in ids where id >= keptSeries { count += 1 }
            return count
        }
    }

    /// Calls `body` with each run of points of `ordinals` that go on, in order.
    public func kept(in ordinals: Range<Int>, _ body: (Range<Int>) -> Void) {
        batch.points.series.withUnsafeBufferPointer { ids in
            var start = ordinals.lowerBound
            while start < ordinals.upperBound {
                while start < ordinals.upperBound, ids[start] >= keptSeries { start += 1 }
                var end = start
                while end < ordinals.upperBound, ids[end] < keptSeries { end += 1 }
                if start < end { body(start..<end) }
                start = end
            }
        }
    }
}

/// What rules say of series, remembered from batch to batch: the same series come again and again.
public struct RouteMemory: Sendable {
    private enum Known {
        case excluded
        case same
        case changed([UInt8], isRenamed: Bool)
    }

    public let rules: RouteRules
    /// About so much is remembered; then it is begun anew.
    private let maximumBytes: Int
    private var known: [SeriesKey: Known] = [:]
    /// Of metrics that go on, as they are called then.
    private var names: Set<ExactText> = []
    private var nameBytes = 0
    private var knownBytes = 0
    private var builder = LabelBuilder()
    private var key: [UInt8] = []

    /// Of an entry without labels, with the room that a table keeps free.
    private static let entryBytes = 64

    public init(_ rules: RouteRules, maximumBytes: Int = 2 << 20) {
        self.rules = rules
        self.maximumBytes = maximumBytes
    }

    public mutating func route(_ batch: Batch) -> RoutedBatch {
        var routed = batch
        var (table, ids) = (SeriesTable(), [UInt32](repeating: .max, count: batch.series.count))
        var anyExcluded: UInt32?
        var hasChanged = false
        for id in ids.indices {
            switch verdict(batch, UInt32(id)) {
            case .excluded: anyExcluded = anyExcluded ?? UInt32(id)
            case .same:
                let identity = batch.series.identity(of: UInt32(id))
                ids[id] = batch.series.withLabels(of: UInt32(id)) { table.intern($0, identity: identity) }
            case .changed(let labels, let isRenamed):
                hasChanged = true
                var identity = batch.series.identity(of: UInt32(id))
                if isRenamed { identity.field = routed.intern(text: "value") }
                ids[id] = labels.withUnsafeBytes { table.intern($0, identity: identity) }
            }
        }
        let kept = UInt32(table.count)
        // Nothing is left out, and all are what they were.
        if anyExcluded == nil, !hasChanged {
            keepMetadata(in: &routed)
            return RoutedBatch(batch: routed, keptSeries: UInt32(batch.series.count))
        }
        if let anyExcluded {
            batch.series.withLabels(of: anyExcluded) { labels in
                _ = table.insert(
                    labels, hash: SeriesTable.hash(labels), identity: batch.series.identity(of: anyExcluded))
            }
        }
        for id in ids.indices where ids[id] == .max { ids[id] = kept }
        // Names that nobody changed are what they were.
        table.hasPrometheusNames = !hasChanged && batch.series.hasPrometheusNames
        routed.replaceSeries(table, ids, kept: kept)
        keepMetadata(in: &routed)
        return RoutedBatch(batch: routed, keptSeries: kept)
    }

    /// What is said of metrics that do not go on stays, as far as their series have come by: it is said apart from them, and
    /// again and again.
    private func keepMetadata(in batch: inout Batch) {
        if batch.metadata.isEmpty || rules.letsAllThrough { return }
        batch.metadata.removeAll { item in
            !RouteMemory.suffixes.contains { names.contains(ExactText(item.family + $0)) }
        }
    }

    private static let suffixes = ["", "_total", "_bucket", "_sum", "_count", "_created", "_info"]

    private mutating func verdict(_ batch: Batch, _ id: UInt32) -> Known {
        let key = batch.key(ofSeries: id, scratch: &key)
        if let known = known[key] { return known }
        let found: Known =
            switch rules.verdict(batch, id, &builder, key: &self.key) {
            case .excluded: .excluded
            case .same: .same
            case .changed(let isRenamed): .changed(builder.canonical, isRenamed: isRenamed)
            }
        if knownBytes > maximumBytes { (known, knownBytes) = ([:], 0) }
        known[key] = found
        knownBytes += RouteMemory.entryBytes
        switch found {
        case .excluded: break
        case .same: addName(SeriesSelector.metricName(batch, id))
        case .changed(let labels, _):
            knownBytes += labels.count
            addName(labels.withUnsafeBytes { SeriesSelector.metricName($0) })
        }
        return found
    }

    private mutating func addName(_ name: String) {
        // Metrics are few beside series, unless somebody makes a name of each.
        if nameBytes > maximumBytes { (names, nameBytes) = ([], 0) }
        if !rules.letsAllThrough, names.insert(ExactText(name)).inserted {
            nameBytes += RouteMemory.entryBytes + name.utf8.count
        }
    }

    /// Whether a point of this series goes on.
    public mutating func keeps(_ batch: Batch, series id: UInt32) -> Bool {
        if case .excluded = verdict(batch, id) { false } else { true }
    }
}

extension Batch {
    /// - Parameter ids: of the new table, by id of the old one.
    fileprivate mutating func replaceSeries(_ table: SeriesTable, _ ids: [UInt32], kept: UInt32) {
        let old = points.series
        points.series = old.map { ids[Int($0)] }
        if !points.flags.isEmpty {
            // Fields of one line go on as one line only while their labels are still the same.
            for ordinal in points.flags.indices.dropFirst() where points.flags[ordinal].contains(.sharesRow) {
                let (before, here) = (points.series[ordinal - 1], points.series[ordinal])
                let isShared =
                    before < kept && here < kept
                    && table.labelBytes[table.labelRange(of: before)] == table.labelBytes[table.labelRange(of: here)]
                if !isShared { points.flags[ordinal].remove(.sharesRow) }
            }
        }
        series = table
        exemplars = exemplars.compactMap { exemplar in
            let id = ids[Int(exemplar.series)]
            guard id < kept else { return nil }
            var exemplar = exemplar
            exemplar.series = id
            return exemplar
        }
    }
}

extension SeriesSelector {
    fileprivate static func metricName(_ batch: Batch, _ id: UInt32) -> String {
        if batch.series.identity(of: id).field != 0 { return name(batch, id) }
        return batch.series.withLabels(of: id) { metricName($0) }
    }

    fileprivate static func metricName(_ labels: UnsafeRawBufferPointer) -> String {
        LabelIterator(labels).first { $0.nameString == "__name__" }?.valueString ?? ""
    }
}
