extension JSONRecordEncoder {
    func appendValue(_ ordinal: Int, of batch: Batch, into body: inout [UInt8]) {
        let bits = batch.points.bits[ordinal]
        let index = Int(truncatingIfNeeded: bits)
        switch batch.points.kind(at: ordinal) {
        case .float64:
            JSONOutput.append(",\"value\":", to: &body)
            JSONFloat.append(bits, to: &body)
        case .int64:
            JSONOutput.append(",\"int\":", to: &body)
            NumberPrinter.append(Int64(bitPattern: bits), to: &body)
        case .uint64:
            JSONOutput.append(",\"uint\":", to: &body)
            NumberPrinter.append(bits, to: &body)
        case .bool:
            JSONOutput.append(bits == 0 ? ",\"bool\":false" : ",\"bool\":true", to: &body)
        case .string:
            appendString(batch.strings[index], into: &body)
        case .explicitHistogram:
            append(batch.explicitHistograms[index], into: &body)
        case .exponentialHistogram:
            append(batch.exponentialHistograms[index], into: &body)
        case .summary:
            append(batch.summaries[index], into: &body)
        }
    }

    private func appendString(_ text: [UInt8], into body: inout [UInt8]) {
        text.withUnsafeBytes { text in
            if UTF8Check.isValid(text) {
                JSONOutput.append(",\"string\":", to: &body)
                JSONOutput.append(string: text, to: &body)
            } else {
                JSONOutput.append(",\"string_base64\":\"", to: &body)
                Base64.append(text, to: &body)
                body.append(UInt8(ascii: "\""))
            }
        }
    }

    private func append(_ histogram: ExplicitHistogram, into body: inout [UInt8]) {
        JSONOutput.append(",\"histogram\":{\"count\":", to: &body)
        NumberPrinter.append(histogram.count, to: &body)
        RecordMember.append("sum", float: histogram.sumBits, to: &body)
        RecordMember.append("bounds", floats: histogram.bounds, to: &body)
        if !histogram.bucketCounts.isEmpty {
            RecordMember.appendKey("counts", to: &body)
            RecordMember.append(list: histogram.bucketCounts, to: &body) { NumberPrinter.append($0, to: &$1) }
        }
        RecordMember.append("min", float: histogram.minimumBits, to: &body)
        RecordMember.append("max", float: histogram.maximumBits, to: &body)
        body.append(UInt8(ascii: "}"))
    }

    private func append(_ histogram: ExponentialHistogram, into body: inout [UInt8]) {
        JSONOutput.append(",\"exponential_histogram\":{\"schema\":", to: &body)
        NumberPrinter.append(Int64(histogram.schema), to: &body)
        append("count", "float_count", histogram.count, into: &body)
        RecordMember.append("sum", float: histogram.sumBits, to: &body)
        if histogram.zeroThresholdBits != 0 {
            RecordMember.append("zero_threshold", float: histogram.zeroThresholdBits, to: &body)
        }
        if histogram.zeroCount != .integer(0) {
            append("zero_count", "float_zero_count", histogram.zeroCount, into: &body)
        }
        append("negative", histogram.negative, into: &body)
        append("positive", histogram.positive, into: &body)
        RecordMember.append("custom_bounds", floats: histogram.customBounds, to: &body)
        if histogram.resetHint != 0 {
            RecordMember.appendKey("reset_hint", to: &body)
            NumberPrinter.append(UInt64(histogram.resetHint), to: &body)
        }
        RecordMember.append("min", float: histogram.minimumBits, to: &body)
        RecordMember.append("max", float: histogram.maximumBits, to: &body)
        body.append(UInt8(ascii: "}"))
    }

    private func append(
        _ integerKey: StaticString, _ floatKey: StaticString, _ count: HistogramCount, into body: inout [UInt8]
    ) {
        switch count {
        case .integer(let value):
            RecordMember.appendKey(integerKey, to: &body)
            NumberPrinter.append(value, to: &body)
        case .float(let bits):
            RecordMember.append(floatKey, float: bits, to: &body)
        }
    }

    private func append(_ key: StaticString, _ buckets: HistogramBuckets, into body: inout [UInt8]) {
        if buckets == .none { return }
        RecordMember.appendKey(key, to: &body)
        JSONOutput.append("{\"spans\":", to: &body)
        RecordMember.append(list: buckets.spans, to: &body) { span, body in
            body.append(UInt8(ascii: "["))
            NumberPrinter.append(Int64(span.offset), to: &body)
            body.append(UInt8(ascii: ","))
            NumberPrinter.append(UInt64(span.length), to: &body)
            body.append(UInt8(ascii: "]"))
        }
        if !buckets.deltas.isEmpty {
            RecordMember.appendKey("deltas", to: &body)
            RecordMember.append(list: buckets.deltas, to: &body) { NumberPrinter.append($0, to: &$1) }
        }
        RecordMember.append("counts", floats: buckets.counts, to: &body)
        body.append(UInt8(ascii: "}"))
    }

    private func append(_ summary: Summary, into body: inout [UInt8]) {
        JSONOutput.append(",\"summary\":{\"count\":", to: &body)
        NumberPrinter.append(summary.count, to: &body)
        RecordMember.append("sum", float: summary.sumBits, to: &body)
        RecordMember.appendKey("quantiles", to: &body)
        RecordMember.append(list: summary.quantiles, to: &body) { quantile, body in
            body.append(UInt8(ascii: "["))
            JSONFloat.append(quantile.quantileBits, to: &body)
            body.append(UInt8(ascii: ","))
            JSONFloat.append(quantile.valueBits, to: &body)
            body.append(UInt8(ascii: "]"))
        }
        body.append(UInt8(ascii: "}"))
    }
}
