/// What an encoder of 2.0 needs besides.
struct RemoteWriteSecondParts: Sendable {
    var symbols = SymbolTable()
    /// `labels_refs` of the message at hand, packed.
    var references: [UInt8] = []
    /// The `metadata` field of the series at hand, with key and length; empty when nothing is known.
    var metadata: [UInt8] = []
    /// Of the batch at hand.
    var families = MetadataFamilies()
    /// Of batches before it; what the batch says goes first.
    var known = MetadataFamilies()
    /// Marks of the label sets in this body.
    var seen: Set<UInt64> = []
    /// A label set has more than one point in this body.
    var repeatsSeries = false
}

/// Remote write 2.0: texts are said once in a request, labels name them, and each series has its metadata and each point its
/// start.
extension RemoteWriteEncoder {
    /// Begins a body.
    ///
    /// - Parameter families: what was said before of metrics, in batches that are not of this body.
    public mutating func begin(knowing families: MetadataFamilies = MetadataFamilies()) {
        second.known = families
        second.symbols.removeAll()
        second.seen.removeAll(keepingCapacity: true)
        second.repeatsSeries = false
    }

    /// Whether a series has more than one point in the body since `begin`.
    public var repeatsSeries: Bool { second.repeatsSeries }

    /// Appends what stands before the messages since `begin`: receivers read a body from its beginning, and some look up a
    /// text where it is named.
    public func appendSymbols(to body: inout [UInt8]) { second.symbols.append(to: &body) }

    mutating func beginSecond(_ batch: Batch) {
        second.families.removeAll()
        second.families.add(batch.metadata)
    }

    // MARK: Series

    mutating func appendSecondSeries(_ batch: Batch, into body: inout [UInt8]) -> Int {
        beginSecond(batch)
        for id in order.series {
            let ordinals = order.points(of: id)
            if !ordinals.isEmpty { appendSecondPlain(batch, UInt32(id), ordinals, into: &body) }
        }
        return order.points
    }

    /// Float64 samples under labels that go out as they are.
    mutating func appendSecondPlain(
        _ batch: Batch, _ id: UInt32, _ ordinals: some Collection<some FixedWidthInteger>, into body: inout [UInt8]
    ) {
        beginSecondSeries(batch, id)
        second.references.removeAll(keepingCapacity: true)
        batch.series.withLabels(of: id) { second.refer(to: $0) }
        message.removeAll(keepingCapacity: true)
        for ordinal in ordinals {
            let ordinal = Int(truncatingIfNeeded: ordinal)
            append(batch.points.bits[ordinal], of: batch, ordinal)
        }
        if ordinals.count > 1 { second.repeatsSeries = true }
        second.append(message, to: &body)
    }

    /// Finds out what is known of a series, for each of the messages that it becomes.
    mutating func beginSecondSeries(_ batch: Batch, _ id: UInt32) {
        second.metadata.removeAll(keepingCapacity: true)
        let family = second.family(of: batch, id)
        var kind = batch.series.identity(of: id).kind
        if kind == .unknown, let family { kind = family.kind }
        let unit = batch.unit(of: id)
        second.describe(kind, help: family?.help ?? "", unit: unit.isEmpty ? family?.unit ?? "" : unit)
    }

    /// The labels at hand and the fields behind them, as one `TimeSeries`.
    mutating func appendSecondMessage(into body: inout [UInt8]) {
        second.references.removeAll(keepingCapacity: true)
        rewriter.canonical.withUnsafeBytes { second.refer(to: $0) }
        second.append(message, to: &body)
    }

    // MARK: Points

    /// When what the point counts began, milliseconds; 0 when that is not known, or cannot be: behind its own time.
    static func start(of batch: Batch, _ ordinal: Int) -> Int64 {
        let start = batch.points.startTime(at: ordinal)
        guard start != 0, start <= batch.points.times[ordinal] else { return 0 }
        // 0 would say that it is not known.
        let milliseconds = PrometheusTime.milliseconds(start)
        return milliseconds == 0 ? 1 : milliseconds
    }

