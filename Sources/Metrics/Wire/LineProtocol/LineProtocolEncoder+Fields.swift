extension LineProtocolEncoder {
    /// The field of a series that has none of its own.
    static let plainField = Array("value".utf8)

    /// Appends the field of a point, or the fields it becomes.
    ///
    /// - Returns: why there is no spelling, or nil.
    func appendFields(
        _ batch: Batch, _ ordinal: Int, into body: inout [UInt8], _ substitutions: inout Int
    ) -> String? {
        let points = batch.points
        let index = Int(truncatingIfNeeded: points.bits[ordinal])
        switch points.kind(at: ordinal) {
        case .explicitHistogram:
            return appendHistogram(batch.explicitHistograms[index], into: &body)
        case .summary:
            return appendSummary(batch.summaries[index], into: &body)
        case .exponentialHistogram:
            return "exponential histogram"
        case .float64 where points.bits[ordinal] == FloatBits.staleMarker:
            return "stale marker"
        case .float64 where !FloatBits.isFinite(points.bits[ordinal]):
            return "value is not finite"
        case .uint64 where !writesUnsigned && points.bits[ordinal] > UInt64(Int64.max):
            return "unsigned integer beyond a signed one"
        case let kind:
            guard appendFieldName(batch, points.series[ordinal], into: &body, &substitutions) else {
                return "name ends in a backslash"
            }
            if kind == .string {
                LineText.append(quoted: batch.strings[index], to: &body)
            } else {
                appendScalar(kind, points.bits[ordinal], into: &body)
            }
            return nil
        }
    }

    private func appendFieldName(
        _ batch: Batch, _ series: UInt32, into body: inout [UInt8], _ substitutions: inout Int
    ) -> Bool {
        let text = batch.series.identity(of: series).field
        if text == 0 {
            body.append(contentsOf: LineProtocolEncoder.plainField)
        } else {
            var name = batch.texts[Int(text)]
            let isWritten = name.withUTF8 { name in
                let name = UnsafeRawBufferPointer(name)
                if name.last == LineScanner.backslash { return false }
                LineText.append(name, escapesEquals: true, to: &body, &substitutions)
                return true
            }
            if !isWritten { return false }
        }
        body.append(LineScanner.equals)
        return true
    }

    private func appendScalar(_ kind: PointKind, _ bits: UInt64, into body: inout [UInt8]) {
        switch kind {
        case .int64:
            NumberPrinter.append(Int64(bitPattern: bits), to: &body)
            body.append(UInt8(ascii: "i"))
        case .uint64:
            NumberPrinter.append(bits, to: &body)
            body.append(UInt8(ascii: writesUnsigned ? "u" : "i"))
        case .bool:
            body.append(UInt8(ascii: bits == 0 ? "f" : "t"))
        default:
            NumberPrinter.append(float64: bits, to: &body)
        }
    }

    // MARK: Values of several fields, all floats: a field keeps the type of its first write

    /// `count`, `sum`, `min`, `max`, and each upper bound with the count up to it, as Telegraf lays histograms out.
    /// A number that is not finite is left out.
    private func appendHistogram(_ histogram: ExplicitHistogram, into body: inout [UInt8]) -> String? {
        appendField("count", Double(histogram.count).bitPattern, isFirst: true, into: &body)
        if let sum = histogram.sumBits { appendField("sum", sum, into: &body) }
        if let minimum = histogram.minimumBits { appendField("min", minimum, into: &body) }
        if let maximum = histogram.maximumBits { appendField("max", maximum, into: &body) }
        guard histogram.bucketCounts.count == histogram.bounds.count + 1 else { return nil }
        var cumulative = 0.0
        for (bound, count) in zip(histogram.bounds, histogram.bucketCounts) {
            cumulative += Double(count)
            if FloatBits.isFinite(bound) { appendBound(bound, cumulative.bitPattern, into: &body) }
        }
        appendField("+Inf", Double(histogram.count).bitPattern, into: &body)
        return nil
    }

    /// `count`, `sum`, and each quantile with its value.
    private func appendSummary(_ summary: Summary, into body: inout [UInt8]) -> String? {
        appendField("count", Double(summary.count).bitPattern, isFirst: true, into: &body)
        appendField("sum", summary.sumBits, into: &body)
        for quantile in summary.quantiles
        where FloatBits.isFinite(quantile.quantileBits) && FloatBits.isFinite(quantile.valueBits) {
            appendBound(quantile.quantileBits, quantile.valueBits, into: &body)
        }
        return nil
    }

    private func appendField(_ name: StaticString, _ bits: UInt64, isFirst: Bool = false, into body: inout [UInt8]) {
        guard FloatBits.isFinite(bits) else { return }
        if !isFirst { body.append(LineScanner.comma) }
        name.withUTF8Buffer { body.append(contentsOf: $0) }
        body.append(LineScanner.equals)
        NumberPrinter.append(float64: bits, to: &body)
    }

    private func appendBound(_ bound: UInt64, _ bits: UInt64, into body: inout [UInt8]) {
        body.append(LineScanner.comma)
        NumberPrinter.append(float64: bound, to: &body)
        body.append(LineScanner.equals)
        NumberPrinter.append(float64: bits, to: &body)
    }
}
