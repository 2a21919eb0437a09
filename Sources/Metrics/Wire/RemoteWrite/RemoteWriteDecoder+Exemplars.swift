extension RemoteWriteDecoder {
    /// Keeps the exemplars among the fields of a `TimeSeries`.
    ///
    /// - Parameter ordinal: the last point of the series in this message, or nil when it has none.
    mutating func decodeExemplars(
        _ fields: ProtobufReader, _ id: UInt32, ordinal: UInt32?, _ limits: LabelLimits,
        _ request: inout DecodedRequest
    ) throws(ProtobufFault) {
        var reader = fields
        while !reader.isAtEnd {
            let key = try reader.readKey()
            guard key.field == RemoteWriteField.TimeSeries.exemplar else {
                try reader.skip(key.wireType)
                continue
            }
            let message = try reader.readMessage()
            var exemplar = Exemplar(series: id, ordinal: ordinal, labels: [], valueBits: 0, time: nil)
            if let fault = try decodeExemplar(message, limits, &exemplar) {
                let detail = request.refusals.wantsDetail ? "\(fault) in the exemplar at byte \(message.offset)" : ""
                request.refusals.add(Refusal(.invalidExemplar, points: 0, detail: detail))
            } else {
                request.batch.exemplars.append(exemplar)
            }
        }
    }

    /// - Returns: why it is refused, or nil.
    private mutating func decodeExemplar(
        _ message: ProtobufReader, _ limits: LabelLimits, _ exemplar: inout Exemplar
    ) throws(ProtobufFault) -> String? {
        var reader = message
        var timeOverflows = false
        while !reader.isAtEnd {
            let key = try reader.readKey()
            switch key.field {
            case RemoteWriteField.Exemplar.value:
                try reader.expect(.fixed64, of: key)
                exemplar.valueBits = try reader.readFixed64()
            case RemoteWriteField.Exemplar.timestamp:
                try reader.expect(.varint, of: key)
                let milliseconds = Int64(bitPattern: try reader.readVarint())
                (exemplar.time, timeOverflows) = RemoteWriteDecoder.nanoseconds(milliseconds)
            default:
                try reader.skip(key.wireType)
            }
        }
        if timeOverflows { return "time out of range" }
        if let fault = try canonicalize(message, limits, requiresName: false) { return fault.rawValue }
        exemplar.labels = labels.canonical
        return nil
    }

    private static func nanoseconds(_ milliseconds: Int64) -> (Int64?, Bool) {
        let (time, overflow) = milliseconds.multipliedReportingOverflow(by: 1_000_000)
        return (overflow ? nil : time, overflow)
    }
}
