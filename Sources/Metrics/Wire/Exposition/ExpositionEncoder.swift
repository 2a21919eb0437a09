/// Points as lines of Prometheus' text format 0.0.4, with the names and labels that remote write gives them.
/// <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>
///
/// Classic histograms and summaries become the series that they are for Prometheus. No type is said: what came without one,
/// or in two ways, stays one family.
public struct ExpositionEncoder: Sendable {
    /// Why a point has no line.
    public enum Exclusion: String, Sendable, CaseIterable {
        case stringValue = "string_value"
        case exponentialHistogram = "exponential_histogram"
        /// The end of a series is nothing that a value can say.
        case staleMarker = "stale_marker"
    }

    private var labels = PrometheusLabels()

    public init() {}

    /// Appends the lines of a point, with its time in milliseconds.
    ///
    /// - Returns: why there are none, or nil.
    public mutating func append(_ batch: Batch, _ ordinal: Int, into body: inout [UInt8]) -> Exclusion? {
        let (milliseconds, rest) = batch.points.times[ordinal].quotientAndRemainder(dividingBy: 1_000_000)
        return samples(batch, ordinal) { series, bits in
            Self.append(series, to: &body)
            body.append(UInt8(ascii: " "))
            Self.append(value: bits, to: &body)
            body.append(UInt8(ascii: " "))
            NumberPrinter.append(rest < 0 ? milliseconds - 1 : milliseconds, to: &body)
            body.append(UInt8(ascii: "\n"))
        }
    }

    /// Hands out each sample that a point becomes: canonical labels, and the bits of a float64.
    ///
    /// - Returns: why there are none, or nil.
    public mutating func samples(
        _ batch: Batch, _ ordinal: Int, _ take: (_ series: UnsafeRawBufferPointer, _ bits: UInt64) -> Void
    ) -> Exclusion? {
        let bits = batch.points.bits[ordinal]
        let kind = batch.points.kind(at: ordinal)
        if batch.points.flags(at: ordinal).contains(.noRecordedValue) { return .staleMarker }
        let id = batch.points.series[ordinal]
        switch kind {
        case .string: return .stringValue
        case .exponentialHistogram: return .exponentialHistogram
        case .explicitHistogram:
            _ = labels.set(batch, id)
            hand(out: batch.explicitHistograms[Int(bits)], to: take)
        case .summary:
            _ = labels.set(batch, id)
            hand(out: batch.summaries[Int(bits)], to: take)
        case .float64 where bits == FloatBits.staleMarker: return .staleMarker
        case .float64, .int64, .uint64, .bool:
            let value = Self.float(bits, kind)
            if PrometheusLabels.areUsable(batch, id) {
                batch.series.withLabels(of: id) { take($0, value) }
            } else {
                _ = labels.set(batch, id)
                labels.canonical.withUnsafeBytes { take($0, value) }
            }
        }
        return nil
    }

    /// Whether points of this kind have samples at all.
    public static func canCarry(_ kind: PointKind) -> Bool { kind != .string && kind != .exponentialHistogram }

    /// Hands out the last of the series that a point has, or had before it ended: its own, or the count of a histogram or
    /// summary.
    public mutating func key(_ batch: Batch, _ ordinal: Int, _ take: (UnsafeRawBufferPointer) -> Void) {
        _ = labels.set(batch, batch.points.series[ordinal])
        switch batch.points.kind(at: ordinal) {
        case .explicitHistogram, .summary: labels.derive(suffix: "_count")
        case .float64, .int64, .uint64, .bool, .string, .exponentialHistogram: break
        }
        labels.canonical.withUnsafeBytes { take($0) }
    }

    private static func float(_ bits: UInt64, _ kind: PointKind) -> UInt64 {
        switch kind {
        case .int64: Double(Int64(bitPattern: bits)).bitPattern
        case .uint64: Double(bits).bitPattern
        case .bool: Double(bits == 0 ? 0 : 1).bitPattern
        default: bits
        }
    }

