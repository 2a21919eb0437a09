/// JSON and NDJSON records (`docs/formats.md`, "JSON records") to points.
///
/// Two ways in: `decode` for a document, which is one record or an array of them, and `decodeLines` for a stream with one
/// record a line. What is no JSON or no record refuses the whole document, or sets its line aside while the stream goes
/// on; labels, times and histograms that cannot be stored set only their point aside.
///
/// Strict: unknown and duplicate keys, `null` values, numbers in strings, labels that are no strings are errors. Whole
/// numbers never pass through a float.
public struct JSONRecordDecoder: Sendable {
    var record = StagedRecord()
    var labels = LabelBuilder()
    var exemplarLabels = LabelBuilder()
    private var store: [UInt8] = []
    /// 1-based number of the next line of the stream; `beginStream` starts anew.
    public private(set) var line = 1
    /// The stream is inside a line that was refused for its length: all up to its end is passed over.
    public private(set) var isInRefusedLine = false

    public init() {}

    // MARK: Documents

    /// Decodes a document: a record, or an array of records.
    ///
    /// - Parameter arrivalTime: nanoseconds since the epoch, for records without a time.
    /// - Throws: `.malformed` with the offset, `.tooLarge` beyond a limit; nothing of `request` is then to be stored.
    public mutating func decode(
        _ body: UnsafeRawBufferPointer, arrivalTime: Int64, limits: WireLimits = .standard,
        into request: inout DecodedRequest
    ) throws(WireError) {
        if body.count > limits.decodedBytes { throw WireError(.tooLarge, "body of \(body.count) bytes") }
        var reader = JSONReader(
            JSONRecordDecoder.withoutMark(body), depthLimit: limits.depth, store: takeStore())
        defer { store = reader.takeStore() }
        if try reader.peek() == .array {
            try reader.beginArray()
            while try reader.nextElement() {
                try decodeRecord(&reader, arrivalTime, limits, line: nil, into: &request)
            }
        } else {
            try decodeRecord(&reader, arrivalTime, limits, line: nil, into: &request)
        }
        try reader.end()
    }

    // MARK: Streams

    /// How far `decodeLines` came.
    public struct Progress: Sendable, Equatable {
        /// Bytes of the chunk that are decoded, or set aside as refusals; the rest is to be given again, with more.
        public var bytes: Int
        /// Physical lines that begin in them, blank ones included.
        public var lines: Int
    }

    /// The next `decodeLines` sees the first line of a stream, or another one, by its number.
    public mutating func beginStream(atLine first: Int = 1) {
        line = first
        isInRefusedLine = false
    }

    /// Decodes the complete lines at the start of `chunk`. Call it again with what is left and what arrived since: how the
    /// stream was cut into chunks makes no difference.
    ///
    /// It stops early, with complete lines left, when `request` holds the points or series that `limits` allow: commit
    /// them, and go on with an empty request. The first bad line is `request.refusals.first.first?.line`. A line longer
    /// than `limits.lineBytes` is refused and passed over, whether its end is in sight or not, so that no more than that
    /// has to be kept for the next call.
    ///
    /// - Parameters:
    ///   - isLast: the stream ends with this chunk: a last line without a line feed counts.
    ///   - arrivalTime: nanoseconds since the epoch, for records without a time.
    public mutating func decodeLines(
        _ chunk: UnsafeRawBufferPointer, isLast: Bool, arrivalTime: Int64, limits: WireLimits = .standard,
        into request: inout DecodedRequest
    ) -> Progress {
        var progress = Progress(bytes: 0, lines: 0)
        while progress.bytes < chunk.count {
            let rest = UnsafeRawBufferPointer(rebasing: chunk[progress.bytes...])
            let newline = ByteSearch.first(UInt8(ascii: "\n"), in: rest)
            let length = newline ?? rest.count
            if !isInRefusedLine {
                if newline == nil, !isLast, length <= limits.lineBytes { break }
                guard request.batch.points.count < limits.points, request.batch.series.count < limits.series else {
                    break
                }
                decodeLine(UnsafeRawBufferPointer(rebasing: rest[..<length]), arrivalTime, limits, into: &request)
                progress.lines += 1
                line += 1
            }
            isInRefusedLine = newline == nil && !isLast
            progress.bytes += newline == nil ? length : length + 1
        }
        return progress
    }

    private mutating func decodeLine(
        _ text: UnsafeRawBufferPointer, _ arrivalTime: Int64, _ limits: WireLimits, into request: inout DecodedRequest
    ) {
        if text.count > limits.lineBytes {
            let detail = "line of more than \(limits.lineBytes) bytes"
            request.refusals.add(Refusal(.tooLarge, points: 1, line: line, detail: detail))
            return
        }
        let text = line == 1 ? JSONRecordDecoder.withoutMark(text) : text
        var reader = JSONReader(text, depthLimit: limits.depth, store: takeStore())
        defer { store = reader.takeStore() }
        reader.skipBlanks()
        if reader.at == text.count { return }
        do throws(WireError) {
            try readRecord(&reader, arrivalTime, limits)
            try reader.end()
            try storeRecord(&reader, limits, line: line, into: &request)
        } catch {
            let reason: RefusalReason = error.code == .tooLarge ? .tooLarge : .invalidLine
            request.refusals.add(Refusal(reason, points: 1, line: line, detail: error.description))
        }
    }

    // MARK: Both

    private mutating func decodeRecord(
        _ reader: inout JSONReader, _ arrivalTime: Int64, _ limits: WireLimits, line: Int?,
        into request: inout DecodedRequest
    ) throws(WireError) {
        try readRecord(&reader, arrivalTime, limits)
        if request.batch.points.count >= limits.points {
            throw WireError(.tooLarge, "more than \(limits.points) points")
        }
        try storeRecord(&reader, limits, line: line, into: &request)
    }

    /// A byte order mark is tolerated at the very start only.
    private static func withoutMark(_ body: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        let hasMark = body.count >= 3 && body[0] == 0xEF && body[1] == 0xBB && body[2] == 0xBF
        return hasMark ? UnsafeRawBufferPointer(rebasing: body[3...]) : body
    }

    private mutating func takeStore() -> [UInt8] {
        var taken: [UInt8] = []
        swap(&taken, &store)
        return taken
    }
}
