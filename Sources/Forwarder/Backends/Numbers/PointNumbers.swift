import Metrics

/// Which number of a point it is, for backends whose points are single numbers.
enum NumberPart: Sendable, Hashable {
    /// Of a point that is one number.
    case value
    case count
    case sum
    case minimum
    case maximum
    /// Observations of a histogram up to a bound; IEEE 754 bits, infinity for the last one.
    case bucket(upTo: UInt64)
    /// Of a summary: which quantile, 0...1; IEEE 754 bits.
    case quantile(UInt64)
}

/// A finite number in the form that it came in.
enum PointNumber: Sendable, Hashable {
    /// IEEE 754 bits.
    case float(UInt64)
    case signed(Int64)
    case unsigned(UInt64)

    var double: Double {
        switch self {
        case .float(let bits): Double(bitPattern: bits)
        case .signed(let value): Double(value)
        case .unsigned(let value): Double(value)
        }
    }

    /// Appends it as JSON spells numbers: exact, and a float in its shortest form.
    func append(to bytes: inout [UInt8]) {
        switch self {
        case .float(let bits): NumberPrinter.append(float64: bits, to: &bytes)
        case .signed(let value): NumberPrinter.append(value, to: &bytes)
        case .unsigned(let value): NumberPrinter.append(value, to: &bytes)
        }
    }
}

/// Takes points apart into numbers.
///
/// A histogram is its count, sum, least and greatest value, and a count for each bound; one with exponential buckets has no bounds
/// that a reader would expect, and goes without. A summary is its count, its sum and its quantiles.
enum PointNumbers {
    /// Why a point is no number; reasons in the ledger, and labels of a metric.
    enum Exclusion: String, CaseIterable {
        case stringValue = "string_value"
        case staleMarker = "stale_marker"
        case notFinite = "not_finite"
        case noRecordedValue = "no_recorded_value"
        case timeBefore1970 = "time_before_1970"
    }

    /// How the buckets of a histogram count.
    enum Buckets {
        /// Each those below it too, up to all: Prometheus' `le`.
        case cumulative
        /// Each its own.
        case single
    }

    /// - Returns: why the point has no numbers; nil when `walk` has at least one.
    static func exclusion(of ordinal: Int, in batch: Batch) -> Exclusion? {
        if batch.points.times[ordinal] < 0 { return .timeBefore1970 }
        if batch.points.flags(at: ordinal).contains(.noRecordedValue) { return .noRecordedValue }
        let bits = batch.points.bits[ordinal]
        switch batch.points.kind(at: ordinal) {
        case .float64: return fault(in: bits)
        case .string: return .stringValue
        case .exponentialHistogram:
            let histogram = batch.exponentialHistograms[Int(bits)]
            if histogram.sumBits == FloatBits.staleMarker { return .staleMarker }
            if case .float(let count) = histogram.count { return fault(in: count) }
            return nil
        case .int64, .uint64, .bool, .explicitHistogram, .summary: return nil
        }
    }

    private static func fault(in bits: UInt64) -> Exclusion? {
        if bits == FloatBits.staleMarker { return .staleMarker }
        return FloatBits.isFinite(bits) ? nil : .notFinite
    }

    /// Calls `body` with each number of a point that `exclusion` lets pass, the count first. What of it is not finite is left out.
    static func walk(
        _ ordinal: Int, of batch: Batch, buckets: Buckets, _ body: (NumberPart, PointNumber) -> Void
    ) {
        let bits = batch.points.bits[ordinal]
        switch batch.points.kind(at: ordinal) {
        case .float64: body(.value, .float(bits))
        case .int64: body(.value, .signed(Int64(bitPattern: bits)))
        case .uint64, .bool: body(.value, .unsigned(bits))
        case .string: break
        case .explicitHistogram: walk(batch.explicitHistograms[Int(bits)], buckets, body)
        case .exponentialHistogram:
            let histogram = batch.exponentialHistograms[Int(bits)]
            switch histogram.count {
            case .integer(let count): body(.count, .unsigned(count))
            case .float(let count): body(.count, .float(count))
            }
            finite(.sum, histogram.sumBits, body)
            finite(.minimum, histogram.minimumBits, body)
            finite(.maximum, histogram.maximumBits, body)
        case .summary:
            let summary = batch.summaries[Int(bits)]
            body(.count, .unsigned(summary.count))
            finite(.sum, summary.sumBits, body)
            for quantile in summary.quantiles where FloatBits.isFinite(quantile.quantileBits) {
                finite(.quantile(quantile.quantileBits), quantile.valueBits, body)
            }
        }
    }

    private static func walk(
        _ histogram: ExplicitHistogram, _ buckets: Buckets, _ body: (NumberPart, PointNumber) -> Void
    ) {
        body(.count, .unsigned(histogram.count))
        finite(.sum, histogram.sumBits, body)
        finite(.minimum, histogram.minimumBits, body)
        finite(.maximum, histogram.maximumBits, body)
        var below: UInt64 = 0
        for (index, count) in histogram.bucketCounts.enumerated() {
            let bound = index < histogram.bounds.count ? histogram.bounds[index] : FloatBits.positiveInfinity
            below &+= count
            // A bound that is none, and the second infinite one of a sender who wrote the first.
            let isUsual = FloatBits.isFinite(bound) || index == histogram.bounds.count
            if isUsual { body(.bucket(upTo: bound), .unsigned(buckets == .cumulative ? below : count)) }
        }
    }

    private static func finite(_ part: NumberPart, _ bits: UInt64?, _ body: (NumberPart, PointNumber) -> Void) {
        if let bits, FloatBits.isFinite(bits) { body(part, .float(bits)) }
    }
}

extension NumberPart {
    /// Appends a bound or a quantile as Prometheus writes it: `0.5`, `+Inf`.
    static func append(bound bits: UInt64, to bytes: inout [UInt8]) {
        if bits == FloatBits.positiveInfinity {
            bytes.append(contentsOf: "+Inf".utf8)
        } else {
            NumberPrinter.append(float64: bits, to: &bytes)
        }
    }
}
