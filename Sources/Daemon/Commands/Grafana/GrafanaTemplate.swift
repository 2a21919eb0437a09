import Metrics

/// The documents of `ops/grafana`, which are in the program. Words between at signs, as `@TENANT@`, stand in strings only, and
/// are filled in after parsing: no value can end its string.
enum GrafanaTemplate: CaseIterable {
    case delivery
    case metrics
    case rules

    private var bytes: [UInt8] {
        switch self {
        case .delivery: PackageResources.delivery_json
        case .metrics: PackageResources.metrics_json
        case .rules: PackageResources.rules_json
        }
    }

    private static let depth = 32

    /// - Parameter values: by the word, without its signs.
    func filled(_ values: [String: String]) -> JSONValue {
        guard let document = try? JSONValue.parse(bytes, depth: Self.depth) else {
            preconditionFailure("a template of the program is JSON")
        }
        return Self.fill(document, values)
    }

    static func fill(_ value: JSONValue, _ values: [String: String]) -> JSONValue {
        switch value {
        case .string(let text): .string(fill(text, values))
        case .array(let elements): .array(elements.map { fill($0, values) })
        case .object(let members): .object(members.map { JSONValue.Member($0.key, fill($0.value, values)) })
        case .null, .bool, .int, .uint, .double: value
        }
    }

    /// In one pass, so that what is filled in is not looked at again.
    private static func fill(_ text: String, _ values: [String: String]) -> String {
        var filled = ""
        var rest = text[...]
        while let sign = rest.firstIndex(of: "@") {
            filled += rest[..<sign]
            rest = rest[rest.index(after: sign)...]
            guard let end = rest.firstIndex(of: "@"), let value = values[String(rest[..<end])] else {
                filled += "@"
                continue
            }
            filled += value
            rest = rest[rest.index(after: end)...]
        }
        return filled + rest
    }
}
