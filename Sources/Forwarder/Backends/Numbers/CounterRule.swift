import Metrics

/// Which numbers are running totals, for backends that are told what was added since the last one.
///
/// What has a kind or a temporality is what it says. Of what has none, a sample of a scrape by remote write 1.0, the name tells, as it does
/// by Prometheus' own convention: `counters: by_name` (`_total`, `_count`, `_sum`, `_bucket`), or nothing does: `typed`.
/// <https://prometheus.io/docs/practices/naming/#metric-names>
struct CounterRule: Sendable {
    enum Untyped: String, CaseIterable {
        case byName = "by_name"
        case typed
    }

    enum Meaning: Sendable, Hashable {
        case gauge
        /// Of all since it began to be counted.
        case total
        /// What was added since the point before.
        case increment
    }

    private let untyped: Untyped

    init(_ settings: Settings) throws(SettingsError) {
        untyped = try settings.choice("counters", default: .byName)
    }

    /// - Returns: what the points of a series are that are one number.
    func meaning(ofSeries id: UInt32, in batch: Batch) -> Meaning {
        let identity = batch.series.identity(of: id)
        if identity.temporality == .delta { return .increment }
        switch identity.kind {
        case .gauge, .info, .stateSet, .gaugeHistogram: return .gauge
        case .counter, .histogram:
            return identity.temporality == .cumulative && !identity.isMonotonic ? .gauge : .total
        case .unknown, .summary:
            if identity.temporality == .cumulative { return identity.isMonotonic ? .total : .gauge }
            return untyped == .byName && CounterRule.isNamedSo(batch, id) ? .total : .gauge
        }
    }

    /// - Returns: what count, sum and buckets of a histogram or a summary are.
    func meaning(ofDistribution ordinal: Int, in batch: Batch) -> Meaning {
        let identity = batch.series.identity(of: batch.points.series[ordinal])
        if identity.kind == .gaugeHistogram { return .gauge }
        if batch.points.kind(at: ordinal) == .exponentialHistogram,
            batch.exponentialHistograms[Int(batch.points.bits[ordinal])].resetHint == 3
        {
            return .gauge
        }
        return identity.temporality == .delta ? .increment : .total
    }

    private static let endings = ["_total", "_count", "_sum", "_bucket"].map { Array($0.utf8) }

    private static func isNamedSo(_ batch: Batch, _ id: UInt32) -> Bool {
        batch.series.withLabels(of: id) { labels in
            for label in LabelIterator(labels) where label.name.elementsEqual(Batch.nameLabel) {
                return endings.contains {
                    $0.count < label.value.count && label.value.suffix($0.count).elementsEqual($0)
                }
            }
            return false
        }
    }
}

extension NumberPart {
    /// Which total of its point it is, in a `CounterKey`: a bound by its float32, and what is no bound by a NaN.
    var counterPart: UInt32 {
        switch self {
        case .value: 0
        case .count: 0x7fc0_0001
        case .sum: 0x7fc0_0002
        case .bucket(let bound):
            // 0 is taken; as a float32 it is also -0.
            switch Float(Double(bitPattern: bound)).bitPattern {
            case 0: 0x8000_0000
            case let bits: bits
            }
        case .minimum, .maximum, .quantile: preconditionFailure("it is no total")
        }
    }
}
