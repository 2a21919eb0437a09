/// A count of observations. Native histograms come in an integer and a float form, and the form is part of the value.
public enum HistogramCount: Sendable, Hashable {
    case integer(UInt64)
    /// IEEE 754 bits.
    case float(UInt64)
}

/// A run of neighbouring buckets: `offset` empty ones are skipped before it.
public struct BucketSpan: Sendable, Hashable {
    public var offset: Int32
    public var length: UInt32
    public init(offset: Int32, length: UInt32) {
        self.offset = offset
        self.length = length
    }
}

/// The buckets on one side of zero.
public struct HistogramBuckets: Sendable, Hashable {
    public var spans: [BucketSpan]
    /// Integer form: the difference to the bucket before, as remote write carries them. Empty in the float form.
    public var deltas: [Int64]
    /// Float form: absolute counts, IEEE 754 bits. Empty in the integer form.
    public var counts: [UInt64]
    public init(spans: [BucketSpan] = [], deltas: [Int64] = [], counts: [UInt64] = []) {
        self.spans = spans
        self.deltas = deltas
        self.counts = counts
    }
    public static let none = HistogramBuckets()
}

/// An exponential (native) histogram, also with custom buckets (schema -53).
/// Fields as in remote write's `Histogram`; `minimumBits` and `maximumBits` as in OTLP's.
public struct ExponentialHistogram: Sendable, Hashable {
    public var count: HistogramCount
    public var sumBits: UInt64
    public var schema: Int32
    public var zeroThresholdBits: UInt64
    public var zeroCount: HistogramCount
    public var negative: HistogramBuckets
    public var positive: HistogramBuckets
    /// Upper bounds, IEEE 754 bits, for schema -53 only.
    public var customBounds: [UInt64]
    /// Remote write's `ResetHint`: 0 unknown, 1 yes, 2 no, 3 gauge.
    public var resetHint: UInt8
    public var minimumBits: UInt64?
    public var maximumBits: UInt64?

    public init(
        count: HistogramCount, sumBits: UInt64, schema: Int32, zeroThresholdBits: UInt64 = 0,
        zeroCount: HistogramCount = .integer(0), negative: HistogramBuckets = .none, positive: HistogramBuckets = .none,
        customBounds: [UInt64] = [], resetHint: UInt8 = 0, minimumBits: UInt64? = nil, maximumBits: UInt64? = nil
    ) {
        self.count = count
        self.sumBits = sumBits
        self.schema = schema
        self.zeroThresholdBits = zeroThresholdBits
        self.zeroCount = zeroCount
        self.negative = negative
        self.positive = positive
        self.customBounds = customBounds
        self.resetHint = resetHint
        self.minimumBits = minimumBits
        self.maximumBits = maximumBits
    }
}

/// A histogram with explicit bounds (OTLP's `HistogramDataPoint`): `bucketCounts` has one entry more than `bounds`,
/// or both are empty.
public struct ExplicitHistogram: Sendable, Hashable {
    public var count: UInt64
    public var sumBits: UInt64?
    public var bounds: [UInt64]
    public var bucketCounts: [UInt64]
    public var minimumBits: UInt64?
    public var maximumBits: UInt64?

    public init(
        count: UInt64, sumBits: UInt64?, bounds: [UInt64], bucketCounts: [UInt64],
        minimumBits: UInt64? = nil, maximumBits: UInt64? = nil
    ) {
        self.count = count
        self.sumBits = sumBits
        self.bounds = bounds
        self.bucketCounts = bucketCounts
        self.minimumBits = minimumBits
        self.maximumBits = maximumBits
    }
}

/// A summary: count, sum and quantiles.
public struct Summary: Sendable, Hashable {
    public struct Quantile: Sendable, Hashable {
        /// 0...1, IEEE 754 bits.
        public var quantileBits: UInt64
        public var valueBits: UInt64
        public init(quantileBits: UInt64, valueBits: UInt64) {
            self.quantileBits = quantileBits
            self.valueBits = valueBits
        }
    }
    public var count: UInt64
    public var sumBits: UInt64
    public var quantiles: [Quantile]
    public init(count: UInt64, sumBits: UInt64, quantiles: [Quantile]) {
        self.count = count
        self.sumBits = sumBits
        self.quantiles = quantiles
    }
}
