extension RemoteWriteEncoder {
    /// A classic histogram or a summary: several series, as Prometheus' text format has them.
    /// <https://prometheus.io/docs/instrumenting/exposition_formats/#histograms-and-summaries>
    mutating func appendParts(
        of batch: Batch, _ ordinal: Int, into body: inout [UInt8], _ counts: inout RemoteWriteCounts
    ) {
        let index = Int(batch.points.bits[ordinal])
        if batch.points.kind(at: ordinal) == .summary {
            appendSummary(batch.summaries[index], of: batch, ordinal, into: &body, &counts)
        } else {
            appendHistogram(batch.explicitHistograms[index], of: batch, ordinal, into: &body, &counts)
        }
    }

    private mutating func appendHistogram(
        _ histogram: ExplicitHistogram, of batch: Batch, _ ordinal: Int, into body: inout [UInt8],
        _ counts: inout RemoteWriteCounts
    ) {
        var cumulative: UInt64 = 0
        for (bound, count) in zip(histogram.bounds, histogram.bucketCounts) {
            cumulative &+= count
            if bound == FloatBits.positiveInfinity { break }
            rewriter.derive(suffix: "_bucket", "le", DecimalText.positional(Double(bitPattern: bound)))
            appendPart(cumulative, of: batch, ordinal, into: &body, &counts)
        }
        rewriter.derive(suffix: "_bucket", "le", "+Inf")
        // Exemplars go to a bucket, as Prometheus has them; to the last one, which holds them all.
        appendPart(histogram.count, of: batch, ordinal, into: &body, &counts, withExemplars: true)
        if let sum = histogram.sumBits {
            rewriter.derive(suffix: "_sum")
            appendPart(bits: sum, of: batch, ordinal, into: &body, &counts)
        }
        rewriter.derive(suffix: "_count")
        appendPart(histogram.count, of: batch, ordinal, into: &body, &counts)
    }

    private mutating func appendSummary(
        _ summary: Summary, of batch: Batch, _ ordinal: Int, into body: inout [UInt8],
        _ counts: inout RemoteWriteCounts
    ) {
        for quantile in summary.quantiles {
            let place = DecimalText.positional(Double(bitPattern: quantile.quantileBits))
            rewriter.derive(suffix: "", "quantile", place)
            appendPart(bits: quantile.valueBits, of: batch, ordinal, into: &body, &counts)
        }
        rewriter.derive(suffix: "_sum")
        appendPart(bits: summary.sumBits, of: batch, ordinal, into: &body, &counts)
        rewriter.derive(suffix: "_count")
        appendPart(summary.count, of: batch, ordinal, into: &body, &counts, withExemplars: true)
    }

    private mutating func appendPart(
        _ count: UInt64, of batch: Batch, _ ordinal: Int, into body: inout [UInt8],
        _ counts: inout RemoteWriteCounts, withExemplars: Bool = false
    ) {
        counts.rounded += UInt64(exactly: Double(count)) == count ? 0 : 1
        appendPart(
            bits: Double(count).bitPattern, of: batch, ordinal, into: &body, &counts, withExemplars: withExemplars)
    }

    private mutating func appendPart(
        bits: UInt64, of batch: Batch, _ ordinal: Int, into body: inout [UInt8], _ counts: inout RemoteWriteCounts,
        withExemplars: Bool = false
    ) {
        message.removeAll(keepingCapacity: true)
        let isMissing = batch.points.flags(at: ordinal).contains(.noRecordedValue)
        append(isMissing ? FloatBits.staleMarker : bits, of: batch, ordinal)
        counts.samples += 1
        if withExemplars { appendExemplars(of: batch, before: ordinal + 1, &counts) }
        appendMessage(into: &body)
    }
}
