import WALStore

/// One rule of the config for what an answer means: `{ status: [409, 420-429], body: "duplicate", outcome: already_there }`.
///
/// Rules are tried in their order; an answer that none of them matches means what it means to every HTTP backend.
struct OutcomeRule: Sendable, Equatable {
    enum Meaning: String, CaseIterable, Sendable {
        case delivered
        case retry
        case tooLarge = "too_large"
        case refused
        case alreadyThere = "already_there"
        case hold
    }

    private var statuses: [ClosedRange<Int>]
    /// In lower case; the answer's body must hold it, in whatever case. nil: any body.
    private var text: String?
    private var meaning: Meaning

    private static let maximumRules = 64

    static func list(_ settings: Settings, _ key: String) throws(SettingsError) -> [OutcomeRule] {
        let sections = try settings.listedSections(key)
        guard sections.count <= maximumRules else {
            throw SettingsError(
                "\(settings.name(of: key)): more than \(maximumRules) rules", line: settings.line(of: key))
        }
        var rules: [OutcomeRule] = []
        for section in sections { rules.append(try OutcomeRule(section)) }
        return rules
    }

    private init(_ settings: Settings) throws(SettingsError) {
        statuses = []
        for word in try settings.strings("status") {
            guard let range = Self.range(word) else {
                throw SettingsError(
                    "\(settings.name(of: "status")): \"\(word)\" is no status such as 409, and no range such as 500-599",
                    line: settings.line(of: "status"))
            }
            statuses.append(range)
        }
        text = try settings.string("body")?.lowercased()
        guard !statuses.isEmpty else {
            throw SettingsError("\(settings.name(of: "status")) is missing", line: settings.line)
        }
        guard text != "" else {
            throw SettingsError("\(settings.name(of: "body")) is empty", line: settings.line(of: "body"))
        }
        _ = try settings.required("outcome")
        meaning = try settings.choice("outcome", default: .refused)
    }

    private static func range(_ word: String) -> ClosedRange<Int>? {
        let ends = word.split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count <= 2, ends.allSatisfy({ $0.utf8.count == 3 && $0.utf8.allSatisfy { (48...57).contains($0) } }),
            let first = ends.first.flatMap({ Int($0) }), let last = ends.last.flatMap({ Int($0) }),
            first >= 100, last <= 599, first <= last
        else { return nil }
        return first...last
    }

    func matches(_ response: HTTPResponse) -> Bool {
        guard statuses.contains(where: { $0.contains(response.status) }) else { return false }
        guard let text else { return true }
        return Excerpt.holds(response.body, [text])
    }

    func outcome(of response: HTTPResponse, now: Int64) -> DeliveryOutcome {
        switch meaning {
        case .delivered: .delivered
        case .retry: HTTPOutcome.retry(response, now: now)
        case .tooLarge: .tooLarge(limitBytes: nil)
        case .refused: HTTPOutcome.refused(response)
        case .alreadyThere: HTTPOutcome.refused(response, meansAlreadyThere: true)
        case .hold: .hold(reason: "HTTP \(response.status)\(HTTPOutcome.said(response))")
        }
    }
}
