import Metrics

/// A point's value as members of a document.
enum ElasticsearchValue {
    /// - Returns: why the value has no JSON form, or nil. Elasticsearch refuses what is not finite
    ///   (`[double] supports only finite values`), and JSON has no word for it.
    static func append(_ ordinal: Int, of batch: Batch, to body: inout [UInt8]) -> String? {
        let bits = batch.points.bits[ordinal]
        switch batch.points.kind(at: ordinal) {
        case .float64:
            if bits == FloatBits.staleMarker { return "stale marker" }
            guard FloatBits.isFinite(bits) else { return FloatBits.isNaN(bits) ? "NaN" : "infinity" }
            key("value", to: &body)
            NumberPrinter.append(float64: bits, keepsPoint: true, to: &body)
        case .int64:
            key("value", to: &body)
            NumberPrinter.append(Int64(bitPattern: bits), to: &body)
            point(to: &body)
        case .uint64:
            key("value", to: &body)
            NumberPrinter.append(bits, to: &body)
            point(to: &body)
        case .bool:
            key("value_bool", to: &body)
            body.append(contentsOf: (bits == 0 ? "false" : "true").utf8)
        case .string:
            key("value_string", to: &body)
            batch.strings[Int(bits)].withUnsafeBytes { JSONOutput.append(string: $0, to: &body) }
        case .explicitHistogram: return append(batch.explicitHistograms[Int(bits)], to: &body)
        case .exponentialHistogram: return append(batch.exponentialHistograms[Int(bits)], to: &body)
        case .summary: append(batch.summaries[Int(bits)], to: &body)
        }
        return nil
    }

    private static func append(_ histogram: ExplicitHistogram, to body: inout [UInt8]) -> String? {
        guard histogram.bounds.allSatisfy(FloatBits.isFinite) else { return "histogram with an infinite bound" }
        open("histogram", to: &body)
        integer("count", histogram.count, to: &body, isFirst: true)
        float("sum", histogram.sumBits, to: &body)
        float("min", histogram.minimumBits, to: &body)
        float("max", histogram.maximumBits, to: &body)
        floats("bounds", histogram.bounds, to: &body)
        integers("counts", histogram.bucketCounts, to: &body)
        body.append(UInt8(ascii: "}"))
        return nil
    }

    private static func append(_ histogram: ExponentialHistogram, to body: inout [UInt8]) -> String? {
        if FloatBits.isNaN(histogram.sumBits), histogram.sumBits == FloatBits.staleMarker { return "stale marker" }
        guard histogram.customBounds.allSatisfy(FloatBits.isFinite) else { return "histogram with an infinite bound" }
        open("exponential_histogram", to: &body)
        key("schema", to: &body, isFirst: true)
        NumberPrinter.append(Int64(histogram.schema), to: &body)
        count("count", histogram.count, to: &body)
        float("sum", histogram.sumBits, to: &body)
        float("zero_threshold", histogram.zeroThresholdBits, to: &body)
        count("zero_count", histogram.zeroCount, to: &body)
        float("min", histogram.minimumBits, to: &body)
        float("max", histogram.maximumBits, to: &body)
        floats("bounds", histogram.customBounds, to: &body)
        buckets("negative", histogram.negative, to: &body)
        buckets("positive", histogram.positive, to: &body)
        body.append(UInt8(ascii: "}"))
        return nil
    }

    /// Offsets and lengths of the spans, and absolute counts.
    private static func buckets(_ name: String, _ buckets: HistogramBuckets, to body: inout [UInt8]) {
        if buckets.spans.isEmpty { return }
        open(name, to: &body)
        key("offsets", to: &body, isFirst: true)
        list(buckets.spans, to: &body) { NumberPrinter.append(Int64($0.offset), to: &$1) }
        integers("lengths", buckets.spans.map { UInt64($0.length) }, to: &body)
        key("counts", to: &body)
        if buckets.deltas.isEmpty {
            list(buckets.counts, to: &body, number)
        } else {
            var total: Int64 = 0
            list(buckets.deltas, to: &body) { delta, body in
                total &+= delta
                NumberPrinter.append(total, to: &body)
                point(to: &body)
            }
        }
        body.append(UInt8(ascii: "}"))
    }

    /// A quantile of nothing is NaN: null there.
    private static func append(_ summary: Summary, to body: inout [UInt8]) {
        open("summary", to: &body)
        integer("count", summary.count, to: &body, isFirst: true)
        float("sum", summary.sumBits, to: &body)
        floats("quantiles", summary.quantiles.map(\.quantileBits), to: &body)
        floats("values", summary.quantiles.map(\.valueBits), to: &body)
        body.append(UInt8(ascii: "}"))
    }

    // MARK: Parts

    private static func key(_ name: String, to body: inout [UInt8], isFirst: Bool = false) {
        if !isFirst { body.append(UInt8(ascii: ",")) }
        body.append(UInt8(ascii: "\""))
        body.append(contentsOf: name.utf8)
        body.append(contentsOf: [UInt8(ascii: "\""), UInt8(ascii: ":")])
    }

    private static func open(_ name: String, to body: inout [UInt8]) {
        key(name, to: &body)
        body.append(UInt8(ascii: "{"))
    }

    private static func point(to body: inout [UInt8]) {
        body.append(contentsOf: [UInt8(ascii: "."), UInt8(ascii: "0")])
    }

    private static func number(_ bits: UInt64, to body: inout [UInt8]) {
        if FloatBits.isFinite(bits) {
            NumberPrinter.append(float64: bits, keepsPoint: true, to: &body)
        } else {
            body.append(contentsOf: "null".utf8)
        }
    }

    /// Left out when there is none, or none that JSON can say.
    private static func float(_ name: String, _ bits: UInt64?, to body: inout [UInt8]) {
        guard let bits, FloatBits.isFinite(bits) else { return }
        key(name, to: &body)
        number(bits, to: &body)
    }

    private static func integer(_ name: String, _ value: UInt64, to body: inout [UInt8], isFirst: Bool = false) {
        key(name, to: &body, isFirst: isFirst)
        NumberPrinter.append(value, to: &body)
    }

    private static func count(_ name: String, _ count: HistogramCount, to body: inout [UInt8]) {
        switch count {
        case .integer(let value):
            key(name, to: &body)
            NumberPrinter.append(value, to: &body)
            point(to: &body)
        case .float(let bits): float(name, bits, to: &body)
        }
    }

    private static func floats(_ name: String, _ values: [UInt64], to body: inout [UInt8]) {
        if values.isEmpty { return }
        key(name, to: &body)
        list(values, to: &body, number)
    }

    private static func integers(_ name: String, _ values: [UInt64], to body: inout [UInt8]) {
        if values.isEmpty { return }
        key(name, to: &body)
        list(values, to: &body) { NumberPrinter.append($0, to: &$1) }
    }

    private static func list<Element>(
        _ values: [Element], to body: inout [UInt8], _ append: (Element, inout [UInt8]) -> Void
    ) {
        body.append(UInt8(ascii: "["))
        for (index, value) in values.enumerated() {
            if index > 0 { body.append(UInt8(ascii: ",")) }
            append(value, &body)
        }
        body.append(UInt8(ascii: "]"))
    }
}