    /// Appends an exemplar to the message at hand; the specification demands its time.
    mutating func appendSecond(_ exemplar: Exemplar, pointTime: Int64) {
        typealias Field = RemoteWriteField.Exemplar
        second.references.removeAll(keepingCapacity: true)
        exemplar.labels.withUnsafeBytes { second.refer(to: $0) }
        var field: [UInt8] = []
        if !second.references.isEmpty {
            second.references.withUnsafeBytes { ProtobufWriter.appendBytes(Int(Field.label), $0, to: &field) }
        }
        ProtobufWriter.appendFixed64(Int(Field.value), exemplar.valueBits, to: &field)
        let milliseconds = PrometheusTime.milliseconds(exemplar.time ?? pointTime)
        ProtobufWriter.appendVarint(Int(Field.timestamp), UInt64(bitPattern: milliseconds), to: &field)
        field.withUnsafeBytes {
            ProtobufWriter.appendBytes(Int(RemoteWriteField.TimeSeriesOf2.exemplar), $0, to: &message)
        }
    }

    /// Exemplars that came without a point, each with the last point of its series in the batch, if that is one of `ordinals`.
    static func looseExemplars(of batch: Batch, _ ordinals: Range<Int>) -> [(ordinal: UInt32, index: Int)] {
        let loose = batch.exemplars.indices.filter { batch.exemplars[$0].ordinal == nil }
        if loose.isEmpty { return [] }
        var last = Dictionary(loose.map { (batch.exemplars[$0].series, -1) }) { first, _ in first }
        for (ordinal, id) in batch.points.series.enumerated() where last[id] != nil { last[id] = ordinal }
        return loose.compactMap { index in
            guard let ordinal = last[batch.exemplars[index].series], ordinals.contains(ordinal) else { return nil }
            return (UInt32(ordinal), index)
        }
    }
}

extension RemoteWriteSecondParts {
    func family(of batch: Batch, _ id: UInt32) -> MetricMetadata? {
        if families.isEmpty, known.isEmpty { return nil }
        guard let name = batch.series.withLabels(of: id, MetadataFamilies.name) else { return nil }
        return families.family(of: name) ?? known.family(of: name)
    }

    /// Appends the references of a label set to those at hand.
    ///
    /// - Parameter labels: canonical label bytes.
    mutating func refer(to labels: UnsafeRawBufferPointer) {
        var rest = LabelIterator(labels)
        while let label = rest.next() {
            Varint.append(UInt64(symbols.number(of: label.name)), to: &references)
            Varint.append(UInt64(symbols.number(of: label.value)), to: &references)
        }
    }

    /// Makes `metadata`.
    mutating func describe(_ kind: MetricKind, help: String, unit: String) {
        typealias Field = RemoteWriteField.MetadataOf2
        if kind == .unknown, help.isEmpty, unit.isEmpty { return }
        var field: [UInt8] = []
        if kind != .unknown { ProtobufWriter.appendVarint(Int(Field.type), UInt64(kind.rawValue), to: &field) }
        for (number, text) in [(Field.helpReference, help), (Field.unitReference, unit)] where !text.isEmpty {
            ProtobufWriter.appendVarint(Int(number), UInt64(symbols.number(of: text)), to: &field)
        }
        field.withUnsafeBytes {
            ProtobufWriter.appendBytes(Int(RemoteWriteField.TimeSeriesOf2.metadata), $0, to: &metadata)
        }
    }

    /// Appends one `TimeSeries`: the references at hand, `fields`, and the metadata at hand.
    mutating func append(_ fields: [UInt8], to body: inout [UInt8]) {
        typealias Field = RemoteWriteField.TimeSeriesOf2
        if !repeatsSeries {
            let mark = references.withUnsafeBytes { SeriesTable.hash($0) }
            repeatsSeries = !seen.insert(mark).inserted
        }
        let size = ProtobufWriter.length(ofBytes: references.count) + fields.count + metadata.count
        ProtobufWriter.appendKey(Int(RemoteWriteField.Request.timeSeriesOf2), .bytes, to: &body)
        Varint.append(UInt64(size), to: &body)
        references.withUnsafeBytes { ProtobufWriter.appendBytes(Int(Field.labelReferences), $0, to: &body) }
        body.append(contentsOf: fields)
        body.append(contentsOf: metadata)
    }
}
