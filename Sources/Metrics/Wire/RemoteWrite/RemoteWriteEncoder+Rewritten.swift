extension RemoteWriteEncoder {
    /// How a point goes out.
    private enum Form {
        case sample
        case native
        /// Several series, made of the parts of one value.
        case parts
        case excluded(RemoteWriteCounts.Exclusion)

        var isShared: Bool {
            switch self {
            case .sample, .native: true
            case .parts, .excluded: false
            }
        }
    }

    private static func form(of ordinal: Int, in batch: Batch) -> Form {
        switch batch.points.kind(at: ordinal) {
        case .float64, .int64, .uint64, .bool: return .sample
        case .string: return .excluded(.stringValue)
        case .explicitHistogram, .summary: return .parts
        case .exponentialHistogram:
            let histogram = batch.exponentialHistograms[Int(batch.points.bits[ordinal])]
            let isKnown =
                ExponentialHistogram.exponentialSchemas.contains(histogram.schema)
                || histogram.schema == ExponentialHistogram.customSchema
            return isKnown ? .native : .excluded(.histogramSchema)
        }
    }

    /// The general case: any labels, any kinds, with exemplars.
    mutating func appendRewritten(
        _ batch: Batch, _ id: UInt32, _ ordinals: Range<Int>, into body: inout [UInt8],
        _ counts: inout RemoteWriteCounts
    ) {
        let isChanged = rewriter.set(batch, id)
        var next = ordinals.lowerBound
        while next < ordinals.upperBound {
            let form = RemoteWriteEncoder.form(of: next, in: batch)
            var end = next + 1
            // Samples share a message, and so do native histograms, but not with each other: the order stays.
            while form.isShared, end < ordinals.upperBound, isSame(form, RemoteWriteEncoder.form(of: end, in: batch)) {
                end += 1
            }
            if case .excluded(let reason) = form {
                counts.excluded.append(RemoteWriteCounts.Excluded(ordinal: next, reason: reason))
                _ = takeExemplars(before: end)
            } else {
                appendMessages(batch, form, next..<end, into: &body, &counts)
                counts.renamed += isChanged ? 1 : 0
                counts.points += end - next
            }
            next = end
        }
    }

    private func isSame(_ left: Form, _ right: Form) -> Bool {
        switch (left, right) {
        case (.sample, .sample), (.native, .native): true
        default: false
        }
    }

    private mutating func appendMessages(
        _ batch: Batch, _ form: Form, _ ordinals: Range<Int>, into body: inout [UInt8],
        _ counts: inout RemoteWriteCounts
    ) {
        if case .parts = form { return appendParts(of: batch, ordinals.lowerBound, into: &body, &counts) }
        message.removeAll(keepingCapacity: true)
        counts.samples += ordinals.count
        if ordinals.count > 1 { second.repeatsSeries = true }
        if case .sample = form {
            for ordinal in ordinals { appendSample(of: batch, ordinal, &counts) }
        }
        appendExemplars(of: batch, before: ordinals.upperBound, &counts)
        if case .native = form {
            for ordinal in ordinals {
                let isMissing = batch.points.flags(at: ordinal).contains(.noRecordedValue)
                let histogram = batch.exponentialHistograms[Int(batch.points.bits[ordinal])]
                append(isMissing ? .stale : histogram, of: batch, ordinal)
            }
            counts.histograms += ordinals.count
        }
        appendMessage(into: &body)
    }

    /// The labels at hand and the fields behind them, as one `TimeSeries`.
    mutating func appendMessage(into body: inout [UInt8]) {
        guard version == .first else { return appendSecondMessage(into: &body) }
        let labels = rewriter.canonical
        body.append(0x0A)
        Varint.append(UInt64(labels.count + message.count), to: &body)
        body.append(contentsOf: labels)
        body.append(contentsOf: message)
    }

    private mutating func appendSample(of batch: Batch, _ ordinal: Int, _ counts: inout RemoteWriteCounts) {
        let bits = batch.points.bits[ordinal]
        if batch.points.flags(at: ordinal).contains(.noRecordedValue) {
            return append(FloatBits.staleMarker, of: batch, ordinal)
        }
        let value: Double
        switch batch.points.kind(at: ordinal) {
        case .int64:
            let integer = Int64(bitPattern: bits)
            value = Double(integer)
            counts.rounded += Int64(exactly: value) == integer ? 0 : 1
        case .uint64:
            value = Double(bits)
            counts.rounded += UInt64(exactly: value) == bits ? 0 : 1
        case .bool:
            value = bits == 0 ? 0 : 1
        default:
            // Already float64: a signalling NaN would not survive as a Double.
            return append(bits, of: batch, ordinal)
        }
        append(value.bitPattern, of: batch, ordinal)
    }

    /// Appends a sample to the message at hand, with the time of a point.
    mutating func append(_ bits: UInt64, of batch: Batch, _ ordinal: Int) {
        RemoteWriteSample(bits, at: batch.points.times[ordinal])
            .append(to: &message, since: version == .first ? 0 : RemoteWriteEncoder.start(of: batch, ordinal))
    }

    private mutating func append(_ histogram: ExponentialHistogram, of batch: Batch, _ ordinal: Int) {
        let time = batch.points.times[ordinal]
        if version == .first { return RemoteWriteHistogram(histogram, at: time).append(to: &message) }
        RemoteWriteHistogram(histogram, at: time, since: RemoteWriteEncoder.start(of: batch, ordinal))
            .append(as: RemoteWriteField.TimeSeriesOf2.histogram, to: &message)
    }

    /// Appends the exemplars of the points up to `end` to the message at hand.
    mutating func appendExemplars(of batch: Batch, before end: Int, _ counts: inout RemoteWriteCounts) {
        for (ordinal, index) in takeExemplars(before: end) {
            let time = batch.points.times[Int(ordinal)]
            if version == .first {
                RemoteWriteExemplar(batch.exemplars[index], pointTime: time).append(to: &message)
            } else {
                appendSecond(batch.exemplars[index], pointTime: time)
            }
            counts.exemplars += 1
        }
    }
}
