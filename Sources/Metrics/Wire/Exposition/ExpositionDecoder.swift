/// Prometheus' text exposition format 0.0.4 to points, also with quoted UTF-8 names (1.0.0).
/// <https://github.com/prometheus/docs/blob/main/docs/instrumenting/exposition_formats.md>
///
/// A malformed body is refused whole, with its line: half a scrape would look like series that ended. A series whose
/// labels cannot be stored is set aside. Values are read as Go reads them; timestamps are milliseconds. `# TYPE` is the
/// kind of its family's series, and becomes a metadata record with `# HELP`. The buckets, sums and counts of histograms
/// stay plain samples.
public struct ExpositionDecoder: Sendable {
    private struct Pair: Sendable {
        var name: Span
        var value: Span
        /// In `text` rather than in the body.
        var isNameStored: Bool
        var isValueStored: Bool
    }
    private var families = ExpositionFamilies()
    /// Names of families, help texts, and what had escapes.
    private var text: [UInt8] = []
    private var pairs: [Pair] = []
    private var labels = LabelBuilder()
    /// A label's new name while it is added.
    private var renamed: [UInt8] = []

    public init() {}

    /// - Throws: `.malformed` with the line, `.tooLarge` beyond a limit; nothing of `request` is then to be stored.
    public mutating func decode(
        _ body: UnsafeRawBufferPointer, _ context: ExpositionContext, limits: WireLimits = .standard,
        into request: inout DecodedRequest
    ) throws(WireError) {
        if body.count > limits.decodedBytes { throw WireError(.tooLarge, "body of \(body.count) bytes") }
        families.removeAll()
        text.removeAll(keepingCapacity: true)
        var scanner = ExpositionScanner(body)
        while scanner.at < body.count {
            let start = scanner.at
            scanner.skipBlanks()
            if scanner.isAt(UInt8(ascii: "#")) {
                try readComment(&scanner)
            } else if scanner.isAt(UInt8(ascii: "\n")) {
                try scanner.endLine()
            } else {
                try readSample(&scanner, context, limits, into: &request)
            }
            if scanner.at - start > limits.lineBytes {
                throw WireError(.tooLarge, "line of more than \(limits.lineBytes) bytes", line: scanner.line - 1)
            }
        }
        appendMetadata(to: &request.batch)
    }

    // MARK: Comments

    private mutating func readComment(_ scanner: inout ExpositionScanner) throws(WireError) {
        scanner.at += 1
        scanner.skipBlanks()
        let word = scanner.token().bytes(in: scanner.body)
        let isHelp = word.elementsEqual("HELP".utf8)
        guard isHelp || word.elementsEqual("TYPE".utf8) else { return try scanner.skipLine() }
        scanner.skipBlanks()
        let name = try familyName(&scanner)
        // One blank parts the name from the text; the text may begin with more.
        guard scanner.isAt(0x20) || scanner.isAt(0x09) || scanner.isAt(UInt8(ascii: "\n")) else {
            throw scanner.failure("\(isHelp ? "HELP" : "TYPE") without a valid metric name")
        }
        scanner.skipBlanks()
        if isHelp {
            let help = store(scanner.rest().bytes(in: scanner.body), quotes: false)
            guard UTF8Check.isValid(text[help.start..<help.end]) else { throw scanner.failure("HELP is not UTF-8") }
            let isNew = update(name) { family in
                defer { family.help = family.help ?? help }
                return family.help == nil
            }
            if !isNew { throw scanner.failure("second HELP of a metric") }
        } else {
            let kind = try metricKind(&scanner)
            let isNew = update(name) { family in
                defer { (family.kind, family.hasKind) = (kind, true) }
                return !family.hasKind
            }
            if !isNew { throw scanner.failure("second TYPE of a metric") }
        }
        try scanner.endLine()
    }

    private mutating func update(_ name: Span, _ body: (inout ExpositionFamilies.Family) -> Bool) -> Bool {
        text.withUnsafeBytes { families.update(name, in: $0, body) }
    }

    private mutating func familyName(_ scanner: inout ExpositionScanner) throws(WireError) -> Span {
        if scanner.isAt(UInt8(ascii: "\"")) {
            let quoted = try scanner.quoted()
            let name = store(quoted.span.bytes(in: scanner.body), quotes: true)
            guard UTF8Check.isValid(text[name.start..<name.end]) else { throw scanner.failure("name is not UTF-8") }
            return name
        }
        let name = scanner.metricName()
        if name.count == 0 { throw scanner.failure("a metric name is expected here") }
        return store(name.bytes(in: scanner.body), quotes: true)
    }

