/// Resources, scopes and their attributes in a record.
enum RecordResource {
    static func append(_ resource: Resource, to body: inout [UInt8]) {
        JSONOutput.append(",\"resource\":{\"attributes\":", to: &body)
        append(resource.attributes, to: &body)
        RecordMember.append("schema_url", resource.schemaURL, to: &body)
        body.append(UInt8(ascii: "}"))
    }

    static func append(_ scope: Scope, to body: inout [UInt8]) {
        JSONOutput.append(",\"scope\":{\"name\":", to: &body)
        JSONOutput.append(string: scope.name, to: &body)
        RecordMember.append("version", scope.version, to: &body)
        if !scope.attributes.isEmpty {
            RecordMember.appendKey("attributes", to: &body)
            append(scope.attributes, to: &body)
        }
        RecordMember.append("schema_url", scope.schemaURL, to: &body)
        body.append(UInt8(ascii: "}"))
    }

    /// An object; pairs in an array when a key comes twice, which an object must not have.
    private static func append(_ attributes: [Attribute], to body: inout [UInt8]) {
        if Set(attributes.map(\.key)).count < attributes.count {
            RecordMember.append(list: attributes, to: &body) { attribute, body in
                body.append(UInt8(ascii: "["))
                JSONOutput.append(string: attribute.key, to: &body)
                body.append(UInt8(ascii: ","))
                append(attribute.value, to: &body)
                body.append(UInt8(ascii: "]"))
            }
            return
        }
        body.append(UInt8(ascii: "{"))
        for (index, attribute) in attributes.enumerated() {
            if index > 0 { body.append(UInt8(ascii: ",")) }
            JSONOutput.append(string: attribute.key, to: &body)
            body.append(UInt8(ascii: ":"))
            append(attribute.value, to: &body)
        }
        body.append(UInt8(ascii: "}"))
    }

    private static func append(_ value: AttributeValue, to body: inout [UInt8]) {
        switch value {
        case .string(let text): JSONOutput.append(string: text, to: &body)
        case .bool(let value): JSONOutput.append(value ? "true" : "false", to: &body)
        case .int(let value): NumberPrinter.append(value, to: &body)
        // A point or an exponent tells a float from a whole number.
        case .double(let bits) where FloatBits.isFinite(bits):
            NumberPrinter.append(float64: bits, keepsPoint: true, to: &body)
        case .double(let bits):
            JSONOutput.append("{\"double\":", to: &body)
            JSONFloat.append(bits, to: &body)
            body.append(UInt8(ascii: "}"))
        case .bytes(let bytes):
            JSONOutput.append("{\"bytes\":\"", to: &body)
            Base64.append(bytes, to: &body)
            JSONOutput.append("\"}", to: &body)
        case .array(let elements): RecordMember.append(list: elements, to: &body) { append($0, to: &$1) }
        case .map(let attributes):
            JSONOutput.append("{\"map\":", to: &body)
            append(attributes, to: &body)
            body.append(UInt8(ascii: "}"))
        case .empty: JSONOutput.append("null", to: &body)
        }
    }
}
