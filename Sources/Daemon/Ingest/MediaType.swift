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

    /// Whether text of this type can be read as UTF-8. Another charset would be stored as other letters than were meant.
    var isUTF8: Bool {
        guard let charset = parameters["charset"]?.lowercased() else { return true }
        return charset == "utf-8" || charset == "utf8" || charset == "us-ascii"
    }

    static let otherCharset = "the charset must be utf-8"

    private static func trimmed(_ text: Substring) -> String {
        var text = text
        while text.first == " " || text.first == "\t" { text.removeFirst() }
        while text.last == " " || text.last == "\t" { text.removeLast() }
        return String(text)
    }
}
