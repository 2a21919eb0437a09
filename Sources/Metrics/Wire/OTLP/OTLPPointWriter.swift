/// Writes the data points of one metric.
struct OTLPPointWriter: Sendable {
    /// `data_points` fields.
    private(set) var bytes: [UInt8] = []
    /// Integers that went out as float64.
    private(set) var rounded = 0
    /// Attributes of the series at hand.
    private var attributes: [UInt8] = []
    /// What is inside of one point.
    private var message: [UInt8] = []
    private var buckets = OTLPBuckets()
    private var packed: [UInt8] = []
    private var exemplars = ExemplarOrder()

    mutating func begin(_ batch: Batch) {
        rounded = 0
        exemplars.fill(batch)
    }

    mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

    /// - Parameters:
    ///   - ordinals: of the series' points.
    ///   - data: of the metric; points that have another are passed over.
    ///   - isSource: whether `job` and `instance` are the resource's.
    mutating func append(
        _ ordinals: ArraySlice<UInt32>, of member: OTLPLayout.Member, _ batch: Batch, _ data: OTLPData, isSource: Bool
    ) {
        attributes.removeAll(keepingCapacity: true)
        batch.series.withLabels(of: member.series) { labels in
            OTLPValues.append(labels: labels, field: data.attributesField, isSource: isSource, to: &attributes)
        }
        if batch.points.kinds.isEmpty, batch.points.flags.isEmpty, exemplars.isEmpty {
            for ordinal in ordinals { appendFloat(batch.points, Int(ordinal)) }
            return
        }
        for ordinal in ordinals {
            let ordinal = Int(ordinal)
            if member.isMixed {
                guard case .success(data) = OTLPData.of(batch, ordinal, isSum: data == .sum) else { continue }
            }
            message.removeAll(keepingCapacity: true)
            switch data {
            case .gauge, .sum: appendNumber(batch, ordinal)
            case .summary: appendSummary(batch, ordinal)
            case .histogram: appendHistogram(batch, ordinal)
            case .exponential: appendExponential(batch, ordinal)
            }
            OTLPValues.append(message: message, field: OTLPField.Data.points, to: &bytes)
        }
    }

    // MARK: Numbers

    /// The common case, in one piece of memory: a float64 with nothing beside it.
    @inline(__always)
    private mutating func appendFloat(_ points: PointColumns, _ ordinal: Int) {
        let (start, time, bits) = (points.startTime(at: ordinal), points.times[ordinal], points.bits[ordinal])
        let isMissing = bits == FloatBits.staleMarker
        let size = attributes.count + (start == 0 ? 0 : 9) + 9 + (isMissing ? 2 : 9)
        bytes.appendUninitialized(1 + Varint.length(size) + size) { room in
            var writer = RawWriter(room)
            writer.append(0x0A)
            writer.append(varint: UInt64(size))
            attributes.withUnsafeBytes { writer.append($0) }
            if start != 0 {
                writer.append(0x11)
                writer.append(littleEndian: UInt64(bitPattern: start))
            }
            writer.append(0x19)
            writer.append(littleEndian: UInt64(bitPattern: time))
            if isMissing {
                writer.append(0x40)
                writer.append(UInt8(OTLPField.noRecordedValue))
            } else {
                writer.append(0x21)
                writer.append(littleEndian: bits)
            }
            return (writer.written, ())
        }
    }

    private mutating func appendNumber(_ batch: Batch, _ ordinal: Int) {
        appendHead(batch, ordinal)
        let bits = batch.points.bits[ordinal]
        var isMissing = batch.points.flags(at: ordinal).contains(.noRecordedValue)
        switch batch.points.kind(at: ordinal) {
        case .float64 where bits == FloatBits.staleMarker: isMissing = true
        case _ where isMissing: break
        case .int64, .bool: ProtobufWriter.appendFixed64(OTLPField.Number.integer, bits, to: &message)
        case .uint64:
            if let integer = Int64(exactly: bits) {
                ProtobufWriter.appendFixed64(OTLPField.Number.integer, UInt64(integer), to: &message)
            } else {
                let value = Double(bits)
                rounded += UInt64(exactly: value) == bits ? 0 : 1
                ProtobufWriter.appendFixed64(OTLPField.Number.double, value.bitPattern, to: &message)
            }
        default: ProtobufWriter.appendFixed64(OTLPField.Number.double, bits, to: &message)
        }
        appendExemplars(batch, ordinal, field: OTLPField.Number.exemplars)
        if isMissing { appendMissing(OTLPField.Number.flags) }
    }

    // MARK: Distributions

