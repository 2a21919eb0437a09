/// Which of OTLP's forms a point takes; the raw value is the field of `Metric` that holds it.
enum OTLPData: Int, Sendable {
    case gauge = 5
    case sum = 7
    case histogram = 9
    case exponential = 10
    case summary = 11

    /// Where the attributes of its points are.
    var attributesField: Int {
        switch self {
        case .gauge, .sum: OTLPField.Number.attributes
        case .histogram: OTLPField.Histogram.attributes
        case .exponential: OTLPField.Exponential.attributes
        case .summary: OTLPField.Summary.attributes
        }
    }
}

/// What makes a `Metric` besides its name.
struct OTLPForm: Sendable, Hashable {
    var data: OTLPData
    /// Of `Temporality`; nothing for gauges and summaries.
    var temporality: Temporality = .unspecified
    var isMonotonic = false
    /// Indexes into `Batch.texts`.
    var unit: UInt32
    var field: UInt32

    /// How points of one series that have this data go out: what does not say otherwise counts up since its start.
    init(_ data: OTLPData, _ identity: SeriesIdentity) {
        (self.data, unit, field) = (data, identity.unit, identity.field)
        switch data {
        case .gauge, .summary: return
        case .sum:
            isMonotonic = identity.temporality == .unspecified || identity.isMonotonic
        case .histogram, .exponential: break
        }
        temporality = identity.temporality == .unspecified ? .cumulative : identity.temporality
    }

    /// Whether numbers of such a series add up. What Prometheus sends does not say: names that end as those of counters do
    /// are taken for counters.
    /// <https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/#prometheus-metric-points-to-otlp>
    static func isSum(_ identity: SeriesIdentity, isNamedLikeCounter: @autoclosure () -> Bool) -> Bool {
        if identity.temporality != .unspecified || identity.isMonotonic { return true }
        switch identity.kind {
        case .counter: return true
        case .unknown, .histogram, .summary: return isNamedLikeCounter()
        case .gauge, .gaugeHistogram, .info, .stateSet: return false
        }
    }

    private static let counterEndings = ["_total", "_count", "_sum", "_bucket"].map { Array($0.utf8) }

    static func isNamedLikeCounter(_ name: UnsafeRawBufferPointer) -> Bool {
        counterEndings.contains { ending in
            name.count > ending.count && name.suffix(ending.count).elementsEqual(ending)
        }
    }
}
