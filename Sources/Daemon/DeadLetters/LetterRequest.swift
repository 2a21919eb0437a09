import Forwarder
import Metrics
import WALStore

/// What somebody wants to know, or to end, of the dead letters: the same words in a query, in a body, and on the command
/// line (there with two dashes).
struct LetterRequest: Sendable {
    /// nil: of all tenants.
    var tenant: String?
    var filter = DeadLetterFilter()
    /// Behind which letter to begin.
    var after: LetterID?
    /// The last letter: those that come later are not meant.
    var until: LetterID? {
        didSet { filter.until = until?.number }
    }
    /// Letters a page.
    var limit = LetterRequest.standardLimit

    /// `DeadLetterReason.code` of all that is buried, wherever it is decided.
    static let reasons = ["refused", "stuck", "too_large", "failure_store"]
    static let standardLimit = 200
    static let maximumLimit = 1000

    enum Word: String, CaseIterable {
        case tenant, backend, reason, match, from, to, after, until, limit
        case buriedFrom = "buried-from"
        case buriedTo = "buried-to"
    }

    /// Why it cannot be understood.
    struct Mistake: Error, Sendable, CustomStringConvertible {
        var description: String
    }

    init() {}

    /// - Parameters:
    ///   - words: names and values; the last one of a name counts.
    ///   - now: what times such as `24h` count back from.
    init(_ words: some Sequence<(name: String, value: String)>, now: Int64) throws(Mistake) {
        var times = TimeBounds()
        var buried = TimeBounds()
        for (name, value) in words {
            guard let word = Word(rawValue: name) else {
                throw Mistake(
                    description: "\"\(name)\" is not known: \(Word.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            switch word {
            case .tenant: tenant = value
            case .backend: filter.backend = value
            case .reason: filter.reason = try LetterRequest.reason(value)
            case .match: filter.selector = try LetterRequest.selector(value)
            case .from: times.from = try LetterRequest.time(name, value, now)
            case .to: times.to = try LetterRequest.time(name, value, now)
            case .buriedFrom: buried.from = try LetterRequest.time(name, value, now)
            case .buriedTo: buried.to = try LetterRequest.time(name, value, now)
            case .after: after = try LetterRequest.id(name, value)
            case .until: until = try LetterRequest.id(name, value)
            case .limit: limit = try LetterRequest.limit(name, value)
            }
        }
        filter.times = try times.range("from", "to")
        filter.buried = try buried.range("buried-from", "buried-to")
        if let tenant, let after, after.tenant != tenant {
            throw Mistake(description: "after: \"\(after)\" is not of tenant \(tenant)")
        }
        filter.until = until?.number
        if let until, until.tenant != tenant {
            throw Mistake(description: "until: \"\(until)\" is not of the tenant that is asked for")
        }
    }

    /// Of what is assumed only the places are known: asking for more is a mistake, and not an answer that is empty.
    func checkAssumed() throws(Mistake) {
        for (word, isAsked) in [
            (Word.reason, filter.reason != nil), (.match, filter.selector != nil),
            (.from, filter.times.map { $0.lowerBound > .min } ?? false),
            (.to, filter.times.map { $0.upperBound < .max } ?? false), (.until, until != nil),
        ] where isAsked {
            throw Mistake(description: "\(word.rawValue): not of what is assumed, of which only places are known")
        }
    }

    /// As it is sent.
    var words: [(name: String, value: String)] {
        var words: [(Word, String?)] = [
            (.tenant, tenant), (.backend, filter.backend), (.reason, filter.reason),
            (.match, filter.selector?.description), (.after, after?.description),
            (.until, until?.description), (.limit, String(limit)),
        ]
        func add(_ range: Range<Int64>?, _ from: Word, _ to: Word) {
            guard let range else { return }
            if range.lowerBound > .min { words.append((from, RFC3339.format(range.lowerBound))) }
            if range.upperBound < .max { words.append((to, RFC3339.format(range.upperBound))) }
        }
        add(filter.times, .from, .to)
        add(filter.buried, .buriedFrom, .buriedTo)
        return words.compactMap { word, value in value.map { (word.rawValue, $0) } }
    }

    // MARK: Words

    struct TimeBounds {
        var from: Int64?
        var to: Int64?

        func range(_ fromName: String, _ toName: String) throws(Mistake) -> Range<Int64>? {
            if from == nil, to == nil { return nil }
            let (from, to) = (from ?? .min, to ?? .max)
            guard from < to else { throw Mistake(description: "\(fromName) must lie before \(toName)") }
            return from..<to
        }
    }

    static func selector(_ text: String) throws(Mistake) -> SeriesSelector {
        do throws(SelectorError) { return try SeriesSelector.parse(text) } catch {
            throw Mistake(description: "match: \(error)")
        }
    }

    static func time(_ name: String, _ text: String, _ now: Int64) throws(Mistake) -> Int64 {
        if let time = RFC3339.parse(text) ?? RFC3339.parse(text + "T00:00:00Z") { return time }
        guard let ago = Settings.parseDuration(text) else {
            throw Mistake(
                description: "\(name): \"\(text)\" is no time such as 2026-01-31T12:00:00Z, 2026-01-31 or 24h (ago)")
        }
        let (product, isOver) = ago.components.seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (time, isBefore) = now.subtractingReportingOverflow(product)
        return isOver || isBefore ? .min : time
    }

    private static func reason(_ text: String) throws(Mistake) -> String {
        guard reasons.contains(text) else {
            throw Mistake(description: "reason: \"\(text)\" is none: \(reasons.joined(separator: ", "))")
        }
        return text
    }

    /// Why the backend that is asked for is none of the known ones; nil: it is, or all are asked for.
    func strangeBackend(known: some Sequence<String>) -> Mistake? {
        guard let backend = filter.backend else { return nil }
        let names = Set(known).sorted()
        guard !names.contains(backend) else { return nil }
        let near = Settings.nearest(to: backend, in: names).map { "; did you mean \($0)?" } ?? ""
        let all = names.isEmpty ? "none is known" : names.prefix(LetterRequest.namesTold).joined(separator: ", ")
        let more = names.count > LetterRequest.namesTold ? ", …" : ""
        return Mistake(description: "backend: there is no \"\(backend)\": \(all)\(more)\(near)")
    }

    private static let namesTold = 20

    private static func id(_ name: String, _ text: String) throws(Mistake) -> LetterID {
        guard let id = LetterID(text) else { throw Mistake(description: "\(name): \"\(text)\" is no id of a letter") }
        return id
    }

    private static func limit(_ name: String, _ text: String) throws(Mistake) -> Int {
        guard let limit = Int(text), (1...maximumLimit).contains(limit) else {
            throw Mistake(description: "\(name): \"\(text)\" is not a whole number from 1 to \(maximumLimit)")
        }
        return limit
    }
}

/// A letter's name on the node: `acme/17`.
struct LetterID: Sendable, Hashable, CustomStringConvertible {
    var tenant: String
    var number: Int64

    init(tenant: String, number: Int64) {
        self.tenant = tenant
        self.number = number
    }

    init?(_ text: String) {
        guard let slash = text.lastIndex(of: "/"), let number = Int64(text[text.index(after: slash)...]), number >= 0,
            slash > text.startIndex
        else { return nil }
        self.init(tenant: String(text[..<slash]), number: number)
    }

    /// The only argument of a command: `acme/17`, or `17` beside a tenant.
    ///
    /// - Returns: nil when it is not there, is no such id, or another follows.
    static func only(_ words: [String], tenant: String?) -> LetterID? {
        guard words.count == 1 else { return nil }
        return LetterID(words[0])
            ?? tenant.flatMap { tenant in Int64(words[0]).map { LetterID(tenant: tenant, number: $0) } }
    }

    var description: String { "\(tenant)/\(number)" }
}
