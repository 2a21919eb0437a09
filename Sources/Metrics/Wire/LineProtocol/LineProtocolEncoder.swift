/// Points to InfluxDB's line protocol, timestamps in nanoseconds.
///
/// Points that share a row become one line, as they came. Other series become `measurement=name`, tags the labels, field
/// `value`; histograms and summaries become lines of several fields (`LineProtocolEncoder+Fields.swift`). Unit, kind,
/// resource and scope have no place in a line. NaN, infinities, stale markers, exponential histograms and names that end
/// in a backslash have no spelling: they are reported, not written.
/// <https://docs.influxdata.com/influxdb/v1/write_protocols/line_protocol_reference/>
public struct LineProtocolEncoder: Sendable {
    /// Which points a line carries; a line has several runs when a point between them has no spelling.
    public struct LineRun: Sendable, Hashable {
        /// 0-based line of the body, as `lines` counts them.
        public var line: Int
        public var ordinals: Range<Int>
    }
    /// What one body carries so far. Reused: `removeAll` keeps the memory.
    public struct Record: Sendable, Equatable {
        /// Lines written.
        public var lines = 0
        /// Where each of them begins in the body.
        public var starts: [Int] = []
        public var runs: [LineRun] = []
        public var unrepresentable: [UnrepresentablePoint] = []
        /// Names and values in which a control character became a blank, or a newline `\n`.
        public var substitutions = 0

        public init() {}

        public mutating func removeAll() {
            lines = 0
            starts.removeAll(keepingCapacity: true)
            runs.removeAll(keepingCapacity: true)
            unrepresentable.removeAll(keepingCapacity: true)
            substitutions = 0
        }
    }

    /// InfluxDB 1.x has no unsigned integers: without them, what fits goes as a signed one.
    public var writesUnsigned: Bool

    public init(writesUnsigned: Bool = true) { self.writesUnsigned = writesUnsigned }

    /// Appends the lines of `ordinals`. A range that begins inside a row begins with a line of its own.
    public func append(
        _ batch: Batch, _ ordinals: Range<Int>, into body: inout [UInt8], record: inout Record
    ) {
        var ordinal = ordinals.lowerBound
        while ordinal < ordinals.upperBound {
            var end = ordinal + 1
            while end < ordinals.upperBound, continuesRow(batch, end) { end += 1 }
            appendLine(batch, ordinal..<end, into: &body, record: &record)
            ordinal = end
        }
    }

    /// The flag is a claim of who made the point; one line has one set of labels and one time.
    @inline(__always)
    private func continuesRow(_ batch: Batch, _ ordinal: Int) -> Bool {
        let points = batch.points
        guard !points.flags.isEmpty, points.flags[ordinal].contains(.sharesRow),
            points.times[ordinal] == points.times[ordinal - 1]
        else { return false }
        return batch.series.withLabels(of: points.series[ordinal]) { labels in
            batch.series.withLabels(of: points.series[ordinal - 1]) { ByteOrder.compare(labels, $0) == 0 }
        }
    }

    private func appendLine(
        _ batch: Batch, _ row: Range<Int>, into body: inout [UInt8], record: inout Record
    ) {
        let start = body.count
        let substitutions = record.substitutions
        let id = batch.points.series[row.lowerBound]
        if let fault = batch.series.withLabels(of: id, { appendKey($0, into: &body, &record.substitutions) }) {
            body.removeSubrange(start...)
            record.substitutions = substitutions
            for ordinal in row { record.unrepresentable.append(UnrepresentablePoint(ordinal: ordinal, reason: fault)) }
            return
        }
        body.append(LineScanner.space)
        let fields = body.count
        for ordinal in row {
            let field = body.count
            if field > fields { body.append(LineScanner.comma) }
            if let fault = appendFields(batch, ordinal, into: &body, &record.substitutions) {
                body.removeSubrange(field...)
                record.unrepresentable.append(UnrepresentablePoint(ordinal: ordinal, reason: fault))
            } else {
                LineProtocolEncoder.note(ordinal, in: &record)
            }
        }
        if body.count == fields {
            body.removeSubrange(start...)
            return
        }
        body.append(LineScanner.space)
        NumberPrinter.append(batch.points.times[row.lowerBound], to: &body)
        body.append(LineScanner.newline)
        record.lines += 1
        record.starts.append(start)
    }

    private static func note(_ ordinal: Int, in record: inout Record) {
        if let last = record.runs.last, last.line == record.lines, last.ordinals.upperBound == ordinal {
            record.runs[record.runs.count - 1].ordinals = last.ordinals.lowerBound..<ordinal + 1
        } else {
            record.runs.append(LineRun(line: record.lines, ordinals: ordinal..<ordinal + 1))
        }
    }

    // MARK: Measurement and tags

    /// - Returns: why the labels have no spelling, or nil.
    private func appendKey(
        _ labels: UnsafeRawBufferPointer, into body: inout [UInt8], _ substitutions: inout Int
    ) -> String? {
        var isNamed = false
        for label in LabelIterator(labels) where label.name.elementsEqual(Batch.nameLabel) {
            if label.value.first == UInt8(ascii: "#") { return "measurement begins like a comment" }
            if label.value.last == LineScanner.backslash { return "name ends in a backslash" }
            LineText.append(label.value, escapesEquals: false, to: &body, &substitutions)
            isNamed = true
            break
        }
        if !isNamed { return "no metric name" }
        for label in LabelIterator(labels) where !label.name.elementsEqual(Batch.nameLabel) {
            if label.name.last == LineScanner.backslash || label.value.last == LineScanner.backslash {
                return "name ends in a backslash"
            }
            body.append(LineScanner.comma)
            LineText.append(label.name, escapesEquals: true, to: &body, &substitutions)
            body.append(LineScanner.equals)
            LineText.append(label.value, escapesEquals: true, to: &body, &substitutions)
        }
        return nil
    }
}

/// Names and strings as lines spell them.
enum LineText {
    /// A measurement, a tag or the name of a field. A newline becomes `\n`, another control character a blank:
    /// no version can keep them.
    static func append(
        _ text: UnsafeRawBufferPointer, escapesEquals: Bool, to body: inout [UInt8], _ substitutions: inout Int
    ) {
        var isSubstituted = false
        for byte in text {
            if byte == LineScanner.comma || byte == LineScanner.space || (byte == LineScanner.equals && escapesEquals) {
                body.append(LineScanner.backslash)
                body.append(byte)
            } else if LineScanner.isControl(byte) {
                // Both are two bytes: `\\n`, which is kept as it is, and an escaped blank.
                isSubstituted = true
                body.append(LineScanner.backslash)
                body.append(byte == LineScanner.newline ? UInt8(ascii: "n") : LineScanner.space)
            } else {
                body.append(byte)
            }
        }
        if isSubstituted { substitutions += 1 }
    }

    static func append(quoted text: [UInt8], to body: inout [UInt8]) {
        body.append(LineScanner.quote)
        for byte in text {
            if byte == LineScanner.quote || byte == LineScanner.backslash { body.append(LineScanner.backslash) }
            body.append(byte)
        }
        body.append(LineScanner.quote)
    }
}
