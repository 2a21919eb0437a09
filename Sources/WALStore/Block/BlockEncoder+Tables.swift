import Metrics

/// The tables: rare beside points, so plain loops do.
extension BlockEncoder {
    func addTables() {
        writeSection(.texts, batch.texts.dropFirst()) { $0.append(text: $1) }
        writeSection(.resources, batch.resources) { buffer, resource in
            buffer.append(text: resource.schemaURL)
            BlockEncoder.write(resource.attributes, to: buffer)
        }
        writeSection(.scopes, batch.scopes) { buffer, scope in
            buffer.append(text: scope.name)
            buffer.append(text: scope.version)
            buffer.append(text: scope.schemaURL)
            BlockEncoder.write(scope.attributes, to: buffer)
        }
    }

    func addComplexValues() {
        writeSection(.strings, batch.strings) { $0.append(counted: $1) }
        writeSection(.explicitHistograms, batch.explicitHistograms, BlockEncoder.write)
        writeSection(.exponentialHistograms, batch.exponentialHistograms, BlockEncoder.write)
        writeSection(.summaries, batch.summaries) { buffer, summary in
            buffer.appendVarint(summary.count)
            buffer.appendFixed(summary.sumBits)
            buffer.appendVarint(summary.quantiles.count)
            for quantile in summary.quantiles {
                buffer.appendFixed(quantile.quantileBits)
                buffer.appendFixed(quantile.valueBits)
            }
        }
    }

    func addExemplars() {
        writeSection(.exemplars, batch.exemplars) { buffer, exemplar in
            buffer.appendVarint(UInt64(exemplar.series))
            // Plus 1: 0 says there is none.
            buffer.appendVarint(exemplar.ordinal.map { UInt64($0) + 1 } ?? 0)
            buffer.append(counted: exemplar.labels)
            buffer.appendFixed(exemplar.valueBits)
            buffer.append(exemplar.time == nil ? 0 : 1)
            if let time = exemplar.time { buffer.appendZigzag(time) }
        }
    }

    func addMetadata() {
        writeSection(.metadata, batch.metadata) { buffer, metadata in
            buffer.append(text: metadata.family)
            buffer.append(metadata.kind.rawValue)
            buffer.append(text: metadata.help)
            buffer.append(text: metadata.unit)
        }
    }

    /// A count, then the entries.
    private func writeSection<Entry>(
        _ id: Block.SectionID, _ entries: some Collection<Entry>, _ write: (ScratchBuffer, Entry) -> Void
    ) {
        if entries.isEmpty { return }
        section.count = 0
        section.appendVarint(entries.count)
        for entry in entries { write(section, entry) }
        workspace.add(id, section.bytes)
    }

    private static func write(_ attributes: [Attribute], to buffer: ScratchBuffer) {
        buffer.appendVarint(attributes.count)
        for attribute in attributes {
            buffer.append(text: attribute.key)
            write(attribute.value, to: buffer)
        }
    }

    private static func write(_ value: AttributeValue, to buffer: ScratchBuffer) {
        switch value {
        case .empty: buffer.append(0)
        case .string(let text):
            buffer.append(1)
            buffer.append(text: text)
        case .bool(let flag):
            buffer.append(2)
            buffer.append(flag ? 1 : 0)
        case .int(let number):
            buffer.append(3)
            buffer.appendZigzag(number)
        case .double(let bits):
            buffer.append(4)
            buffer.appendFixed(bits)
        case .bytes(let bytes):
            buffer.append(5)
            buffer.append(counted: bytes)
        case .array(let values):
            buffer.append(6)
            buffer.appendVarint(values.count)
            for value in values { write(value, to: buffer) }
        case .map(let attributes):
            buffer.append(7)
            write(attributes, to: buffer)
        }
    }

    private static func write(_ buffer: ScratchBuffer, _ histogram: ExplicitHistogram) {
        buffer.appendVarint(histogram.count)
        buffer.append(presence(histogram.sumBits, histogram.minimumBits, histogram.maximumBits))
        for bits in [histogram.sumBits, histogram.minimumBits, histogram.maximumBits] {
            if let bits { buffer.appendFixed(bits) }
        }
        writeFixed(histogram.bounds, to: buffer)
        buffer.appendVarint(histogram.bucketCounts.count)
        for count in histogram.bucketCounts { buffer.appendVarint(count) }
    }

    private static func write(_ buffer: ScratchBuffer, _ histogram: ExponentialHistogram) {
        write(histogram.count, to: buffer)
        buffer.appendFixed(histogram.sumBits)
        buffer.appendZigzag(Int64(histogram.schema))
        buffer.appendFixed(histogram.zeroThresholdBits)
        write(histogram.zeroCount, to: buffer)
        for buckets in [histogram.negative, histogram.positive] {
            buffer.appendVarint(buckets.spans.count)
            for span in buckets.spans {
                buffer.appendZigzag(Int64(span.offset))
                buffer.appendVarint(UInt64(span.length))
            }
            buffer.appendVarint(buckets.deltas.count)
            for delta in buckets.deltas { buffer.appendZigzag(delta) }
            writeFixed(buckets.counts, to: buffer)
        }
        writeFixed(histogram.customBounds, to: buffer)
        buffer.append(histogram.resetHint)
        buffer.append(presence(nil, histogram.minimumBits, histogram.maximumBits))
        for bits in [histogram.minimumBits, histogram.maximumBits] {
            if let bits { buffer.appendFixed(bits) }
        }
    }

    private static func write(_ count: HistogramCount, to buffer: ScratchBuffer) {
        switch count {
        case .integer(let number):
            buffer.append(0)
            buffer.appendVarint(number)
        case .float(let bits):
            buffer.append(1)
            buffer.appendFixed(bits)
        }
    }

    private static func writeFixed(_ values: [UInt64], to buffer: ScratchBuffer) {
        buffer.appendVarint(values.count)
        for value in values { buffer.appendFixed(value) }
    }

    /// Which optional numbers follow: bit 0 sum, bit 1 minimum, bit 2 maximum.
    private static func presence(_ sum: UInt64?, _ minimum: UInt64?, _ maximum: UInt64?) -> UInt8 {
        (sum == nil ? 0 : 1) | (minimum == nil ? 0 : 2) | (maximum == nil ? 0 : 4)
    }
}
