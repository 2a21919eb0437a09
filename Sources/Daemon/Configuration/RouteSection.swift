import Forwarder
import Metrics

/// `backends.<name>.route:` and `tenants.<id>.routes.<backend>:` which series go there, and under which labels.
enum RouteSection {
    /// - Returns: nil for a section that says nothing: all series, as they are.
    static func read(_ settings: Settings) throws(SettingsError) -> RouteRules? {
        var rules = RouteRules()
        rules.match = try selectors(settings, "match")
        rules.drop = try selectors(settings, "drop")
        rules.sample = try share(settings, "sample")
        for (name, value) in try settings.pairs("external_labels") {
            guard !name.isEmpty, name != "__name__", !value.isEmpty else {
                throw SettingsError(
                    "\(settings.name(of: "external_labels")).\(name): a label has a name, which is not __name__, and a value",
                    line: settings.line(of: "external_labels"))
            }
            rules.externalLabels.append(RouteRules.ExternalLabel(name, value))
        }
        for section in try settings.listedSections("relabel") { rules.relabel.append(try rule(section)) }
        let count = rules.match.count + rules.drop.count + rules.externalLabels.count + rules.relabel.count
        guard count <= RouteRules.maximumRules, rules.text.utf8.count <= RouteRules.maximumTextBytes else {
            throw SettingsError(
                "\(settings.path): at most \(RouteRules.maximumRules) rules, of \(RouteRules.maximumTextBytes >> 10) KiB in all",
                line: settings.line)
        }
        // A spool keeps them as text, and asks them again.
        guard (try? RouteRules(text: rules.text)) == rules else {
            throw SettingsError(
                "\(settings.path): a selector is too long once it is written out: \(SeriesSelector.maximumBytes) bytes at most",
                line: settings.line)
        }
        return rules.isEmpty ? nil : rules
    }

    private static func selectors(_ settings: Settings, _ key: String) throws(SettingsError) -> [SeriesSelector] {
        var selectors: [SeriesSelector] = []
        for text in try settings.strings(key) {
            do throws(SelectorError) { selectors.append(try SeriesSelector.parse(text)) } catch {
                throw SettingsError("\(settings.name(of: key)): \(text): \(error)", line: settings.line(of: key))
            }
        }
        return selectors
    }

    /// `10%` or `0.5%`, of the series.
    private static func share(_ settings: Settings, _ key: String) throws(SettingsError) -> Double {
        guard let text = try settings.string(key) else { return 1 }
        guard text.hasSuffix("%"), let percent = Double(text.dropLast()), percent > 0, percent <= 100 else {
            throw SettingsError(
                "\(settings.name(of: key)): \"\(text)\" is not a share of the series such as 10%",
                line: settings.line(of: key))
        }
        return percent / 100
    }

    /// In Prometheus' form, with its defaults.
    private static func rule(_ settings: Settings) throws(SettingsError) -> RelabelRule {
        let modulus = try settings.int("modulus", default: 0, in: 0...Int.max)
        let action = try settings.choice("action", default: RelabelRule.Action.replace)
        let (sources, separator) = (try settings.strings("source_labels"), try settings.string("separator"))
        let (regex, target) = (try settings.string("regex"), try settings.string("target_label"))
        let replacement = try settings.string("replacement")
        do throws(SelectorError) {
            return try RelabelRule(
                action: action, sourceLabels: sources, separator: separator ?? RelabelRule.defaultSeparator,
                regex: regex ?? RelabelRule.defaultRegex, modulus: UInt64(modulus), targetLabel: target ?? "",
                replacement: replacement ?? RelabelRule.defaultReplacement)
        } catch {
            let isOfRegex = error.offset > 0 || regex.map { (try? CapturingPattern($0)) == nil } ?? false
            throw SettingsError(
                isOfRegex ? "\(settings.name(of: "regex")): \(error)" : "\(settings.path): \(error.message)",
                line: isOfRegex ? settings.line(of: "regex") : settings.line)
        }
    }
}
