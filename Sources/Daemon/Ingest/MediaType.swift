/// A `Content-Type` taken apart. <https://www.rfc-editor.org/rfc/rfc9110#section-8.3.1>
struct MediaType: Sendable, Equatable {
    /// `type/subtype`, lower case.
    var name: String
    /// Names in lower case, values without quotes.
    var parameters: [String: String]

    init(_ header: String) {
        let parts = header.split(separator: ";")
        name = parts.first.map { MediaType.trimmed($0).lowercased() } ?? ""
        parameters = [:]
        for part in parts.dropFirst() {
            let pair = part.split(separator: "=", maxSplits: 1)
            guard pair.count == 2 else { continue }
            let value = MediaType.trimmed(pair[1])
            let isQuoted = value.count >= 2 && value.hasPrefix("\"") && value.hasSuffix("\"")
            parameters[MediaType.trimmed(pair[0]).lowercased()] =
                isQuoted ? String(value.dropFirst().dropLast()) : value
        }
    }

    private static func trimmed(_ text: Substring) -> String {
        var text = text
        while text.first == " " || text.first == "\t" { text.removeFirst() }
        while text.last == " " || text.last == "\t" { text.removeLast() }
        return String(text)
    }
}