    private mutating func appendSummary(_ batch: Batch, _ ordinal: Int) {
        appendHead(batch, ordinal)
        if batch.points.flags(at: ordinal).contains(.noRecordedValue) { return appendMissing(OTLPField.Summary.flags) }
        let summary = batch.summaries[Int(batch.points.bits[ordinal])]
        ProtobufWriter.appendFixed64(OTLPField.Point.count, summary.count, to: &message)
        ProtobufWriter.appendFixed64(OTLPField.Point.sum, summary.sumBits, to: &message)
        for quantile in summary.quantiles {
            ProtobufWriter.appendKey(OTLPField.Summary.quantiles, .bytes, to: &message)
            Varint.append(18, to: &message)
            ProtobufWriter.appendFixed64(OTLPField.Quantile.quantile, quantile.quantileBits, to: &message)
            ProtobufWriter.appendFixed64(OTLPField.Quantile.value, quantile.valueBits, to: &message)
        }
    }

    private mutating func appendHistogram(_ batch: Batch, _ ordinal: Int) {
        appendHead(batch, ordinal)
        if batch.points.flags(at: ordinal).contains(.noRecordedValue) {
            return appendMissing(OTLPField.Histogram.flags)
        }
        let index = Int(batch.points.bits[ordinal])
        let isExplicit = batch.points.kind(at: ordinal) == .explicitHistogram
        let histogram =
            (isExplicit
            ? batch.explicitHistograms[index] : ExplicitHistogram(custom: batch.exponentialHistograms[index]))
            .withFiniteBounds
        ProtobufWriter.appendFixed64(OTLPField.Point.count, histogram.count, to: &message)
        appendOptional(OTLPField.Point.sum, histogram.sumBits)
        appendPacked(OTLPField.Histogram.bucketCounts, fixed: histogram.bucketCounts)
        appendPacked(OTLPField.Histogram.bounds, fixed: histogram.bounds)
        appendExemplars(batch, ordinal, field: OTLPField.Histogram.exemplars)
        appendOptional(OTLPField.Histogram.minimum, histogram.minimumBits)
        appendOptional(OTLPField.Histogram.maximum, histogram.maximumBits)
    }

    private mutating func appendExponential(_ batch: Batch, _ ordinal: Int) {
        appendHead(batch, ordinal)
        let histogram = batch.exponentialHistograms[Int(batch.points.bits[ordinal])]
        let isMissing = histogram.isMissing || batch.points.flags(at: ordinal).contains(.noRecordedValue)
        guard !isMissing, case .integer(let count) = histogram.count else {
            return appendMissing(OTLPField.Exponential.flags)
        }
        let joins = OTLPBuckets.joins(for: histogram) ?? 0
        ProtobufWriter.appendFixed64(OTLPField.Point.count, count, to: &message)
        ProtobufWriter.appendFixed64(OTLPField.Point.sum, histogram.sumBits, to: &message)
        ProtobufWriter.appendVarint(
            OTLPField.Exponential.scale, Varint.zigzag(Int64(histogram.schema - joins)), to: &message)
        if case .integer(let zeros) = histogram.zeroCount, zeros > 0 {
            ProtobufWriter.appendFixed64(OTLPField.Exponential.zeroCount, zeros, to: &message)
        }
        appendBuckets(OTLPField.Exponential.positive, histogram.positive, joins)
        appendBuckets(OTLPField.Exponential.negative, histogram.negative, joins)
        appendExemplars(batch, ordinal, field: OTLPField.Exponential.exemplars)
        appendOptional(OTLPField.Exponential.minimum, histogram.minimumBits)
        appendOptional(OTLPField.Exponential.maximum, histogram.maximumBits)
        if histogram.zeroThresholdBits != 0 {
            ProtobufWriter.appendFixed64(
                OTLPField.Exponential.zeroThreshold, histogram.zeroThresholdBits, to: &message)
        }
    }

    private mutating func appendBuckets(_ field: Int, _ side: HistogramBuckets, _ joins: Int32) {
        buckets.fill(side, joins: joins)
        if buckets.counts.isEmpty { return }
        let offset = Varint.zigzag(Int64(buckets.offset))
        let counts = buckets.counts.reduce(0) { $0 + Varint.length($1) }
        ProtobufWriter.appendKey(field, .bytes, to: &message)
        Varint.append(UInt64(1 + Varint.length(offset) + ProtobufWriter.length(ofBytes: counts)), to: &message)
        ProtobufWriter.appendVarint(OTLPField.Buckets.offset, offset, to: &message)
        ProtobufWriter.appendKey(OTLPField.Buckets.counts, .bytes, to: &message)
        Varint.append(UInt64(counts), to: &message)
        for count in buckets.counts { Varint.append(count, to: &message) }
    }

