/// What a slice of a batch became in a remote write body.
public struct RemoteWriteCounts: Sendable, Equatable {
    /// Why a point is in no body.
    public enum Exclusion: String, Sendable, CaseIterable {
        /// Remote write has no text.
        case stringValue = "string_value"
        /// Native histograms have resolutions -4...8 and custom bounds.
        case histogramSchema = "histogram_schema"
    }
    public struct Excluded: Sendable, Equatable {
        public var ordinal: Int
        public var reason: Exclusion
    }

    /// Points of the batch that are in the body.
    public var points = 0
    /// Samples and native histograms they became: a classic histogram is many.
    public var samples = 0
    /// Those of them that are native histograms.
    public var histograms = 0
    public var exemplars = 0
    /// `timeseries` messages whose names had to be changed to Prometheus' alphabet.
    public var renamed = 0
    /// Integers beyond 2^53 that no float64 holds exactly.
    public var rounded = 0
    public var excluded: [Excluded] = []

    public init() {}
}

/// Which message a remote write body is.
public enum RemoteWriteVersion: Sendable {
    /// `prometheus.WriteRequest`: <https://prometheus.io/docs/specs/prw/remote_write_spec/>
    case first
    /// `io.prometheus.write.v2.Request`: <https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/>
    case second
}

/// Encodes remote write, before compression.
///
/// A body is the `timeseries` messages of any number of `append` calls, one after the other: repeated fields
/// concatenate. Before those of 2.0 stand its symbols (`begin`, `appendSymbols`). Reuse one encoder: it keeps its memory.
///
/// What Prometheus has no form for becomes what its own converters make of it: integers and booleans are float64, times
/// are whole milliseconds (floor), a field of line protocol is `measurement_field` (`value` is the measurement alone),
/// explicit histograms are `_bucket`, `_sum` and `_count`, summaries `{quantile}`, `_sum` and `_count`, attributes of a
/// resource and a scope are labels, and a point without a recorded value is a stale marker.
public struct RemoteWriteEncoder: Sendable {
    /// Labels of the series at hand when they are not those of the batch as they are.
    var rewriter = PrometheusLabels()
    /// The fields of a message behind its labels, until their size is known.
    var message: [UInt8] = []
    /// Exemplars of the slice at hand, by ordinal.
    private(set) var exemplarOrder: [(ordinal: UInt32, index: Int)] = []
    private var nextExemplar = 0
    /// The points at hand, series by series.
    var order = SeriesOrder()
    let version: RemoteWriteVersion
    /// What only 2.0 has.
    var second = RemoteWriteSecondParts()

    public init(_ version: RemoteWriteVersion = .first) { self.version = version }

    /// Appends the points `ordinals` of `batch`, in order, to `body`.
    ///
    /// Points of one series next to each other share one message. Exemplars go with their points; those without a point
    /// go when `ordinals` is the whole batch; in 2.0, which has no series without points, with the last point of their series.
    @discardableResult
    public mutating func append(
        _ batch: Batch, _ ordinals: Range<Int>, into body: inout [UInt8]
    ) -> RemoteWriteCounts {
        precondition(ordinals.upperBound <= batch.points.count, "a slice lies inside its batch")
        var counts = RemoteWriteCounts()
        listExemplars(of: batch, ordinals)
        let isPlain = batch.points.kinds.isEmpty && batch.points.flags.isEmpty && exemplarOrder.isEmpty
        if version == .second { beginSecond(batch) }
        var first = ordinals.lowerBound
        while first < ordinals.upperBound {
            let id = batch.points.series[first]
            var end = first + 1
            while end < ordinals.upperBound, batch.points.series[end] == id { end += 1 }
            appendSeries(batch, id, first..<end, isPlain: isPlain, into: &body, &counts)
            first = end
        }
        if version == .first, ordinals.count == batch.points.count {
            appendLooseExemplars(of: batch, into: &body, &counts)
        }
        return counts
    }

    private mutating func appendSeries(
        _ batch: Batch, _ id: UInt32, _ ordinals: Range<Int>, isPlain: Bool, into body: inout [UInt8],
        _ counts: inout RemoteWriteCounts
    ) {
        if isPlain, PrometheusLabels.areUsable(batch, id) {
            if version == .first {
                appendPlain(batch, id, ordinals, into: &body)
            } else {
                appendSecondPlain(batch, id, ordinals, into: &body)
            }
            counts.points += ordinals.count
            counts.samples += ordinals.count
            return
        }
        if version == .second { beginSecondSeries(batch, id) }
        appendRewritten(batch, id, ordinals, into: &body, &counts)
    }

    /// The common case: float64 samples under labels that are copied as they are.
    @inline(__always)
    func appendPlain(
        _ batch: Batch, _ id: UInt32, _ ordinals: some Collection<some FixedWidthInteger>, into body: inout [UInt8]
    ) {
        batch.series.withLabels(of: id) { labels in
            var size = labels.count
            for ordinal in ordinals {
                let ordinal = Int(truncatingIfNeeded: ordinal)
                size += RemoteWriteSample(batch.points.bits[ordinal], at: batch.points.times[ordinal]).fieldLength
            }
            // The size is known: one check of the room for all of it.
            body.appendUninitialized(1 + Varint.length(size) + size) { room in
                var writer = RawWriter(room)
                writer.append(0x0A)
                writer.append(varint: UInt64(size))
                writer.append(labels)
                for ordinal in ordinals {
                    let ordinal = Int(truncatingIfNeeded: ordinal)
                    RemoteWriteSample(batch.points.bits[ordinal], at: batch.points.times[ordinal]).append(to: &writer)
                }
                return (writer.written, ())
            }
        }
    }

    // MARK: Exemplars

    private mutating func listExemplars(of batch: Batch, _ ordinals: Range<Int>) {
        exemplarOrder.removeAll(keepingCapacity: true)
        nextExemplar = 0
        for (index, exemplar) in batch.exemplars.enumerated() {
            guard let ordinal = exemplar.ordinal, ordinals.contains(Int(ordinal)) else { continue }
            exemplarOrder.append((ordinal, index))
        }
        if version == .second { exemplarOrder += RemoteWriteEncoder.looseExemplars(of: batch, ordinals) }
        exemplarOrder.sort { $0 < $1 }
    }

    /// The exemplars of the points up to `end`, once each.
    mutating func takeExemplars(before end: Int) -> ArraySlice<(ordinal: UInt32, index: Int)> {
        let start = nextExemplar
        while nextExemplar < exemplarOrder.count, exemplarOrder[nextExemplar].ordinal < end { nextExemplar += 1 }
        return exemplarOrder[start..<nextExemplar]
    }

    private mutating func appendLooseExemplars(
        of batch: Batch, into body: inout [UInt8], _ counts: inout RemoteWriteCounts
    ) {
        for exemplar in batch.exemplars where exemplar.ordinal == nil {
            let isChanged = rewriter.set(batch, exemplar.series)
            counts.renamed += isChanged ? 1 : 0
            let message = RemoteWriteExemplar(exemplar, pointTime: nil)
            body.append(0x0A)
            Varint.append(UInt64(rewriter.canonical.count + message.fieldLength), to: &body)
            body.append(contentsOf: rewriter.canonical)
            message.append(to: &body)
            counts.exemplars += 1
        }
    }
}
