/// Points to NDJSON records, one a line (`docs/formats.md`, "JSON records"): what it writes decodes to the same points.
public struct JSONRecordEncoder: Sendable {
    /// Exemplars with a point, by ordinal; their index in the batch.
    private var exemplars: [(ordinal: UInt32, index: Int)] = []

    public init() {}

    /// Appends everything: points, then metadata and exemplars without a point.
    public mutating func append(_ batch: Batch, into body: inout [UInt8]) {
        append(batch, 0..<batch.points.count, into: &body)
        appendPointless(batch, into: &body)
    }

    /// Appends one line a point.
    ///
    /// - Parameter prefix: writes members in front of a record's own, each with a comma behind it, for the ordinal it is
    ///   given; readers know `place` and skip it.
    public mutating func append(
        _ batch: Batch, _ ordinals: Range<Int>, into body: inout [UInt8],
        prefix: (_ ordinal: Int, _ body: inout [UInt8]) -> Void = { _, _ in }
    ) {
        collectExemplars(batch, ordinals)
        var exemplar = 0
        for ordinal in ordinals {
            body.append(UInt8(ascii: "{"))
            prefix(ordinal, &body)
            let id = batch.points.series[ordinal]
            appendSeries(id, of: batch, into: &body)
            appendValue(ordinal, of: batch, into: &body)
            RecordTime.append("timestamp", batch.points.times[ordinal], to: &body)
            let start = batch.points.startTime(at: ordinal)
            if start != 0 { RecordTime.append("start_timestamp", start, to: &body) }
            let flags = batch.points.flags(at: ordinal)
            if flags.contains(.sharesRow) { JSONOutput.append(",\"shares_row\":true", to: &body) }
            if flags.contains(.noRecordedValue) { JSONOutput.append(",\"no_recorded_value\":true", to: &body) }
            let first = exemplar
            while exemplar < exemplars.count, exemplars[exemplar].ordinal == UInt32(ordinal) { exemplar += 1 }
            if exemplar > first {
                appendExemplars(exemplars[first..<exemplar].map { batch.exemplars[$0.index] }, into: &body)
            }
            JSONOutput.append("}\n", to: &body)
        }
    }

    /// Appends what is no point: metadata, and exemplars that came without one; a line each.
    public func appendPointless(_ batch: Batch, into body: inout [UInt8]) {
        for metadata in batch.metadata {
            JSONOutput.append("{\"metadata\":{\"family\":", to: &body)
            JSONOutput.append(string: metadata.family, to: &body)
            RecordMember.append("kind", RecordWords.word(of: metadata.kind), to: &body)
            RecordMember.append("help", metadata.help, to: &body)
            RecordMember.append("unit", metadata.unit, to: &body)
            JSONOutput.append("}}\n", to: &body)
        }
        for exemplar in batch.exemplars where exemplar.ordinal == nil {
            body.append(UInt8(ascii: "{"))
            appendSeries(exemplar.series, of: batch, into: &body)
            appendExemplars([exemplar], into: &body)
            JSONOutput.append("}\n", to: &body)
        }
    }

    private mutating func collectExemplars(_ batch: Batch, _ ordinals: Range<Int>) {
        exemplars.removeAll(keepingCapacity: true)
        if batch.exemplars.isEmpty { return }
        for (index, exemplar) in batch.exemplars.enumerated() {
            if let ordinal = exemplar.ordinal, ordinals.contains(Int(ordinal)) { exemplars.append((ordinal, index)) }
        }
        exemplars.sort { $0 < $1 }
    }

    // MARK: Series

    private func appendSeries(_ id: UInt32, of batch: Batch, into body: inout [UInt8]) {
        batch.series.withLabels(of: id) { JSONRecordEncoder.appendNameAndLabels($0, into: &body) }
        let identity = batch.series.identity(of: id)
        if identity == .plain { return }
        RecordMember.append("field", batch.texts[Int(identity.field)], to: &body)
        if identity.kind != .unknown { RecordMember.append("kind", RecordWords.word(of: identity.kind), to: &body) }
        if identity.temporality != .unspecified {
            RecordMember.append("temporality", RecordWords.word(of: identity.temporality), to: &body)
        }
        if identity.isMonotonic { JSONOutput.append(",\"monotonic\":true", to: &body) }
        RecordMember.append("unit", batch.texts[Int(identity.unit)], to: &body)
        if let resource = batch.resource(of: id) { RecordResource.append(resource, to: &body) }
        if let scope = batch.scope(of: id) { RecordResource.append(scope, to: &body) }
    }

