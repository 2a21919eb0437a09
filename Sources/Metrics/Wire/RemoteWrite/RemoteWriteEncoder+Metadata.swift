extension RemoteWriteEncoder {
    /// Appends `metadata` messages to `body`: with samples, or as a body of their own, as Prometheus sends them.
    /// Families get the name their series get.
    public static func append(_ metadata: [MetricMetadata], into body: inout [UInt8]) {
        typealias Field = RemoteWriteField.Metadata
        var message: [UInt8] = []
        var family: [UInt8] = []
        for item in metadata {
            message.removeAll(keepingCapacity: true)
            family.removeAll(keepingCapacity: true)
            var name = item.family
            name.withUTF8 { name in
                let name = UnsafeRawBufferPointer(name)
                if PrometheusNames.isValid(name, isMetric: true) {
                    family.append(contentsOf: name)
                } else {
                    PrometheusNames.sanitized(name, isMetric: true, into: &family)
                }
            }
            if item.kind != .unknown {
                ProtobufWriter.appendVarint(Int(Field.type), UInt64(item.kind.rawValue), to: &message)
            }
            family.withUnsafeBytes { ProtobufWriter.appendBytes(Int(Field.family), $0, to: &message) }
            if !item.help.isEmpty { ProtobufWriter.appendString(Int(Field.help), item.help, to: &message) }
            if !item.unit.isEmpty { ProtobufWriter.appendString(Int(Field.unit), item.unit, to: &message) }
            message.withUnsafeBytes {
                ProtobufWriter.appendBytes(Int(RemoteWriteField.Request.metadata), $0, to: &body)
            }
        }
    }
}
