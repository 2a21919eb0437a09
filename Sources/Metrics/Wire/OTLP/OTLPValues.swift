/// Attributes as protobuf: `KeyValue` and `AnyValue`.
/// <https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/common/v1/common.proto>
enum OTLPValues {
    /// Appends the labels of a series, each a string attribute, but those that have places of their own.
    ///
    /// - Parameters:
    ///   - field: of the attributes in the message around.
    ///   - isSource: whether `job` and `instance` are among those.
    static func append(
        labels: UnsafeRawBufferPointer, field: Int, isSource: Bool, to body: inout [UInt8]
    ) {
        for label in LabelIterator(labels) {
            if label.name.count == 8, label.name.elementsEqual(Batch.nameLabel) { continue }
            if isSource, label.name.elementsEqual(OTLPLabels.job) || label.name.elementsEqual(OTLPLabels.instance) {
                continue
            }
            append(label.name, label.value, field: field, to: &body)
        }
    }

    static func append(
        _ key: UnsafeRawBufferPointer, _ text: UnsafeRawBufferPointer, field: Int, to body: inout [UInt8]
    ) {
        let value = ProtobufWriter.length(ofBytes: text.count)
        ProtobufWriter.appendKey(field, .bytes, to: &body)
        Varint.append(
            UInt64(ProtobufWriter.length(ofBytes: key.count) + ProtobufWriter.length(ofBytes: value)), to: &body)
        ProtobufWriter.appendBytes(1, key, to: &body)
        ProtobufWriter.appendKey(2, .bytes, to: &body)
        Varint.append(UInt64(value), to: &body)
        ProtobufWriter.appendBytes(OTLPField.Value.string, text, to: &body)
    }

    /// Appends attributes of a resource or a scope: a few for thousands of points. How deep they nest was bounded where
    /// they came in.
    static func append(_ attributes: [Attribute], field: Int, to body: inout [UInt8]) {
        for attribute in attributes {
            var pair: [UInt8] = []
            ProtobufWriter.appendString(1, attribute.key, to: &pair)
            var value: [UInt8] = []
            append(attribute.value, to: &value)
            append(message: value, field: 2, to: &pair)
            append(message: pair, field: field, to: &body)
        }
    }

    /// The fields of an `AnyValue`.
    private static func append(_ value: AttributeValue, to body: inout [UInt8]) {
        switch value {
        case .string(let text): ProtobufWriter.appendString(OTLPField.Value.string, text, to: &body)
        case .bool(let value): ProtobufWriter.appendVarint(OTLPField.Value.bool, value ? 1 : 0, to: &body)
        case .int(let value):
            ProtobufWriter.appendVarint(OTLPField.Value.int, UInt64(bitPattern: value), to: &body)
        case .double(let bits): ProtobufWriter.appendFixed64(OTLPField.Value.double, bits, to: &body)
        case .bytes(let bytes):
            bytes.withUnsafeBytes { ProtobufWriter.appendBytes(OTLPField.Value.bytes, $0, to: &body) }
        case .array(let values):
            var list: [UInt8] = []
            for value in values {
                var item: [UInt8] = []
                append(value, to: &item)
                append(message: item, field: 1, to: &list)
            }
            append(message: list, field: OTLPField.Value.array, to: &body)
        case .map(let attributes):
            var list: [UInt8] = []
            append(attributes, field: 1, to: &list)
            append(message: list, field: OTLPField.Value.map, to: &body)
        case .empty: break
        }
    }

    static func append(message: [UInt8], field: Int, to body: inout [UInt8]) {
        message.withUnsafeBytes { ProtobufWriter.appendBytes(field, $0, to: &body) }
    }
}
