import Forwarder
import Metrics
import WALStore

/// Which letters are to be sent again, to whom, and what is changed of them: `LetterRequest`'s words and some more.
struct RedriveRequest: Sendable {
    var letters = LetterRequest()
    /// nil: to the backend that the letters are asked of.
    var sendTo: String?
    var repair = PointRepair()
    /// Only says what it would come to.
    var isDryRun = false

    enum Word: String, CaseIterable {
        case sendTo = "send-to"
        case rename
        case dropLabel = "drop-label"
        case truncate
        case earliest
        case latest
        case dryRun = "dry-run"
    }

    init(_ words: some Sequence<(name: String, value: String)>, now: Int64) throws(LetterRequest.Mistake) {
        var others: [(name: String, value: String)] = []
        for (name, value) in words {
            guard let word = Word(rawValue: name) else {
                others.append((name, value))
                continue
            }
            switch word {
            case .sendTo: sendTo = value
            case .rename:
                repair.renames = try RedriveRequest.pairs(name, value, "old=new").map { .init(from: $0, to: $1) }
            case .dropLabel: repair.drops = value.split(separator: ",").map(String.init)
            case .truncate: repair.truncations = try RedriveRequest.truncations(name, value)
            case .earliest: repair.earliest = try LetterRequest.time(name, value, now)
            case .latest: repair.latest = try LetterRequest.time(name, value, now)
            case .dryRun: isDryRun = try RedriveRequest.truth(name, value)
            }
        }
        letters = try LetterRequest(others, now: now)
        if let earliest = repair.earliest, let latest = repair.latest, earliest > latest {
            throw LetterRequest.Mistake(description: "earliest must not lie after latest")
        }
    }

    /// The backend that gets the points.
    var target: String? { sendTo ?? letters.filter.backend }

    /// As it is sent.
    var words: [(name: String, value: String)] {
        func list(_ items: [String]) -> String? { items.isEmpty ? nil : items.joined(separator: ",") }
        let own: [(Word, String?)] = [
            (.sendTo, sendTo), (.rename, list(repair.renames.map { "\($0.from)=\($0.to)" })),
            (.dropLabel, list(repair.drops)), (.truncate, list(repair.truncations.map { "\($0.name)=\($0.bytes)" })),
            (.earliest, repair.earliest.map(RFC3339.format)), (.latest, repair.latest.map(RFC3339.format)),
            (.dryRun, isDryRun ? "true" : nil),
        ]
        return letters.words.filter { $0.name != LetterRequest.Word.limit.rawValue }
            + own.compactMap { word, value in value.map { (word.rawValue, $0) } }
    }

    private static func truth(_ name: String, _ value: String) throws(LetterRequest.Mistake) -> Bool {
        guard let truth = Bool(value) else {
            throw LetterRequest.Mistake(description: "\(name): \"\(value)\" is neither true nor false")
        }
        return truth
    }

    private static func pairs(
        _ name: String, _ text: String, _ form: String
    ) throws(LetterRequest.Mistake) -> [(String, String)] {
        var pairs: [(String, String)] = []
        for item in text.split(separator: ",") {
            let parts = item.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2 else {
                throw LetterRequest.Mistake(description: "\(name): \"\(item)\" is not of the form \(form)")
            }
            pairs.append((parts[0], parts[1]))
        }
        return pairs
    }

    private static func truncations(
        _ name: String, _ text: String
    ) throws(LetterRequest.Mistake) -> [PointRepair.Truncation] {
        var truncations: [PointRepair.Truncation] = []
        for (label, value) in try pairs(name, text, "label=bytes") {
            guard let bytes = Int(value), bytes >= 0 else {
                throw LetterRequest.Mistake(description: "\(name): \"\(value)\" is no number of bytes")
            }
            truncations.append(.init(name: label, bytes: bytes))
        }
        return truncations
    }
}
