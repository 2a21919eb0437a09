/// One rule on the labels of a series, in Prometheus' form and with its meaning and defaults.
/// <https://prometheus.io/docs/prometheus/latest/configuration/configuration/#relabel_config>
///
/// What a rule means is kept for good: spools tell by stored rules what a backend was sent (`RouteRules.text`).
public struct RelabelRule: Sendable, Hashable {
    public enum Action: String, Sendable, Hashable, CaseIterable {
        case replace, keep, drop, keepequal, dropequal, hashmod, labelmap, labeldrop, labelkeep, lowercase, uppercase
    }

    public var action: Action
    /// Their values, with `separator` between two, are what `regex` is held against.
    public var sourceLabels: [String]
    public var separator: String
    public var regex: CapturingPattern
    /// Of `hashmod`.
    public var modulus: UInt64
    public var targetLabel: String
    /// `$1`, `${1}` and `${name}` stand for what a group of `regex` stands for, `$$` for a dollar sign.
    public var replacement: String

    public static let defaultSeparator = ";"
    public static let defaultRegex = "(.*)"
    public static let defaultReplacement = "$1"

    /// - Throws: what is missing or makes no sense with the action, in words for the person who wrote it.
    public init(
        action: Action = .replace, sourceLabels: [String] = [], separator: String = RelabelRule.defaultSeparator,
        regex: String = RelabelRule.defaultRegex, modulus: UInt64 = 0, targetLabel: String = "",
        replacement: String = RelabelRule.defaultReplacement
    ) throws(SelectorError) {
        self.action = action
        self.sourceLabels = sourceLabels
        self.separator = separator
        self.regex = try CapturingPattern(regex)
        self.modulus = modulus
        self.targetLabel = targetLabel
        self.replacement = replacement
        if let fault { throw SelectorError(fault, at: 0) }
    }

    private var fault: String? {
        switch action {
        case .replace, .hashmod, .lowercase, .uppercase, .keepequal, .dropequal:
            if targetLabel.isEmpty { return "\(action.rawValue) needs target_label" }
        case .labelmap, .labeldrop, .labelkeep:
            if !sourceLabels.isEmpty {
                return "\(action.rawValue) is about the names of labels: it has no source_labels"
            }
        case .keep, .drop:
            if sourceLabels.isEmpty { return "\(action.rawValue) needs source_labels" }
        }
        if action == .hashmod, modulus == 0 { return "hashmod needs modulus, 1 or more" }
        if action != .hashmod, modulus != 0 { return "modulus is of hashmod" }
        return nil
    }

    /// - Parameter resource: whose attributes count where a series has no label of that name.
    /// - Returns: whether the series goes on.
    func apply(to labels: inout RouteLabels, _ resource: Resource?) -> Bool {
        switch action {
        case .labelmap:
            for (name, text) in labels.pairs {
                guard let groups = regex.groups(in: name) else { continue }
                guard let target = Template(replacement).expanded(name, groups, regex) else { return false }
                if !target.isEmpty { labels[target] = text }
            }
            return true
        case .labeldrop:
            labels.removeAll { regex.groups(in: $0) != nil }
            return true
        case .labelkeep:
            labels.removeAll { regex.groups(in: $0) == nil }
            return true
        default: break
        }
        var joined: [UInt8] = []
        for (index, name) in sourceLabels.enumerated() {
            if index > 0 { joined.append(contentsOf: separator.utf8) }
            joined.append(contentsOf: labels.value(of: name, or: resource))
            guard joined.count <= RelabelRule.maximumBytes else { return false }
        }
        let target = Array(targetLabel.utf8)
        switch action {
        case .keep: return regex.groups(in: joined) != nil
        case .drop: return regex.groups(in: joined) == nil
        case .keepequal: return labels.value(of: targetLabel, or: resource) == joined
        case .dropequal: return labels.value(of: targetLabel, or: resource) != joined
        case .lowercase: labels[target] = RelabelRule.mapped(joined, \.lowercaseMapping)
        case .uppercase: labels[target] = RelabelRule.mapped(joined, \.uppercaseMapping)
        case .hashmod: labels[target] = Array(String(RelabelRule.hash(joined) % modulus).utf8)
        case .replace:
            guard let groups = regex.groups(in: joined) else { return true }
            guard let name = Template(targetLabel).expanded(joined, groups, regex),
                let value = Template(replacement).expanded(joined, groups, regex)
            else { return false }
            if !name.isEmpty { labels[name] = value }
        case .labelmap, .labeldrop, .labelkeep: break
        }
        return true
    }

    /// Of a value between two rules, and of what is put together for one: a series that needs more is kept back.
    static let maximumBytes = 64 << 10

    /// Character by character, as Go does it: what would become several (ß) stays.
    private static func mapped(_ text: [UInt8], _ mapping: (Unicode.Scalar.Properties) -> String) -> [UInt8] {
        var result = String.UnicodeScalarView()
        for scalar in String(decoding: text, as: UTF8.self).unicodeScalars {
            let mapped = mapping(scalar.properties).unicodeScalars
            result.append(mapped.count == 1 ? mapped[mapped.startIndex] : scalar)
        }
        return Array(String(result).utf8)
    }

    /// The last eight bytes of the MD5, so that a series has the same number here and at a Prometheus.
    private static func hash(_ text: [UInt8]) -> UInt64 {
        MD5.digest(text)[8...].reduce(0) { $0 << 8 | UInt64($1) }
    }
}

/// A text with groups of an expression in it, as Go's `Regexp.Expand` reads it.
/// <https://pkg.go.dev/regexp#Regexp.Expand>
private struct Template {
    private let text: [UInt8]

    init(_ text: String) { self.text = Array(text.utf8) }

    /// What is no group is empty.
    ///
    /// - Returns: nil for more than `RelabelRule.maximumBytes`.
    func expanded(_ source: [UInt8], _ groups: [Range<Int>?], _ pattern: CapturingPattern) -> [UInt8]? {
        var result: [UInt8] = []
        var at = 0
        while at < text.count {
            guard result.count <= RelabelRule.maximumBytes else { return nil }
            guard text[at] == UInt8(ascii: "$") else {
                result.append(text[at])
                at += 1
                continue
            }
            if at + 1 < text.count, text[at + 1] == UInt8(ascii: "$") {
                result.append(UInt8(ascii: "$"))
                at += 2
            } else if let (name, end) = word(behind: at) {
                if let index = Template.index(name, pattern), index < groups.count, let group = groups[index] {
                    result += source[group]
                }
                at = end
            } else {
                result.append(text[at])
                at += 1
            }
        }
        return result.count <= RelabelRule.maximumBytes ? result : nil
    }

    /// `name` or `{name}`; nil where there is neither.
    private func word(behind dollar: Int) -> (name: String, end: Int)? {
        let hasBrace = dollar + 1 < text.count && text[dollar + 1] == UInt8(ascii: "{")
        let start = dollar + (hasBrace ? 2 : 1)
        var end = start
        while end < text.count, Template.isOfWord(text[end]) { end += 1 }
        if end == start { return nil }
        let name = String(decoding: text[start..<end], as: UTF8.self)
        guard hasBrace else { return (name, end) }
        return end < text.count && text[end] == UInt8(ascii: "}") ? (name, end + 1) : nil
    }

    private static func isOfWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    private static func index(_ name: String, _ pattern: CapturingPattern) -> Int? {
        if name.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
            return name.utf8.count > 1 && name.hasPrefix("0") ? nil : Int(name)
        }
        return pattern.names.firstIndex(of: name).map { $0 + 1 }
    }
}
