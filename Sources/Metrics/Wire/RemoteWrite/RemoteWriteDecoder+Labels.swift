extension RemoteWriteDecoder {
    /// Adds the labels among `fields` to the builder: the slow way, for labels that are not canonical.
    ///
    /// Field 1 is `labels` in a `TimeSeries` as in an `Exemplar`.
    ///
    /// - Returns: `tooManyLabels` beyond the limit; the rest is then read, not kept.
    mutating func collectLabels(
        _ fields: ProtobufReader, _ limits: LabelLimits
    ) throws(ProtobufFault) -> LabelFault? {
        labels.reset()
        var reader = fields
        var kept = 0
        while !reader.isAtEnd {
            let key = try reader.readKey()
            guard key.field == RemoteWriteField.TimeSeries.label else {
                try reader.skip(key.wireType)
                continue
            }
            try reader.expect(.bytes, of: key)
            let (name, value) = try RemoteWriteDecoder.decodeLabel(try reader.readMessage())
            if value.isEmpty { continue }
            kept += 1
            if kept <= limits.labels { labels.add(name: name, value: value) }
        }
        return kept > limits.labels ? .tooManyLabels : nil
    }

    private static func decodeLabel(
        _ fields: ProtobufReader
    ) throws(ProtobufFault) -> (name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
        var reader = fields
        var name = UnsafeRawBufferPointer(start: nil, count: 0)
        var value = name
        while !reader.isAtEnd {
            let key = try reader.readKey()
            switch key.field {
            case RemoteWriteField.Label.name:
                try reader.expect(.bytes, of: key)
                name = try reader.readBytes()
            case RemoteWriteField.Label.value:
                try reader.expect(.bytes, of: key)
                value = try reader.readBytes()
            default:
                try reader.skip(key.wireType)
            }
        }
        return (name, value)
    }

    /// Collects, sorts and checks labels into `labels.canonical`.
    ///
    /// - Returns: why they are refused, or nil.
    mutating func canonicalize(
        _ fields: ProtobufReader, _ limits: LabelLimits, requiresName: Bool
    ) throws(ProtobufFault) -> LabelFault? {
        if let fault = try collectLabels(fields, limits) { return fault }
        do throws(LabelFault) {
            try labels.finish(limits, requiresName: requiresName)
            return nil
        } catch {
            return error
        }
    }
}
