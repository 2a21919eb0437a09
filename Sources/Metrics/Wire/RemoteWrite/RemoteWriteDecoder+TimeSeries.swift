extension RemoteWriteDecoder {
    /// What one pass over a `TimeSeries` finds out before anything is stored.
    struct Layout {
        /// Where the labels that come first end.
        var labelsEnd = 0
        /// Whether a label comes after another field: legal, and nobody does it.
        var hasScatteredLabels = false
        var samples = 0
        var histograms = 0
        var exemplars = 0
        var points: Int { samples + histograms }
    }

    mutating func decodeTimeSeries(
        _ body: UnsafeRawBufferPointer, _ range: Range<Int>, _ limits: WireLimits, _ request: inout DecodedRequest
    ) throws(ProtobufFault) {
        let known = takeKnown(body, range)
        if let known, try decodeCommon(body, range, known, limits, &request) { return }
        let layout = try scan(body, range, labels: known.map { Int($0.length) } ?? 0)
        guard layout.points <= limits.points - request.batch.points.count, layout.histograms <= histogramsLeft,
            layout.exemplars <= exemplarsLeft
        else { throw ProtobufFault(.overLimit, offset: range.lowerBound) }
        histogramsLeft -= layout.histograms
        exemplarsLeft -= layout.exemplars
        if layout.histograms + layout.exemplars > 0 { isVerbatim = false }
        if layout.points + layout.exemplars == 0 {
            isVerbatim = false
            return
        }

        let id = try resolveSeries(body, range, layout, known, limits.labels, &request)
        guard request.batch.series.count <= limits.series else {
            throw ProtobufFault(.overLimit, offset: range.lowerBound)
        }
        let first = request.batch.points.count
        try decodePoints(ProtobufReader(body, layout.labelsEnd..<range.upperBound), id, &request)
        if layout.exemplars > 0, let id {
            let last = request.batch.points.count - 1
            let reader = ProtobufReader(body, layout.labelsEnd..<range.upperBound)
            try decodeExemplars(reader, id, ordinal: last >= first ? UInt32(last) : nil, limits.labels, &request)
        }
    }

    /// What nearly every message of a scrape is: labels that are known, and one sample.
    ///
    /// - Returns: false, and nothing is done, for any other.
    @inline(__always)
    private mutating func decodeCommon(
        _ body: UnsafeRawBufferPointer, _ range: Range<Int>, _ labels: KnownLabels.Entry, _ limits: WireLimits,
        _ request: inout DecodedRequest
    ) throws(ProtobufFault) -> Bool {
        let labelsEnd = range.lowerBound + Int(labels.length)
        var reader = ProtobufReader(body, labelsEnd..<range.upperBound)
        guard let sample = reader.readCommonSample(), reader.isAtEnd else { return false }
        guard request.batch.points.count < limits.points else {
            throw ProtobufFault(.overLimit, offset: range.lowerBound)
        }
        let slice = UnsafeRawBufferPointer(rebasing: body[range.lowerBound..<labelsEnd])
        let id =
            request.batch.series.find(slice, hash: labels.hash)
            ?? request.batch.series.insert(
                slice, hash: labels.hash, hasPrometheusNames: labels.verdict.hasPrometheusNames)
        guard request.batch.series.count <= limits.series else {
            throw ProtobufFault(.overLimit, offset: range.lowerBound)
        }
        append(sample, id, at: range.upperBound, &request)
        return true
    }

    /// The labels of a message that begins with labels which are known to come now, and goes on with another field.
    @inline(__always)
    private mutating func takeKnown(_ body: UnsafeRawBufferPointer, _ range: Range<Int>) -> KnownLabels.Entry? {
        guard let entry = known.takeNext(UnsafeRawBufferPointer(rebasing: body[range])) else { return nil }
        let end = range.lowerBound + Int(entry.length)
        return end < range.upperBound && body[end] != 0x0A ? entry : nil
    }

    /// Steps over all fields, so that the counts are known, and the framing is right, before a series is made.
    ///
    /// - Parameter labels: so many bytes of labels are known to be well framed.
    @inline(__always)
    private mutating func scan(
        _ body: UnsafeRawBufferPointer, _ range: Range<Int>, labels: Int
    ) throws(ProtobufFault) -> Layout {
        var reader = ProtobufReader(body, range.lowerBound + labels..<range.upperBound)
        var layout = Layout()
        if labels == 0 { _ = try reader.skipRun(key: 0x0A) }
        layout.labelsEnd = reader.offset
        layout.samples = try reader.skipRun(key: 0x12)
        if !reader.isAtEnd { try scanRest(&reader, &layout) }
        return layout
    }

    private mutating func scanRest(_ reader: inout ProtobufReader, _ layout: inout Layout) throws(ProtobufFault) {
        while !reader.isAtEnd {
            let key = try reader.readKey()
            switch key.field {
            case RemoteWriteField.TimeSeries.label: layout.hasScatteredLabels = true
            case RemoteWriteField.TimeSeries.sample: layout.samples += 1
            case RemoteWriteField.TimeSeries.exemplar: layout.exemplars += 1
            case RemoteWriteField.TimeSeries.histogram: layout.histograms += 1
            default:
                isVerbatim = false
                try reader.skip(key.wireType)
                continue
            }
            try reader.expect(.bytes, of: key)
            _ = try reader.readRange()
        }
    }

    /// The series of the labels, or nil when they are refused.
    @inline(__always)
    private mutating func resolveSeries(
        _ body: UnsafeRawBufferPointer, _ range: Range<Int>, _ layout: Layout, _ entry: KnownLabels.Entry?,
        _ limits: LabelLimits, _ request: inout DecodedRequest
    ) throws(ProtobufFault) -> UInt32? {
        if !layout.hasScatteredLabels {
            let slice = UnsafeRawBufferPointer(rebasing: body[range.lowerBound..<layout.labelsEnd])
            let hash = entry?.hash ?? SeriesTable.hash(slice)
            if let id = request.batch.series.find(slice, hash: hash) { return id }
            if let verdict = (entry ?? known.find(slice, hash: hash))?.verdict ?? check(slice, hash, limits) {
                return request.batch.series.insert(slice, hash: hash, hasPrometheusNames: verdict.hasPrometheusNames)
            }
        }
        isVerbatim = false
        if let fault = try canonicalize(ProtobufReader(body, range), limits, requiresName: true) {
            let detail =
                request.refusals.wantsDetail ? "\(fault.rawValue) in the series at byte \(range.lowerBound)" : ""
            request.refusals.add(Refusal(.invalidLabels, points: layout.points, detail: detail))
            return nil
        }
        return labels.canonical.withUnsafeBytes { request.batch.series.intern($0) }
    }

    /// - Returns: nil when the bytes are not canonical.
    private mutating func check(
        _ labels: UnsafeRawBufferPointer, _ hash: UInt64, _ limits: LabelLimits
    ) -> KnownLabels.Verdict? {
        guard CanonicalLabels.areCanonical(labels, limits, requiresName: true) else { return nil }
        let verdict = KnownLabels.Verdict(hasPrometheusNames: PrometheusNames.areValid(labels: labels))
        known.add(labels, hash: hash, verdict)
        return verdict
    }

    /// Samples and histograms, in the order of the message. Without a series they are only checked.
    @inline(__always)
    private mutating func decodePoints(
        _ fields: ProtobufReader, _ id: UInt32?, _ request: inout DecodedRequest
    ) throws(ProtobufFault) {
        var reader = fields
        while !reader.isAtEnd {
            if let sample = reader.readCommonSample() {
                append(sample, id, at: reader.offset, &request)
                continue
            }
            let key = try reader.readKey()
            if key.field == RemoteWriteField.TimeSeries.sample {
                append(try decodeSample(&reader), id, at: reader.offset, &request)
            } else if key.field == RemoteWriteField.TimeSeries.histogram {
                try decodeHistogram(try reader.readMessage(), id, &request)
            } else {
                try reader.skip(key.wireType)
            }
        }
    }

    struct Sample {
        var bits: UInt64 = 0
        var milliseconds: Int64 = 0
    }

    @inline(__always)
    private mutating func append(_ sample: Sample, _ id: UInt32?, at offset: Int, _ request: inout DecodedRequest) {
        guard let id else { return }
        let (time, overflow) = sample.milliseconds.multipliedReportingOverflow(by: 1_000_000)
        if overflow {
            refuseTime(sample.milliseconds, at: offset, &request)
        } else {
            request.batch.points.appendFloat64(series: id, time: time, bits: sample.bits)
        }
    }

    /// Reads the length and the message of a sample.
    private mutating func decodeSample(_ fields: inout ProtobufReader) throws(ProtobufFault) -> Sample {
        var reader = try fields.readMessage()
        var sample = Sample()
        while !reader.isAtEnd {
            let key = try reader.readKey()
            switch key.field {
            case RemoteWriteField.Sample.value:
                try reader.expect(.fixed64, of: key)
                sample.bits = try reader.readFixed64()
            case RemoteWriteField.Sample.timestamp:
                try reader.expect(.varint, of: key)
                sample.milliseconds = Int64(bitPattern: try reader.readVarint())
            default:
                isVerbatim = false
                try reader.skip(key.wireType)
            }
        }
        return sample
    }

    mutating func refuseTime(_ milliseconds: Int64, at offset: Int, _ request: inout DecodedRequest) {
        isVerbatim = false
        let detail =
            request.refusals.wantsDetail
            ? "time \(milliseconds) ms is outside of 1677 to 2262, which nanoseconds hold, before byte \(offset)" : ""
        request.refusals.add(Refusal(.invalidTime, points: 1, detail: detail))
    }
}

extension ProtobufReader {
    /// Reads a sample field written as every sender writes it: a value, then a time. Nil, and nothing read, for any other
    /// bytes: the general way decides what they are.
    @inline(__always)
    fileprivate mutating func readCommonSample() -> RemoteWriteDecoder.Sample? {
        guard end - offset >= 13, bytes[offset] == 0x12, bytes[offset + 2] == 0x09, bytes[offset + 11] == 0x10
        else { return nil }
        let length = Int(bytes[offset + 1])
        guard length >= 11, length < 0x80, length <= end - offset - 2 else { return nil }
        var message = ProtobufReader(bytes, offset + 12..<offset + 2 + length)
        guard let time = try? message.readVarint(), message.isAtEnd else { return nil }
        let bits = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 3, as: UInt64.self))
        offset += 2 + length
        return RemoteWriteDecoder.Sample(bits: bits, milliseconds: Int64(bitPattern: time))
    }
}
