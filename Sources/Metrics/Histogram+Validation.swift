extension ExponentialHistogram {
    /// The resolutions that have buckets: bounds grow by 2^(2^-schema).
    /// <https://prometheus.io/docs/specs/native_histograms/#schema>
    public static let exponentialSchemas: ClosedRange<Int32> = -4...8
    /// Buckets with bounds of their own.
    public static let customSchema: Int32 = -53

    /// Why the parts do not make one histogram, or nil when they do: what Prometheus' own check would refuse, save that
    /// the buckets need not add up to `count` (exporters race against their own counters).
    /// <https://github.com/prometheus/prometheus/blob/main/model/histogram/histogram.go>
    public var fault: String? {
        let isCustom = schema == ExponentialHistogram.customSchema
        guard isCustom || ExponentialHistogram.exponentialSchemas.contains(schema) else {
            return "schema \(schema) is neither -4...8 nor -53"
        }
        if isInteger != zeroCount.isZeroOrInteger(isInteger) { return "integer and float counts are mixed" }
        for side in [negative, positive] {
            if let fault = side.fault(isInteger: isInteger) { return fault }
        }
        return isCustom ? customFault : (customBounds.isEmpty ? nil : "custom bounds need schema -53")
    }

    /// Whether counts are integers and buckets deltas.
    public var isInteger: Bool {
        if case .integer = count { return true }
        return false
    }

    private var customFault: String? {
        if !negative.spans.isEmpty || !zeroCount.isZero { return "custom buckets have no zero and no negative side" }
        for index in customBounds.indices.dropFirst()
        where !(Double(bitPattern: customBounds[index - 1]) < Double(bitPattern: customBounds[index])) {
            return "custom bounds do not rise"
        }
        var index = 0
        for span in positive.spans {
            index += Int(span.offset) + Int(span.length)
            // One bucket more than bounds: the last one has no upper bound.
            if span.offset < 0 || index > customBounds.count + 1 { return "a span runs past the custom bounds" }
        }
        return nil
    }
}

extension HistogramCount {
    var isZero: Bool {
        switch self {
        case .integer(let count): count == 0
        case .float(let bits): Double(bitPattern: bits) == 0
        }
    }

    /// The form `wanted` asks for; a zero of the other form passes as that, because senders leave a zero out.
    fileprivate func isZeroOrInteger(_ wanted: Bool) -> Bool {
        if isZero { return wanted }
        if case .integer = self { return true }
        return false
    }
}

extension HistogramBuckets {
    fileprivate func fault(isInteger: Bool) -> String? {
        if !(isInteger ? counts.isEmpty : deltas.isEmpty) { return "integer and float buckets are mixed" }
        var buckets = 0
        var index = 0
        for (place, span) in spans.enumerated() {
            if place > 0, span.offset < 0 { return "a span goes back" }
            buckets += Int(span.length)
            index += Int(span.offset) + Int(span.length)
            guard Int32(exactly: index) != nil else { return "a span runs out of range" }
        }
        let given = isInteger ? deltas.count : counts.count
        if buckets != given { return "spans of \(buckets) buckets with \(given) counts" }
        return isInteger ? deltaFault : countFault
    }

    private var deltaFault: String? {
        var count: Int64 = 0
        for delta in deltas {
            let (next, overflow) = count.addingReportingOverflow(delta)
            if overflow || next < 0 { return "a bucket's count is negative or out of range" }
            count = next
        }
        return nil
    }

    private var countFault: String? {
        for bits in counts where Double(bitPattern: bits) < 0 { return "a bucket's count is negative" }
        return nil
    }
}