    // MARK: Parts

    private typealias Take = (UnsafeRawBufferPointer, UInt64) -> Void

    private mutating func hand(out histogram: ExplicitHistogram, to take: Take) {
        var cumulative: UInt64 = 0
        for (bound, count) in zip(histogram.bounds, histogram.bucketCounts) {
            cumulative &+= count
            if bound == FloatBits.positiveInfinity { break }
            hand(
                out: Double(cumulative).bitPattern, "_bucket", "le", DecimalText.positional(Double(bitPattern: bound)),
                to: take)
        }
        let count = Double(histogram.count).bitPattern
        hand(out: count, "_bucket", "le", "+Inf", to: take)
        if let sum = histogram.sumBits { hand(out: sum, "_sum", to: take) }
        hand(out: count, "_count", to: take)
    }

    private mutating func hand(out summary: Summary, to take: Take) {
        for quantile in summary.quantiles {
            let place = DecimalText.positional(Double(bitPattern: quantile.quantileBits))
            hand(out: quantile.valueBits, "", "quantile", place, to: take)
        }
        hand(out: summary.sumBits, "_sum", to: take)
        hand(out: Double(summary.count).bitPattern, "_count", to: take)
    }

    private mutating func hand(
        out bits: UInt64, _ suffix: String, _ name: String = "", _ value: String = "", to take: Take
    ) {
        labels.derive(suffix: suffix, name, value)
        labels.canonical.withUnsafeBytes { take($0, bits) }
    }

    // MARK: Text

    /// Appends `name{label="value"}`.
    ///
    /// - Parameter renamed: labels that the reader has a meaning of its own for: they go out as `exported_` and their name,
    ///   as in a scrape that does not honour labels; with the prefix again where that is a label already.
    public static func append(
        _ series: UnsafeRawBufferPointer, renaming renamed: [[UInt8]] = [], to body: inout [UInt8]
    ) {
        body.append(contentsOf: name(of: series))
        var isFirst = true
        var exported: [[UInt8]] = []
        for label in LabelIterator(series) where !label.name.elementsEqual(Batch.nameLabel) {
            body.append(UInt8(ascii: isFirst ? "{" : ","))
            isFirst = false
            if renamed.contains(where: { label.name.elementsEqual($0) }) {
                var spelled = Array(label.name)
                repeat {
                    spelled = Array("exported_".utf8) + spelled
                } while LabelIterator(series).contains { $0.name.elementsEqual(spelled) }
                    || renamed.contains(spelled) || exported.contains(spelled)
                exported.append(spelled)
                body.append(contentsOf: spelled)
            } else {
                body.append(contentsOf: label.name)
            }
            body.append(contentsOf: "=\"".utf8)
            for byte in label.value {
                switch byte {
                case UInt8(ascii: "\\"): body.append(contentsOf: "\\\\".utf8)
                case UInt8(ascii: "\""): body.append(contentsOf: "\\\"".utf8)
                case UInt8(ascii: "\n"): body.append(contentsOf: "\\n".utf8)
                default: body.append(byte)
                }
            }
            body.append(UInt8(ascii: "\""))
        }
        if !isFirst { body.append(UInt8(ascii: "}")) }
    }

    /// The metric's name; empty where a series has none.
    public static func name(of series: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        for label in LabelIterator(series) where label.name.elementsEqual(Batch.nameLabel) { return label.value }
        return UnsafeRawBufferPointer(start: nil, count: 0)
    }

    public static func append(value bits: UInt64, to body: inout [UInt8]) {
        if FloatBits.isFinite(bits) { return NumberPrinter.append(float64: bits, to: &body) }
        if FloatBits.isNaN(bits) { return body.append(contentsOf: "NaN".utf8) }
        body.append(contentsOf: bits == FloatBits.negativeInfinity ? "-Inf".utf8 : "+Inf".utf8)
    }
}