    private func metricKind(_ scanner: inout ExpositionScanner) throws(WireError) -> MetricKind {
        let word = scanner.token().bytes(in: scanner.body)
        for (name, kind) in ExpositionDecoder.kinds where word.elementsEqual(name.utf8) { return kind }
        throw scanner.failure("TYPE is one of counter, gauge, histogram, summary, untyped")
    }

    private static let kinds: [(String, MetricKind)] = [
        ("counter", .counter), ("gauge", .gauge), ("histogram", .histogram), ("summary", .summary),
        ("untyped", .unknown), ("unknown", .unknown),
    ]

    private mutating func store(_ bytes: UnsafeRawBufferPointer, quotes: Bool) -> Span {
        let start = text.count
        ExpositionText.unescape(bytes, quotes: quotes, to: &text)
        return Span(start, text.count)
    }

    private func appendMetadata(to batch: inout Batch) {
        text.withUnsafeBytes { text in
            for family in families.families {
                batch.metadata.append(
                    MetricMetadata(
                        family: String(decoding: family.name.bytes(in: text), as: UTF8.self), kind: family.kind,
                        help: family.help.map { String(decoding: $0.bytes(in: text), as: UTF8.self) } ?? ""))
            }
        }
    }

    // MARK: Samples

    private mutating func readSample(
        _ scanner: inout ExpositionScanner, _ context: ExpositionContext, _ limits: WireLimits,
        into request: inout DecodedRequest
    ) throws(WireError) {
        let line = scanner.line
        pairs.removeAll(keepingCapacity: true)
        var name = Pair(name: .empty, value: scanner.metricName(), isNameStored: false, isValueStored: false)
        if name.value.count > 0 { scanner.skipBlanks() }
        if scanner.isAt(UInt8(ascii: "{")) {
            try readLabels(&scanner, &name)
        }
        if name.value.count == 0 { throw scanner.failure("a metric name is expected here") }
        scanner.skipBlanks()
        let value = try readValue(&scanner)
        let time = try readTime(&scanner, context)
        try scanner.endLine()
        if request.batch.points.count >= limits.points {
            throw WireError(.tooLarge, "more than \(limits.points) points", line: line)
        }
        guard let time else {
            request.refusals.add(
                Refusal(.invalidTime, points: 1, line: line, detail: "timestamp beyond 64 bits of nanoseconds"))
            return
        }
        do throws(LabelFault) {
            // Before the work that grows with their square.
            if pairs.count >= limits.labels.labels { throw .tooManyLabels }
            buildLabels(name, context.target, scanner.body)
            try labels.finish(limits.labels)
        } catch {
            request.refusals.add(Refusal(.invalidLabels, points: 1, line: line, detail: error.rawValue))
            return
        }
        let kind = kind(of: name, scanner.body)
        guard let id = findSeries(kind, limits, &request.batch) else {
            throw WireError(.tooLarge, "more than \(limits.series) series", line: line)
        }
        request.batch.points.appendFloat64(series: id, time: time, bits: value)
    }

    private mutating func kind(of name: Pair, _ body: UnsafeRawBufferPointer) -> MetricKind {
        text.withUnsafeBytes { text in
            families.kind(of: name.value.bytes(in: name.isValueStored ? text : body), in: text)
        }
    }

    private func findSeries(_ kind: MetricKind, _ limits: WireLimits, _ batch: inout Batch) -> UInt32? {
        var identity = SeriesIdentity.plain
        identity.kind = kind
        return labels.canonical.withUnsafeBytes { labels in
            let hash = SeriesTable.hash(labels)
            if let known = batch.series.find(labels, hash: hash, identity: identity) { return known }
            if batch.series.count >= limits.series { return nil }
            return batch.series.insert(labels, hash: hash, identity: identity)
        }
    }

    private func readValue(_ scanner: inout ExpositionScanner) throws(WireError) -> UInt64 {
        let token = scanner.token().bytes(in: scanner.body)
        do throws(NumberFault) { return try NumberParser.goFloat64(token) } catch {
            throw scanner.failure(error == .range ? "value beyond a float of 64 bits" : "value is no number")
        }
    }

