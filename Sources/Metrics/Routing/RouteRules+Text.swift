/// Rules as one line of JSON, the form in which a spool keeps them: one spelling for the same rules.
extension RouteRules {
    public var text: String {
        var writer = JSONWriter()
        writer.beginObject()
        if !match.isEmpty { writer.member("match", .array(match.map { .string($0.description) })) }
        if !drop.isEmpty { writer.member("drop", .array(drop.map { .string($0.description) })) }
        if sample < 1 { writer.member("sample", sample) }
        if !externalLabels.isEmpty {
            writer.member(
                "external_labels", .object(externalLabels.map { JSONValue.Member($0.name, .string($0.value)) }))
        }
        if !relabel.isEmpty { writer.member("relabel", .array(relabel.map(\.json))) }
        writer.end()
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    /// Reads `text` again.
    ///
    /// - Throws: for what no rules were written as.
    public init(text: String) throws(SelectorError) {
        guard text.utf8.count <= RouteRules.maximumTextBytes else { throw SelectorError("too long for rules", at: 0) }
        let json: JSONValue
        do throws(WireError) { json = try JSONValue.parse(Array(text.utf8), values: 100_000) } catch {
            throw SelectorError("rules that are no JSON: \(error)", at: 0)
        }
        self.init()
        match = try RouteRules.selectors(json["match"])
        drop = try RouteRules.selectors(json["drop"])
        sample = json["sample"]?.double ?? 1
        externalLabels = (json["external_labels"]?.object ?? []).map { ExternalLabel($0.key, $0.value.string ?? "") }
        for rule in json["relabel"]?.array ?? [] { relabel.append(try RelabelRule(rule)) }
    }

    private static func selectors(_ list: JSONValue?) throws(SelectorError) -> [SeriesSelector] {
        var selectors: [SeriesSelector] = []
        for text in list?.array ?? [] { selectors.append(try SeriesSelector.parse(text.string ?? "")) }
        return selectors
    }
}

extension RelabelRule {
    fileprivate var json: JSONValue {
        .map([
            "action": .string(action.rawValue),
            "source_labels": sourceLabels.isEmpty ? nil : .array(sourceLabels.map { .string($0) }),
            "separator": separator == RelabelRule.defaultSeparator ? nil : .string(separator),
            "regex": regex.source == RelabelRule.defaultRegex ? nil : .string(regex.source),
            "modulus": modulus == 0 ? nil : .string(String(modulus)),
            "target_label": targetLabel.isEmpty ? nil : .string(targetLabel),
            "replacement": replacement == RelabelRule.defaultReplacement ? nil : .string(replacement),
        ])
    }

    fileprivate init(_ json: JSONValue) throws(SelectorError) {
        guard let action = Action(rawValue: json["action"]?.string ?? "") else {
            throw SelectorError("an action that is not known: \(json["action"]?.string ?? "none")", at: 0)
        }
        try self.init(
            action: action, sourceLabels: (json["source_labels"]?.array ?? []).map { $0.string ?? "" },
            separator: json["separator"]?.string ?? RelabelRule.defaultSeparator,
            regex: json["regex"]?.string ?? RelabelRule.defaultRegex,
            modulus: UInt64(json["modulus"]?.string ?? "0") ?? 0, targetLabel: json["target_label"]?.string ?? "",
            replacement: json["replacement"]?.string ?? RelabelRule.defaultReplacement)
    }
}
