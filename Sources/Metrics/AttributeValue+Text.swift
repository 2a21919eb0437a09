extension AttributeValue {
    /// The value as a label's text: strings as they are, lists and maps as JSON.
    /// <https://opentelemetry.io/docs/specs/otel/common/#anyvalue>
    package var text: String {
        switch self {
        case .string(let text): text
        case .bool(let value): value ? "true" : "false"
        case .int(let value): String(value)
        case .double(let bits): DecimalText.positional(Double(bitPattern: bits))
        case .bytes(let bytes): bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        case .array(let values): "[" + values.map(\.quoted).joined(separator: ",") + "]"
        case .map(let attributes):
            "{" + attributes.map { AttributeValue.string($0.key).quoted + ":" + $0.value.quoted }.joined(separator: ",")
                + "}"
        case .empty: ""
        }
    }

    /// As part of a list or a map.
    private var quoted: String {
        switch self {
        case .string(let text): AttributeValue.quote(text)
        case .bytes: AttributeValue.quote(text)
        case .double(let bits): Double(bitPattern: bits).isFinite ? text : AttributeValue.quote(text)
        case .empty: "null"
        default: text
        }
    }

    private static func quote(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\u{0}"..<"\u{20}":
                let code = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - code.count) + code
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
