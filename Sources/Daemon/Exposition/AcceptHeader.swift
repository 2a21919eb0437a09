/// The `Accept` and `Accept-Encoding` headers: what whoever asks would rather have. RFC 9110 sections 12.4 and 12.5.
struct AcceptHeader: Sendable {
    struct Entry: Sendable {
        /// In lower case.
        var name: Substring
        /// In lower case, `q` not among them; values without quotes.
        var parameters: [(name: Substring, value: Substring)]
        /// 0 to 1000; 0: not at all.
        var weight: Int
    }

    /// So many are read; a header that says more says the rest to nobody.
    private static let maximumEntries = 64

    let entries: [Entry]

    /// - Parameter text: nil without the header.
    init(_ text: String?) {
        let parts = (text ?? "").lowercased().split(separator: ",").prefix(Self.maximumEntries)
        entries = parts.compactMap { part in
            let words = part.split(separator: ";").map { Self.trimmed($0) }
            guard let name = words.first, !name.isEmpty else { return nil }
            var entry = Entry(name: name, parameters: [], weight: 1000)
            for word in words.dropFirst() {
                guard let equals = word.firstIndex(of: "=") else { continue }
                let (key, value) = (Self.trimmed(word[..<equals]), Self.trimmed(word[word.index(after: equals)...]))
                if key == "q" {
                    entry.weight = Self.weight(value)
                } else {
                    entry.parameters.append(
                        (key, value.first == "\"" ? value.dropFirst().prefix { $0 != "\"" } : value))
                }
            }
            return entry
        }
    }

    private static func trimmed(_ text: Substring) -> Substring {
        let rest = text.drop { $0 == " " || $0 == "\t" }
        return rest.lastIndex { $0 != " " && $0 != "\t" }.map { rest[...$0] } ?? ""
    }

    /// `0.75` as 750; what is no weight is none.
    private static func weight(_ text: Substring) -> Int {
        guard let value = Double(text), value >= 0, value <= 1 else { return 0 }
        return Int((value * 1000).rounded())
    }

    /// What is said of a content coding; what is not named counts as refused, unless by `*`.
    func takes(coding: String) -> Bool {
        let entry = entries.first { $0.name == coding } ?? entries.first { $0.name == "*" }
        return entry.map { $0.weight > 0 } ?? false
    }
}
