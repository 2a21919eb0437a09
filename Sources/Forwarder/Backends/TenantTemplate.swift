/// A config value with `{tenant}` in it, which becomes the tenant's id.
struct TenantTemplate: Sendable, Hashable {
    let text: String
    private let parts: [Substring]

    static let placeholder = "{tenant}"

    init(_ text: String) {
        self.text = text
        var parts: [Substring] = []
        var rest = text[...]
        while let range = rest.firstRange(of: TenantTemplate.placeholder) {
            parts.append(rest[..<range.lowerBound])
            rest = rest[range.upperBound...]
        }
        parts.append(rest)
        self.parts = parts
    }

    /// Reads `key`; another word in braces is a mistake.
    init?(_ settings: Settings, _ key: String) throws(SettingsError) {
        guard let text = try settings.string(key) else { return nil }
        self.init(text)
        if let part = parts.first(where: { $0.contains("{") || $0.contains("}") }) {
            throw SettingsError(
                "\(settings.name(of: key)): only {tenant} may stand in braces, not \"\(part)\"",
                line: settings.line(of: key))
        }
    }

    var namesTenant: Bool { parts.count > 1 }

    func callAsFunction(_ tenant: String) -> String { parts.joined(separator: tenant) }
}