    // MARK: Parts

    /// What all kinds of points begin with.
    private mutating func appendHead(_ batch: Batch, _ ordinal: Int) {
        message.append(contentsOf: attributes)
        let start = batch.points.startTime(at: ordinal)
        if start != 0 {
            ProtobufWriter.appendFixed64(OTLPField.Point.startTime, UInt64(bitPattern: start), to: &message)
        }
        let time = UInt64(bitPattern: batch.points.times[ordinal])
        ProtobufWriter.appendFixed64(OTLPField.Point.time, time, to: &message)
    }

    private mutating func appendMissing(_ field: Int) {
        ProtobufWriter.appendVarint(field, OTLPField.noRecordedValue, to: &message)
    }

    private mutating func appendOptional(_ field: Int, _ bits: UInt64?) {
        if let bits { ProtobufWriter.appendFixed64(field, bits, to: &message) }
    }

    private mutating func appendPacked(_ field: Int, fixed values: [UInt64]) {
        if values.isEmpty { return }
        ProtobufWriter.appendKey(field, .bytes, to: &message)
        Varint.append(UInt64(8 * values.count), to: &message)
        for value in values { ProtobufWriter.appendLittleEndian(value, to: &message) }
    }

    private mutating func appendExemplars(_ batch: Batch, _ ordinal: Int, field: Int) {
        for index in exemplars.indices(of: ordinal) {
            let exemplar = batch.exemplars[index]
            packed.removeAll(keepingCapacity: true)
            exemplar.labels.withUnsafeBytes { labels in
                for label in LabelIterator(labels) {
                    if let id = OTLPTraceID(label) {
                        id.bytes.withUnsafeBytes { ProtobufWriter.appendBytes(id.field, $0, to: &packed) }
                    } else {
                        OTLPValues.append(
                            label.name, label.value, field: OTLPField.Exemplar.attributes, to: &packed)
                    }
                }
            }
            let time = exemplar.time ?? batch.points.times[ordinal]
            ProtobufWriter.appendFixed64(OTLPField.Exemplar.time, UInt64(bitPattern: time), to: &packed)
            ProtobufWriter.appendFixed64(OTLPField.Exemplar.double, exemplar.valueBits, to: &packed)
            OTLPValues.append(message: packed, field: field, to: &message)
        }
    }
}

/// A label of an exemplar that OTLP has a field for: `trace_id` and `span_id` in hexadecimal.
struct OTLPTraceID {
    var field: Int
    var bytes: [UInt8]

    init?(_ label: LabelView) {
        let length: Int
        switch label.nameString {
        case "trace_id": (field, length) = (OTLPField.Exemplar.traceID, 16)
        case "span_id": (field, length) = (OTLPField.Exemplar.spanID, 8)
        default: return nil
        }
        guard label.value.count == 2 * length else { return nil }
        bytes = []
        for at in stride(from: 0, to: label.value.count, by: 2) {
            guard let high = OTLPTraceID.digit(label.value[at]), let low = OTLPTraceID.digit(label.value[at + 1]) else {
                return nil
            }
            bytes.append(high << 4 | low)
        }
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

/// The exemplars of a batch by the point they came with.
struct ExemplarOrder: Sendable {
    private var entries: [(ordinal: UInt32, index: Int)] = []

    var isEmpty: Bool { entries.isEmpty }

    mutating func fill(_ batch: Batch) {
        entries.removeAll(keepingCapacity: true)
        for (index, exemplar) in batch.exemplars.enumerated() {
            if let ordinal = exemplar.ordinal { entries.append((ordinal, index)) }
        }
        entries.sort { $0 < $1 }
    }

    func indices(of ordinal: Int) -> some Sequence<Int> {
        var (low, high) = (0, entries.count)
        while low < high {
            let middle = (low + high) / 2
            if Int(entries[middle].ordinal) < ordinal { low = middle + 1 } else { high = middle }
        }
        return entries[low...].prefix { Int($0.ordinal) == ordinal }.map(\.index)
    }
}

extension ExplicitHistogram {
    /// Without a last bound of infinity, which OTLP means without saying it.
    fileprivate var withFiniteBounds: ExplicitHistogram {
        guard bounds.last == FloatBits.positiveInfinity, bucketCounts.count == bounds.count + 1 else { return self }
        var finite = self
        finite.bounds.removeLast()
        let beyond = finite.bucketCounts.removeLast()
        let (sum, overflow) = finite.bucketCounts[finite.bucketCounts.count - 1].addingReportingOverflow(beyond)
        finite.bucketCounts[finite.bucketCounts.count - 1] = overflow ? .max : sum
        return finite
    }
}
