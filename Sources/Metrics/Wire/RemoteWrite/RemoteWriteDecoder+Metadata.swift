extension RemoteWriteDecoder {
    /// Keeps one `MetricMetadata`. It is no point: what is invalid is listed as a refusal of none.
    mutating func decodeMetadata(
        _ message: ProtobufReader, _ request: inout DecodedRequest
    ) throws(ProtobufFault) {
        guard metadataLeft > 0 else { throw ProtobufFault(.overLimit, offset: message.offset) }
        metadataLeft -= 1
        var reader = message
        var type: UInt64 = 0
        let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
        var (family, help, unit) = (nothing, nothing, nothing)
        while !reader.isAtEnd {
            let key = try reader.readKey()
            switch key.field {
            case RemoteWriteField.Metadata.type:
                try reader.expect(.varint, of: key)
                type = try reader.readVarint()
            case RemoteWriteField.Metadata.family:
                try reader.expect(.bytes, of: key)
                family = try reader.readBytes()
            case RemoteWriteField.Metadata.help:
                try reader.expect(.bytes, of: key)
                help = try reader.readBytes()
            case RemoteWriteField.Metadata.unit:
                try reader.expect(.bytes, of: key)
                unit = try reader.readBytes()
            default:
                try reader.skip(key.wireType)
            }
        }
        guard !family.isEmpty, UTF8Check.isValid(family), UTF8Check.isValid(help), UTF8Check.isValid(unit) else {
            let detail = request.refusals.wantsDetail ? "metadata at byte \(message.offset): no name, or not UTF-8" : ""
            request.refusals.add(Refusal(.invalidLabels, points: 0, detail: detail))
            return
        }
        // An enum of a later version is a kind unknown to us.
        let kind = MetricKind(rawValue: UInt8(clamping: type)) ?? .unknown
        request.batch.metadata.append(
            MetricMetadata(
                family: String(decoding: family, as: UTF8.self), kind: kind,
                help: String(decoding: help, as: UTF8.self), unit: String(decoding: unit, as: UTF8.self)))
    }
}
