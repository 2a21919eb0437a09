import Metrics

extension BlockDecoder {
    /// Attribute values nest; a stranger's spool must not nest until the stack ends.
    private static let maximumDepth = 32

    static func resource(_ reader: inout BlockReader) throws(SpoolError) -> Resource {
        let schemaURL = try reader.text()
        return Resource(attributes: try attributes(&reader, depth: 0), schemaURL: schemaURL)
    }

    static func scope(_ reader: inout BlockReader) throws(SpoolError) -> Scope {
        let name = try reader.text()
        let version = try reader.text()
        let schemaURL = try reader.text()
        return Scope(
            name: name, version: version, attributes: try attributes(&reader, depth: 0), schemaURL: schemaURL)
    }

    private static func attributes(_ reader: inout BlockReader, depth: Int) throws(SpoolError) -> [Attribute] {
        var attributes: [Attribute] = []
        for _ in 0..<(try reader.count(entryBytes: 2)) {
            let key = try reader.text()
            attributes.append(Attribute(key, try value(&reader, depth: depth)))
        }
        return attributes
    }

    private static func value(_ reader: inout BlockReader, depth: Int) throws(SpoolError) -> AttributeValue {
        guard depth < maximumDepth else { throw BlockReader.broken("attributes nest too deep") }
        switch try reader.byte() {
        case 0: return .empty
        case 1: return .string(try reader.text())
        case 2: return .bool(try reader.byte() != 0)
        case 3: return .int(try reader.zigzag())
        case 4: return .double(try reader.fixed())
        case 5: return .bytes(try reader.countedBytes())
        case 6:
            var values: [AttributeValue] = []
            for _ in 0..<(try reader.count()) { values.append(try value(&reader, depth: depth + 1)) }
            return .array(values)
        case 7: return .map(try attributes(&reader, depth: depth + 1))
        default: throw BlockReader.broken("an unknown kind of attribute")
        }
    }

    static func metadata(_ reader: inout BlockReader) throws(SpoolError) -> MetricMetadata {
        let family = try reader.text()
        guard let kind = MetricKind(rawValue: try reader.byte()) else { throw BlockReader.broken("an unknown kind") }
        let help = try reader.text()
        return MetricMetadata(family: family, kind: kind, help: help, unit: try reader.text())
    }

    func readComplexValues(into batch: inout Batch) throws(SpoolError) {
        batch.strings = try list(.strings) { (reader) throws(SpoolError) in try reader.countedBytes() }
        batch.explicitHistograms = try list(.explicitHistograms, BlockDecoder.explicitHistogram)
        batch.exponentialHistograms = try list(.exponentialHistograms, BlockDecoder.exponentialHistogram)
        batch.summaries = try list(.summaries, BlockDecoder.summary)
        var counts = [Int](repeating: 0, count: PointKind.allCases.count)
        for kind in batch.points.kinds { counts[Int(kind.rawValue)] += 1 }
        guard counts[Int(PointKind.string.rawValue)] == batch.strings.count,
            counts[Int(PointKind.explicitHistogram.rawValue)] == batch.explicitHistograms.count,
            counts[Int(PointKind.exponentialHistogram.rawValue)] == batch.exponentialHistograms.count,
            counts[Int(PointKind.summary.rawValue)] == batch.summaries.count
        else { throw BlockReader.broken("a table and its points differ") }
    }

    func readExemplars(into batch: inout Batch) throws(SpoolError) {
        let series = batch.series.count
        let points = batch.points.count
        batch.exemplars = try list(.exemplars) { (reader) throws(SpoolError) in
            guard series > 0 else { throw BlockReader.broken("an exemplar has no series") }
            let id = try BlockDecoder.index(&reader, atMost: series - 1)
            let ordinal = try BlockDecoder.index(&reader, atMost: points)
            let labels = try reader.countedBytes()
            guard labels.withUnsafeBytes({ CanonicalLabels.isWellFramed($0) }) else {
                throw BlockReader.broken("labels are not canonical")
            }
            let bits = try reader.fixed()
            let time = try reader.byte() == 0 ? nil : try reader.zigzag()
            return Exemplar(
                series: id, ordinal: ordinal == 0 ? nil : ordinal - 1, labels: labels, valueBits: bits, time: time)
        }
    }

    private static func explicitHistogram(_ reader: inout BlockReader) throws(SpoolError) -> ExplicitHistogram {
        let count = try reader.varint()
        let present = try reader.byte()
        let sum = present & 1 == 0 ? nil : try reader.fixed()
        let minimum = present & 2 == 0 ? nil : try reader.fixed()
        let maximum = present & 4 == 0 ? nil : try reader.fixed()
        let bounds = try reader.fixedList()
        var buckets: [UInt64] = []
        for _ in 0..<(try reader.count()) { buckets.append(try reader.varint()) }
        return ExplicitHistogram(
            count: count, sumBits: sum, bounds: bounds, bucketCounts: buckets, minimumBits: minimum,
            maximumBits: maximum)
    }

    private static func exponentialHistogram(_ reader: inout BlockReader) throws(SpoolError) -> ExponentialHistogram {
        let count = try histogramCount(&reader)
        let sum = try reader.fixed()
        guard let schema = Int32(exactly: try reader.zigzag()) else {
            throw BlockReader.broken("a schema is too large")
        }
        var histogram = ExponentialHistogram(count: count, sumBits: sum, schema: schema)
        histogram.zeroThresholdBits = try reader.fixed()
        histogram.zeroCount = try histogramCount(&reader)
        histogram.negative = try buckets(&reader)
        histogram.positive = try buckets(&reader)
        histogram.customBounds = try reader.fixedList()
        histogram.resetHint = try reader.byte()
        let present = try reader.byte()
        histogram.minimumBits = present & 2 == 0 ? nil : try reader.fixed()
        histogram.maximumBits = present & 4 == 0 ? nil : try reader.fixed()
        return histogram
    }

    private static func histogramCount(_ reader: inout BlockReader) throws(SpoolError) -> HistogramCount {
        switch try reader.byte() {
        case 0: return .integer(try reader.varint())
        case 1: return .float(try reader.fixed())
        default: throw BlockReader.broken("an unknown form of count")
        }
    }

    private static func buckets(_ reader: inout BlockReader) throws(SpoolError) -> HistogramBuckets {
        var buckets = HistogramBuckets()
        for _ in 0..<(try reader.count(entryBytes: 2)) {
            let offset = try reader.zigzag()
            let length = try reader.varint()
            guard let offset = Int32(exactly: offset), let length = UInt32(exactly: length) else {
                throw BlockReader.broken("a bucket span is out of range")
            }
            buckets.spans.append(BucketSpan(offset: offset, length: length))
        }
        for _ in 0..<(try reader.count()) { buckets.deltas.append(try reader.zigzag()) }
        buckets.counts = try reader.fixedList()
        return buckets
    }

    private static func summary(_ reader: inout BlockReader) throws(SpoolError) -> Summary {
        let count = try reader.varint()
        let sum = try reader.fixed()
        var quantiles: [Summary.Quantile] = []
        for _ in 0..<(try reader.count(entryBytes: 16)) {
            let quantile = try reader.fixed()
            quantiles.append(Summary.Quantile(quantileBits: quantile, valueBits: try reader.fixed()))
        }
        return Summary(count: count, sumBits: sum, quantiles: quantiles)
    }
}