    /// - Returns: nanoseconds, or nil when they do not fit.
    private func readTime(_ scanner: inout ExpositionScanner, _ context: ExpositionContext) throws(WireError) -> Int64?
    {
        scanner.skipBlanks()
        if scanner.at == scanner.body.count || scanner.isAt(UInt8(ascii: "\n")) { return context.scrapeTime }
        let token = scanner.token().bytes(in: scanner.body)
        let milliseconds: Int64
        do throws(NumberFault) { milliseconds = try NumberParser.int64(token) } catch {
            throw scanner.failure("timestamp is no whole number of 64 bits")
        }
        if !context.honorsTimestamps { return context.scrapeTime }
        let (time, over) = milliseconds.multipliedReportingOverflow(by: 1_000_000)
        return over ? nil : time
    }

    // MARK: Labels

    /// `{name="value",...}`; a quoted text without a value is the metric's name.
    private mutating func readLabels(_ scanner: inout ExpositionScanner, _ metric: inout Pair) throws(WireError) {
        scanner.at += 1
        while true {
            scanner.skipBlanks()
            if scanner.isAt(UInt8(ascii: "}")) { break }
            var pair = Pair(name: .empty, value: .empty, isNameStored: false, isValueStored: false)
            var isQuoted = false
            if scanner.isAt(UInt8(ascii: "\"")) {
                isQuoted = true
                (pair.name, pair.isNameStored) = try quoted(&scanner)
            } else {
                pair.name = scanner.labelName()
            }
            if pair.name.count == 0 { throw scanner.failure("a label name is expected here") }
            scanner.skipBlanks()
            if scanner.isAt(UInt8(ascii: "=")) {
                scanner.at += 1
                scanner.skipBlanks()
                guard scanner.isAt(UInt8(ascii: "\"")) else { throw scanner.failure("a quoted value is expected here") }
                (pair.value, pair.isValueStored) = try quoted(&scanner)
                pairs.append(pair)
            } else if isQuoted, metric.value.count == 0 {
                (metric.value, metric.isValueStored) = (pair.name, pair.isNameStored)
            } else {
                throw scanner.failure("label without a value")
            }
            scanner.skipBlanks()
            if scanner.isAt(UInt8(ascii: ",")) {
                scanner.at += 1
            } else if !scanner.isAt(UInt8(ascii: "}")) {
                throw scanner.failure("a comma or a closing brace is expected here")
            }
        }
        scanner.at += 1
    }

    @inline(__always)
    private mutating func quoted(_ scanner: inout ExpositionScanner) throws(WireError) -> (Span, Bool) {
        let (span, isEscaped) = try scanner.quoted()
        if !isEscaped { return (span, false) }
        return (store(span.bytes(in: scanner.body), quotes: true), true)
    }

    /// Gathers the metric's name, its labels and the target's.
    private mutating func buildLabels(_ metric: Pair, _ target: ScrapeLabels, _ body: UnsafeRawBufferPointer) {
        labels.reset()
        text.withUnsafeBytes { text in
            Batch.nameLabel.withUnsafeBytes { name in
                labels.add(name: name, value: metric.value.bytes(in: metric.isValueStored ? text : body))
            }
            for pair in pairs {
                let name = pair.name.bytes(in: pair.isNameStored ? text : body)
                let value = pair.value.bytes(in: pair.isValueStored ? text : body)
                if target.honorsLabels || target.index(of: name) == nil {
                    labels.add(name: name, value: value)
                } else {
                    rename(name, target, text, body)
                    renamed.withUnsafeBytes { labels.add(name: $0, value: value) }
                }
            }
            for label in target.labels {
                label.name.withUnsafeBytes { name in
                    // Honoured, also when it is empty: then the series has neither.
                    if target.honorsLabels, hasLabel(name, text, body) { return }
                    label.value.withUnsafeBytes { value in labels.add(name: name, value: value) }
                }
            }
        }
    }

    /// Puts `exported_` in front as often as it takes to meet no other label of the series or the target.
    private mutating func rename(
        _ name: UnsafeRawBufferPointer, _ target: ScrapeLabels, _ text: UnsafeRawBufferPointer,
        _ body: UnsafeRawBufferPointer
    ) {
        renamed.removeAll(keepingCapacity: true)
        renamed.append(contentsOf: name)
        repeat {
            renamed.insert(contentsOf: "exported_".utf8, at: 0)
        } while renamed.withUnsafeBytes { renamed in
            target.index(of: renamed) != nil || hasLabel(renamed, text, body)
        }
    }

    private func hasLabel(
        _ name: UnsafeRawBufferPointer, _ text: UnsafeRawBufferPointer, _ body: UnsafeRawBufferPointer
    ) -> Bool {
        pairs.contains { ByteOrder.compare($0.name.bytes(in: $0.isNameStored ? text : body), name) == 0 }
    }
}
