extension RemoteWriteDecoder {
    /// Fields of a `Histogram` message as they were read, before anyone asks whether they make sense together.
    private struct Parts {
        var histogram = ExponentialHistogram(count: .integer(0), sumBits: 0, schema: 0)
        var milliseconds: Int64 = 0
    }

    /// Decodes one native histogram; without a series it is only checked for its framing.
    mutating func decodeHistogram(
        _ message: ProtobufReader, _ id: UInt32?, _ request: inout DecodedRequest
    ) throws(ProtobufFault) {
        var reader = message
        var parts = Parts()
        while !reader.isAtEnd {
            let key = try reader.readKey()
            if try !decodeScalar(key, &reader, &parts), try !decodeBuckets(key, &reader, &parts.histogram) {
                try reader.skip(key.wireType)
            }
        }
        guard let id else { return }
        let (time, overflow) = parts.milliseconds.multipliedReportingOverflow(by: 1_000_000)
        if overflow { return refuseTime(parts.milliseconds, at: reader.offset, &request) }
        if let fault = parts.histogram.fault {
            let detail = request.refusals.wantsDetail ? "\(fault) in the histogram at byte \(message.offset)" : ""
            request.refusals.add(Refusal(.invalidHistogram, points: 1, detail: detail))
            return
        }
        request.batch.append(series: id, time: time, exponential: parts.histogram)
    }

    /// - Returns: whether the field was one of these.
    private func decodeScalar(
        _ key: ProtobufKey, _ reader: inout ProtobufReader, _ parts: inout Parts
    ) throws(ProtobufFault) -> Bool {
        typealias Field = RemoteWriteField.Histogram
        switch key.field {
        case Field.countFloat, Field.sum, Field.zeroThreshold, Field.zeroCountFloat:
            try reader.expect(.fixed64, of: key)
            let bits = try reader.readFixed64()
            switch key.field {
            case Field.countFloat: parts.histogram.count = .float(bits)
            case Field.sum: parts.histogram.sumBits = bits
            case Field.zeroThreshold: parts.histogram.zeroThresholdBits = bits
            default: parts.histogram.zeroCount = .float(bits)
            }
        case Field.countInteger, Field.zeroCountInteger, Field.schema, Field.resetHint, Field.timestamp:
            try reader.expect(.varint, of: key)
            let value = try reader.readVarint()
            switch key.field {
            case Field.countInteger: parts.histogram.count = .integer(value)
            case Field.zeroCountInteger: parts.histogram.zeroCount = .integer(value)
            case Field.schema: parts.histogram.schema = Int32(clamping: Varint.unzigzag(value))
            // A hint of a later version is a hint unknown to us.
            case Field.resetHint: parts.histogram.resetHint = value <= 3 ? UInt8(value) : 0
            default: parts.milliseconds = Int64(bitPattern: value)
            }
        default: return false
        }
        return true
    }

    /// - Returns: whether the field was one of these.
    private mutating func decodeBuckets(
        _ key: ProtobufKey, _ reader: inout ProtobufReader, _ histogram: inout ExponentialHistogram
    ) throws(ProtobufFault) -> Bool {
        typealias Field = RemoteWriteField.Histogram
        switch key.field {
        case Field.negativeSpan: histogram.negative.spans.append(try decodeSpan(key, &reader))
        case Field.positiveSpan: histogram.positive.spans.append(try decodeSpan(key, &reader))
        case Field.negativeDelta: try decodeDeltas(key, &reader, into: &histogram.negative.deltas)
        case Field.positiveDelta: try decodeDeltas(key, &reader, into: &histogram.positive.deltas)
        case Field.negativeCount: try decodeDoubles(key, &reader, into: &histogram.negative.counts)
        case Field.positiveCount: try decodeDoubles(key, &reader, into: &histogram.positive.counts)
        case Field.customValue: try decodeDoubles(key, &reader, into: &histogram.customBounds)
        default: return false
        }
        return true
    }

    private mutating func decodeSpan(
        _ key: ProtobufKey, _ reader: inout ProtobufReader
    ) throws(ProtobufFault) -> BucketSpan {
        try reader.expect(.bytes, of: key)
        try takeBuckets(1, at: reader.offset)
        var message = try reader.readMessage()
        var span = BucketSpan(offset: 0, length: 0)
        while !message.isAtEnd {
            let key = try message.readKey()
            switch key.field {
            case RemoteWriteField.Span.offset:
                try message.expect(.varint, of: key)
                span.offset = Int32(clamping: Varint.unzigzag(try message.readVarint()))
            case RemoteWriteField.Span.length:
                try message.expect(.varint, of: key)
                span.length = UInt32(clamping: try message.readVarint())
            default:
                try message.skip(key.wireType)
            }
        }
        return span
    }

    /// Repeated numbers come packed into one field, or one a field: a decoder has to take both.
    private mutating func decodeDeltas(
        _ key: ProtobufKey, _ reader: inout ProtobufReader, into deltas: inout [Int64]
    ) throws(ProtobufFault) {
        if key.wireType == .varint {
            try takeBuckets(1, at: reader.offset)
            return deltas.append(Varint.unzigzag(try reader.readVarint()))
        }
        try reader.expect(.bytes, of: key)
        var packed = try reader.readMessage()
        while !packed.isAtEnd {
            try takeBuckets(1, at: packed.offset)
            deltas.append(Varint.unzigzag(try packed.readVarint()))
        }
    }

    private mutating func decodeDoubles(
        _ key: ProtobufKey, _ reader: inout ProtobufReader, into values: inout [UInt64]
    ) throws(ProtobufFault) {
        if key.wireType == .fixed64 {
            try takeBuckets(1, at: reader.offset)
            return values.append(try reader.readFixed64())
        }
        try reader.expect(.bytes, of: key)
        var packed = try reader.readMessage()
        try takeBuckets((packed.end - packed.offset) / 8, at: packed.offset)
        while !packed.isAtEnd { values.append(try packed.readFixed64()) }
    }

    /// Before memory is taken: a delta is one byte in the body and eight here.
    @inline(__always)
    private mutating func takeBuckets(_ count: Int, at offset: Int) throws(ProtobufFault) {
        guard count <= bucketsLeft else { throw ProtobufFault(.overLimit, offset: offset) }
        bucketsLeft -= count
    }
}
