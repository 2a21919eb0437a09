/// What a body of line protocol does not say itself.
public struct LineContext: Sendable, Hashable {
    public var precision: LinePrecision
    /// Nanoseconds since the epoch, given to lines without a timestamp before they are stored: a resend from the spool
    /// then carries the same time, and the backend sees the same point.
    public var arrivalTime: Int64

    public init(precision: LinePrecision = .nanoseconds, arrivalTime: Int64) {
        self.precision = precision
        self.arrivalTime = arrivalTime
    }
}

/// InfluxDB's line protocol to points, by the grammar of its reference implementation
/// (<https://github.com/influxdata/line-protocol/blob/v2/line-protocol.ebnf>).
///
/// A line becomes one point a field: `__name__` is the measurement, the tags are labels, and the field's name is the
/// series' `field`; points after the first of a line carry `.sharesRow`. A bad line is set aside whole as a refusal with
/// its number, and the others are stored, as InfluxDB does. Names and strings must be UTF-8; an empty tag value and a
/// tag named twice are faults; NaN and infinities have no spelling.
///
/// Keys repeat from line to line: a measurement with its tags is parsed once a body, and afterwards found by its bytes.
public struct LineProtocolDecoder: Sendable {
    struct StagedField: Sendable {
        var key: Span
        var kind: PointKind
        /// The value, or the start of a string in `text`.
        var bits: UInt64
        var stringBytes = 0
        var series: UInt32 = 0
    }
    private var rows = SpanTable()
    private var series = SpanTable()
    var labels = LabelBuilder()
    /// The row whose labels `labels` holds.
    private var labelsRow: UInt32?
    /// Unescaped strings of the current line.
    var text: [UInt8] = []
    /// Unescaped names, two at most at a time.
    var names: [UInt8] = []
    var staged: [StagedField] = []

    public init() {}

    /// - Throws: `.tooLarge` beyond the points or series of `limits`; nothing else spoils a whole body.
    public mutating func decode(
        _ body: UnsafeRawBufferPointer, _ context: LineContext, limits: WireLimits = .standard,
        into request: inout DecodedRequest
    ) throws(WireError) {
        if body.count > limits.decodedBytes { throw WireError(.tooLarge, "body of \(body.count) bytes") }
        rows.removeAll()
        series.removeAll()
        labelsRow = nil
        var scanner = LineScanner(body)
        while !scanner.isAtEnd {
            let start = scanner.at
            let line = scanner.line
            do {
                try decodeLine(&scanner, context, limits, into: &request)
            } catch {
                switch error {
                case .limit(var failure):
                    failure.line = line
                    throw failure
                case .bad(let reason, let message):
                    refuse(reason, message, body, from: start, line: line, in: &request)
                    scanner.at = start
                    scanner.line = line
                    scanner.skipLine()
                }
            }
        }
    }

    private mutating func decodeLine(
        _ scanner: inout LineScanner, _ context: LineContext, _ limits: WireLimits, into request: inout DecodedRequest
    ) throws(LineFault) {
        guard try scanner.findPoint() else { return }
        let start = scanner.at
        let row = try scanner.row()
        let rowID = try findRow(row, in: scanner.body, limits)
        staged.removeAll(keepingCapacity: true)
        text.removeAll(keepingCapacity: true)
        try readFields(&scanner, from: start, limits)
        var time = context.arrivalTime
        if let stamp = try scanner.timestamp() {
            guard let scaled = context.precision.nanoseconds(stamp) else {
                throw .bad(.invalidTime, "timestamp \(stamp) is outside what nanoseconds in 64 bits can say")
            }
            time = scaled
        }
        if scanner.at - start > limits.lineBytes {
            throw .bad(.tooLarge, "line of \(scanner.at - start) bytes, \(limits.lineBytes) allowed")
        }
        if request.batch.points.count + staged.count > limits.points {
            throw .limit(WireError(.tooLarge, "more than \(limits.points) points"))
        }
        for index in staged.indices {
            staged[index].series = try findSeries(
                staged[index].key, rowID, row, in: scanner.body, limits, &request.batch)
        }
        store(time: time, into: &request.batch)
    }

    private mutating func store(time: Int64, into batch: inout Batch) {
        var flags: PointFlags = []
        for field in staged {
            if field.kind == .float64, flags.isEmpty {
                batch.points.appendFloat64(series: field.series, time: time, bits: field.bits)
            } else if field.kind == .string {
                let start = Int(field.bits)
                batch.append(
                    series: field.series, time: time, string: Array(text[start..<start + field.stringBytes]),
                    flags: flags)
            } else {
                batch.points.append(
                    series: field.series, time: time, kind: field.kind, bits: field.bits, flags: flags)
            }
            flags = .sharesRow
        }
    }

    // MARK: Keys

    private mutating func findRow(
        _ row: Span, in body: UnsafeRawBufferPointer, _ limits: WireLimits
    ) throws(LineFault) -> UInt32 {
        let key = row.bytes(in: body)
        let hash = SpanTable.hash(key)
        if let id = rows.find(key, hash: hash, in: body) { return id }
        // Reading overwrites them, also where it fails.
        labelsRow = nil
        try readLabels(row, in: body, limits)
        let id = UInt32(rows.count)
        rows.insert(row, hash: hash, value: id)
        labelsRow = id
        return id
    }

    private mutating func findSeries(
        _ field: Span, _ rowID: UInt32, _ row: Span, in body: UnsafeRawBufferPointer, _ limits: WireLimits,
        _ batch: inout Batch
    ) throws(LineFault) -> UInt32 {
        let key = field.bytes(in: body)
        let hash = SpanTable.hash(key, tag: rowID &+ 1)
        if let id = series.find(key, tag: rowID, hash: hash, in: body) { return id }
        if labelsRow != rowID {
            labelsRow = nil
            try readLabels(row, in: body, limits)
            labelsRow = rowID
        }
        var identity = SeriesIdentity.plain
        identity.field = batch.intern(text: try fieldName(key, limits))
        let id = labels.canonical.withUnsafeBytes { labels -> UInt32? in
            let labelHash = SeriesTable.hash(labels)
            if let known = batch.series.find(labels, hash: labelHash, identity: identity) { return known }
            if batch.series.count >= limits.series { return nil }
            return batch.series.insert(labels, hash: labelHash, identity: identity)
        }
        guard let id else { throw .limit(WireError(.tooLarge, "more than \(limits.series) series")) }
        series.insert(field, tag: rowID, hash: hash, value: id)
        return id
    }

    // MARK: Refusals

    private func refuse(
        _ reason: RefusalReason, _ message: String, _ body: UnsafeRawBufferPointer, from start: Int, line: Int,
        in request: inout DecodedRequest
    ) {
        let points = LineScanner.countFields(body, from: start)
        request.refusals.add(Refusal(reason, points: points, line: line, detail: message))
    }
}
