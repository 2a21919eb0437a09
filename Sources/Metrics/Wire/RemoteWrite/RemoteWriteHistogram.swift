/// A `Histogram` message: a native histogram and its time.
struct RemoteWriteHistogram {
    private let histogram: ExponentialHistogram
    private let milliseconds: Int64
    private let start: Int64

    /// - Parameter start: milliseconds, 0 when it is not known; only 2.0 has it.
    init(_ histogram: ExponentialHistogram, at nanoseconds: Int64, since start: Int64 = 0) {
        self.histogram = histogram
        milliseconds = PrometheusTime.milliseconds(nanoseconds)
        self.start = start
    }

    /// Appends it as `field` of a `TimeSeries`. Built aside first, because its size stands before it.
    func append(as field: UInt32 = RemoteWriteField.TimeSeries.histogram, to body: inout [UInt8]) {
        typealias Field = RemoteWriteField.Histogram
        var message: [UInt8] = []
        appendCount(histogram.count, Field.countInteger, Field.countFloat, to: &message)
        ProtobufWriter.appendFixed64(Int(Field.sum), histogram.sumBits, to: &message)
        ProtobufWriter.appendVarint(Int(Field.schema), Varint.zigzag(Int64(histogram.schema)), to: &message)
        ProtobufWriter.appendFixed64(Int(Field.zeroThreshold), histogram.zeroThresholdBits, to: &message)
        appendCount(histogram.zeroCount, Field.zeroCountInteger, Field.zeroCountFloat, to: &message)
        appendSide(
            histogram.negative, Field.negativeSpan, Field.negativeDelta, Field.negativeCount, to: &message)
        appendSide(
            histogram.positive, Field.positiveSpan, Field.positiveDelta, Field.positiveCount, to: &message)
        ProtobufWriter.appendVarint(Int(Field.resetHint), UInt64(histogram.resetHint), to: &message)
        ProtobufWriter.appendVarint(Int(Field.timestamp), UInt64(bitPattern: milliseconds), to: &message)
        appendDoubles(Int(Field.customValue), histogram.customBounds, to: &message)
        if start != 0 {
            ProtobufWriter.appendVarint(Int(Field.startTimestamp), UInt64(bitPattern: start), to: &message)
        }
        message.withUnsafeBytes { ProtobufWriter.appendBytes(Int(field), $0, to: &body) }
    }

    private func appendCount(
        _ count: HistogramCount, _ integerField: UInt32, _ floatField: UInt32, to message: inout [UInt8]
    ) {
        switch count {
        case .integer(let count): ProtobufWriter.appendVarint(Int(integerField), count, to: &message)
        case .float(let bits): ProtobufWriter.appendFixed64(Int(floatField), bits, to: &message)
        }
    }

    private func appendSide(
        _ side: HistogramBuckets, _ spanField: UInt32, _ deltaField: UInt32, _ countField: UInt32,
        to message: inout [UInt8]
    ) {
        for span in side.spans {
            let offset = Varint.zigzag(Int64(span.offset))
            let length = UInt64(span.length)
            ProtobufWriter.appendKey(Int(spanField), .bytes, to: &message)
            Varint.append(UInt64(2 + Varint.length(offset) + Varint.length(length)), to: &message)
            ProtobufWriter.appendVarint(Int(RemoteWriteField.Span.offset), offset, to: &message)
            ProtobufWriter.appendVarint(Int(RemoteWriteField.Span.length), length, to: &message)
        }
        if !side.deltas.isEmpty {
            let size = side.deltas.reduce(0) { $0 + Varint.length(Varint.zigzag($1)) }
            ProtobufWriter.appendKey(Int(deltaField), .bytes, to: &message)
            Varint.append(UInt64(size), to: &message)
            for delta in side.deltas { Varint.append(Varint.zigzag(delta), to: &message) }
        }
        appendDoubles(Int(countField), side.counts, to: &message)
    }

    private func appendDoubles(_ field: Int, _ values: [UInt64], to message: inout [UInt8]) {
        if values.isEmpty { return }
        ProtobufWriter.appendKey(field, .bytes, to: &message)
        Varint.append(UInt64(values.count * 8), to: &message)
        for bits in values { ProtobufWriter.appendLittleEndian(bits, to: &message) }
    }
}

extension ExponentialHistogram {
    /// A histogram that says its series has ended: a count of none, and the stale marker as its sum.
    static let stale = ExponentialHistogram(count: .integer(0), sumBits: FloatBits.staleMarker, schema: 0)
}
