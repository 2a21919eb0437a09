/// Why a point is in no OTLP body. The raw values are reasons in the ledger and labels of a metric.
public enum OTLPExclusion: String, Sendable, CaseIterable {
    /// Numbers and distributions only.
    case stringValue = "string_value"
    /// OTLP's histograms count in integers.
    case floatHistogram = "float_histogram"
    /// OTLP's histograms count up: there are none of what is there now.
    case gaugeHistogram = "gauge_histogram"
    /// Its buckets lie too far apart to be written without gaps.
    case histogramRange = "histogram_range"
}

extension OTLPData {
    /// What one point goes out as.
    ///
    /// - Parameter isSum: whether numbers of its series add up.
    static func of(_ batch: Batch, _ ordinal: Int, isSum: Bool) -> Result<OTLPData, Exclusion> {
        switch batch.points.kind(at: ordinal) {
        case .float64, .int64, .uint64, .bool: return .success(isSum ? .sum : .gauge)
        case .string: return .failure(Exclusion(.stringValue))
        case .summary: return .success(.summary)
        case .explicitHistogram:
            let kind = batch.series.identity(of: batch.points.series[ordinal]).kind
            return kind == .gaugeHistogram ? .failure(Exclusion(.gaugeHistogram)) : .success(.histogram)
        case .exponentialHistogram:
            let histogram = batch.exponentialHistograms[Int(batch.points.bits[ordinal])]
            let kind = batch.series.identity(of: batch.points.series[ordinal]).kind
            if kind == .gaugeHistogram || histogram.resetHint == 3 { return .failure(Exclusion(.gaugeHistogram)) }
            if histogram.isMissing { return .success(.exponential) }
            if !histogram.isInteger { return .failure(Exclusion(.floatHistogram)) }
            if histogram.schema == ExponentialHistogram.customSchema { return .success(.histogram) }
            return OTLPBuckets.joins(for: histogram) == nil
                ? .failure(Exclusion(.histogramRange)) : .success(.exponential)
        }
    }

    struct Exclusion: Error {
        var reason: OTLPExclusion
        init(_ reason: OTLPExclusion) { self.reason = reason }
    }
}

extension ExponentialHistogram {
    /// Prometheus' way to say that there is no value at this time.
    /// <https://prometheus.io/docs/specs/native_histograms/#staleness>
    var isMissing: Bool { sumBits == FloatBits.staleMarker }
}
