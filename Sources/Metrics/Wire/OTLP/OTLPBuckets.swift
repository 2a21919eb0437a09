/// The buckets of native histograms as OTLP has them: one after the other without gaps, each next to the lower bound of
/// the one before.
///
/// Prometheus counts bucket i up to base^i, OTLP from base^i on: a bucket's number there is one less.
/// <https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/#exponential-histograms-1>
struct OTLPBuckets: Sendable {
    /// Of one side. A few bytes of spans can stand for millions of empty buckets; OTLP's own SDKs keep 160.
    static let maximumCount = 1024
    /// The coarsest: each bucket is a power of 2^1024.
    static let minimumScale: Int32 = -10

    private(set) var offset: Int32 = 0
    private(set) var counts: [UInt64] = []

    /// How many times two neighbours have to be joined so that both sides fit; each time halves the resolution.
    ///
    /// - Returns: nil when they do not fit at all.
    static func joins(for histogram: ExponentialHistogram) -> Int32? {
        let sides = [histogram.positive, histogram.negative].compactMap(bounds)
        var joins: Int32 = 0
        while sides.contains(where: { width($0, joins) > maximumCount }) {
            joins += 1
            if histogram.schema - joins < minimumScale { return nil }
        }
        return joins
    }

    /// Of integer buckets.
    ///
    /// - Parameter joins: as `joins(for:)` found it.
    mutating func fill(_ buckets: HistogramBuckets, joins: Int32) {
        counts.removeAll(keepingCapacity: true)
        offset = 0
        guard let bounds = OTLPBuckets.bounds(buckets) else { return }
        offset = Int32(truncatingIfNeeded: bounds.lowerBound >> Int(joins))
        counts.append(contentsOf: repeatElement(0, count: OTLPBuckets.width(bounds, joins)))
        var (index, count, next) = (-1, Int64(0), 0)
        for span in buckets.spans {
            index += Int(span.offset)
            for _ in 0..<span.length where next < buckets.deltas.count {
                count &+= buckets.deltas[next]
                next += 1
                let place = index >> Int(joins) - Int(offset)
                let (sum, overflow) = counts[place].addingReportingOverflow(UInt64(max(0, count)))
                counts[place] = overflow ? .max : sum
                index += 1
            }
        }
    }

    private static func width(_ bounds: ClosedRange<Int>, _ joins: Int32) -> Int {
        bounds.upperBound >> Int(joins) - bounds.lowerBound >> Int(joins) + 1
    }

    /// Numbers of the first and the last bucket, in OTLP's count; nil without buckets.
    private static func bounds(_ buckets: HistogramBuckets) -> ClosedRange<Int>? {
        var (index, first, last) = (-1, Int?.none, -1)
        for span in buckets.spans {
            index += Int(span.offset)
            if span.length > 0 {
                first = first ?? index
                last = index + Int(span.length) - 1
            }
            index += Int(span.length)
        }
        return first.map { $0...last }
    }
}

extension ExplicitHistogram {
    /// A native histogram with bounds of its own, whose counts are integers.
    init(custom histogram: ExponentialHistogram) {
        var counts = [UInt64](repeating: 0, count: histogram.customBounds.count + 1)
        var (index, count, next) = (0, Int64(0), 0)
        for span in histogram.positive.spans {
            index += Int(span.offset)
            for _ in 0..<span.length where next < histogram.positive.deltas.count {
                count &+= histogram.positive.deltas[next]
                next += 1
                if counts.indices.contains(index) { counts[index] = UInt64(max(0, count)) }
                index += 1
            }
        }
        let total: UInt64 = if case .integer(let count) = histogram.count { count } else { 0 }
        self.init(
            count: total, sumBits: histogram.sumBits, bounds: histogram.customBounds, bucketCounts: counts,
            minimumBits: histogram.minimumBits, maximumBits: histogram.maximumBits)
    }
}