    private static func appendNameAndLabels(_ labels: UnsafeRawBufferPointer, into body: inout [UInt8]) {
        JSONOutput.append("\"name\":", to: &body)
        let start = body.count
        for label in LabelIterator(labels) where isName(label.name) {
            JSONOutput.append(string: label.value, to: &body)
            break
        }
        if body.count == start { JSONOutput.append("\"\"", to: &body) }
        JSONOutput.append(",\"labels\":", to: &body)
        appendLabels(labels, into: &body)
    }

    /// An object of all labels but the name.
    package static func appendLabels(_ labels: UnsafeRawBufferPointer, into body: inout [UInt8]) {
        body.append(UInt8(ascii: "{"))
        var isFirst = true
        for label in LabelIterator(labels) where !isName(label.name) {
            if !isFirst { body.append(UInt8(ascii: ",")) }
            isFirst = false
            JSONOutput.append(string: label.name, to: &body)
            body.append(UInt8(ascii: ":"))
            JSONOutput.append(string: label.value, to: &body)
        }
        body.append(UInt8(ascii: "}"))
    }

    @inline(__always)
    private static func isName(_ label: UnsafeRawBufferPointer) -> Bool {
        label.count == 8 && Batch.nameLabel.withUnsafeBytes { ByteOrder.compare(label, $0) == 0 }
    }

    // MARK: Exemplars

    private func appendExemplars(_ exemplars: [Exemplar], into body: inout [UInt8]) {
        JSONOutput.append(",\"exemplars\":[", to: &body)
        for (index, exemplar) in exemplars.enumerated() {
            JSONOutput.append(index == 0 ? "{\"labels\":{" : ",{\"labels\":{", to: &body)
            var isFirst = true
            exemplar.labels.withUnsafeBytes { labels in
                for label in LabelIterator(labels) {
                    if !isFirst { body.append(UInt8(ascii: ",")) }
                    isFirst = false
                    JSONOutput.append(string: label.name, to: &body)
                    body.append(UInt8(ascii: ":"))
                    JSONOutput.append(string: label.value, to: &body)
                }
            }
            JSONOutput.append("},\"value\":", to: &body)
            JSONFloat.append(exemplar.valueBits, to: &body)
            if let time = exemplar.time { RecordTime.append("timestamp", time, to: &body) }
            body.append(UInt8(ascii: "}"))
        }
        body.append(UInt8(ascii: "]"))
    }
}

enum RecordTime {
    /// `,"<name>_ms":...` for whole milliseconds, else `,"<name>_ns":...`.
    static func append(_ name: StaticString, _ nanoseconds: Int64, to body: inout [UInt8]) {
        JSONOutput.append(",\"", to: &body)
        JSONOutput.append(name, to: &body)
        let (milliseconds, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000)
        JSONOutput.append(rest == 0 ? "_ms\":" : "_ns\":", to: &body)
        NumberPrinter.append(rest == 0 ? milliseconds : nanoseconds, to: &body)
    }
}

enum RecordMember {
    /// `,"<key>":"<text>"`; nothing when the text is empty.
    static func append(_ key: StaticString, _ text: String, to body: inout [UInt8]) {
        if text.isEmpty { return }
        appendKey(key, to: &body)
        JSONOutput.append(string: text, to: &body)
    }

    static func append(_ key: StaticString, _ word: StaticString, to body: inout [UInt8]) {
        appendKey(key, to: &body)
        body.append(UInt8(ascii: "\""))
        JSONOutput.append(word, to: &body)
        body.append(UInt8(ascii: "\""))
    }

    static func append(_ key: StaticString, float bits: UInt64?, to body: inout [UInt8]) {
        guard let bits else { return }
        appendKey(key, to: &body)
        JSONFloat.append(bits, to: &body)
    }

    static func append(_ key: StaticString, floats: [UInt64], to body: inout [UInt8]) {
        if floats.isEmpty { return }
        appendKey(key, to: &body)
        append(list: floats, to: &body) { JSONFloat.append($0, to: &$1) }
    }

    static func append<Element>(
        list: [Element], to body: inout [UInt8], _ append: (Element, inout [UInt8]) -> Void
    ) {
        body.append(UInt8(ascii: "["))
        for (index, element) in list.enumerated() {
            if index > 0 { body.append(UInt8(ascii: ",")) }
            append(element, &body)
        }
        body.append(UInt8(ascii: "]"))
    }

    static func appendKey(_ key: StaticString, to body: inout [UInt8]) {
        JSONOutput.append(",\"", to: &body)
        JSONOutput.append(key, to: &body)
        JSONOutput.append("\":", to: &body)
    }
}
