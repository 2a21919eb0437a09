import Metrics
import WALStore

/// A line that a program said, read and checked. The protocol is `docs/programs.md`.
enum ProgramLine: Sendable, Equatable {
    case hello(version: Int64)
    case answer(id: UInt64, ProgramAnswer)

    /// Why a line is none of the protocol's.
    struct Mistake: Error, Equatable {
        var words: String
    }

    /// - Parameter line: without its end; bounded by whoever read it.
    static func parse(_ line: [UInt8]) throws(Mistake) -> ProgramLine {
        let document: JSONValue
        do throws(WireError) {
            document = try JSONValue.parse(line, depth: 8, values: 200_000)
        } catch {
            throw Mistake(words: "a line that is no JSON: \(error.message)")
        }
        guard let members = document.object else { throw Mistake(words: "a line that is no JSON object") }
        if let hello = document["hello"] {
            try check(members, ["hello"])
            guard let version = hello.int else { throw Mistake(words: "a hello without a version") }
            return .hello(version: version)
        }
        guard let id = document["answer"]?.int.flatMap({ UInt64(exactly: $0) }) else {
            throw Mistake(words: "a line that is neither a hello nor an answer")
        }
        try check(members, ["answer", "outcome", "reason", "after_ms", "points"])
        return .answer(id: id, try ProgramAnswer(document))
    }

    static func check(_ members: [JSONValue.Member], _ known: [String]) throws(Mistake) {
        for member in members where !known.contains(member.key) {
            throw Mistake(words: "\"\(Excerpt.of(Array(member.key.utf8), bytes: 64))\" is no member of this line")
        }
    }
}

/// What a program made of a request.
struct ProgramAnswer: Sendable, Equatable {
    enum Outcome: Sendable, Equatable {
        case ok
        case retry(after: Duration?)
        case hold
        case refused
        case alreadyThere
        case tooLarge
        /// Those that are not named were taken.
        case points([Verdict])
    }

    /// On some points that follow each other.
    struct Verdict: Sendable, Equatable {
        enum Word: String, Sendable {
            case refused
            case alreadyThere = "already_there"
            case retry
            case hold
        }
        /// 0-based, in the order in which they were sent.
        var indexes: Range<Int>
        var word: Word
        var reason: String
    }

    var outcome: Outcome
    var reason: String

    private static let longestWait: Int64 = 86_400_000

    init(_ document: JSONValue) throws(ProgramLine.Mistake) {
        reason = Self.reason(document)
        if document["after_ms"] != nil, document["outcome"]?.string != "retry" {
            throw ProgramLine.Mistake(words: "after_ms goes with a retry")
        }
        if document["points"] != nil, document["outcome"]?.string != "points" {
            throw ProgramLine.Mistake(words: "points go with the outcome points")
        }
        switch document["outcome"]?.string {
        case "ok": outcome = .ok
        case "hold": outcome = .hold
        case "refused": outcome = .refused
        case "already_there": outcome = .alreadyThere
        case "too_large": outcome = .tooLarge
        case "retry":
            guard let after = document["after_ms"] else {
                outcome = .retry(after: nil)
                return
            }
            guard let wait = after.int, (0...Self.longestWait).contains(wait) else {
                throw ProgramLine.Mistake(words: "after_ms is no number from 0 to \(Self.longestWait)")
            }
            outcome = .retry(after: .milliseconds(wait))
        case "points": outcome = .points(try Self.verdicts(document))
        default: throw ProgramLine.Mistake(words: "an answer without an outcome that is known")
        }
    }

    private static func reason(_ document: JSONValue) -> String {
        Excerpt.of(Array((document["reason"]?.string ?? "").utf8))
    }

    private static func verdicts(_ document: JSONValue) throws(ProgramLine.Mistake) -> [Verdict] {
        guard let list = document["points"]?.array else {
            throw ProgramLine.Mistake(words: "the outcome points without a list of points")
        }
        var all: [Verdict] = []
        for entry in list {
            guard let members = entry.object else { throw ProgramLine.Mistake(words: "a point that is no object") }
            try ProgramLine.check(members, ["index", "count", "outcome", "reason"])
            let count = entry["count"].map { $0.int ?? 0 } ?? 1
            guard let index = entry["index"]?.int, index >= 0, count >= 1, index < 1 << 31, count < 1 << 31 else {
                throw ProgramLine.Mistake(words: "a point whose index or count is no number")
            }
            guard let word = entry["outcome"]?.string.flatMap({ Verdict.Word(rawValue: $0) }) else {
                throw ProgramLine.Mistake(words: "a point without an outcome that is known")
            }
            all.append(
                Verdict(indexes: Int(index)..<Int(index + count), word: word, reason: reason(entry)))
        }
        all.sort { $0.indexes.lowerBound < $1.indexes.lowerBound }
        for (first, second) in zip(all, all.dropFirst()) where second.indexes.lowerBound < first.indexes.upperBound {
            throw ProgramLine.Mistake(words: "a point with two verdicts")
        }
        return all
    }

    /// Whether it can be an answer to so many points.
    func fits(points: Int) -> Bool {
        guard case .points(let verdicts) = outcome else { return true }
        return verdicts.last.map { $0.indexes.upperBound <= points } ?? true
    }

    // MARK: Meaning

    /// - Parameter runs: the points of the request, in order.
    func outcome(of runs: [LeasedRun]) -> DeliveryOutcome {
        switch outcome {
        case .ok: .delivered
        case .retry(let after): .retry(after: after, reason: words("the program asks for a later try"))
        case .hold: .hold(reason: words("the program asks to hold"))
        case .refused: .refused(dead(reason), meansAlreadyThere: false)
        case .alreadyThere: .refused(dead(reason), meansAlreadyThere: true)
        case .tooLarge: .tooLarge(limitBytes: nil)
        case .points(let verdicts): verdicts.isEmpty ? .delivered : .partly(items(verdicts, runs))
        }
    }

    private func items(_ verdicts: [Verdict], _ runs: [LeasedRun]) -> [ItemOutcome] {
        var rest = runs
        var passed = 0
        var all: [ItemOutcome] = []
        for verdict in verdicts {
            let behind = rest.split(at: verdict.indexes.lowerBound - passed).rest
            let (named, after) = behind.split(at: verdict.indexes.count)
            (rest, passed) = (after, verdict.indexes.upperBound)
            all.append(ItemOutcome(runs: named.filter { !$0.ordinals.isEmpty }, verdict: meaning(of: verdict)))
        }
        return all
    }

    private func meaning(of verdict: Verdict) -> ItemOutcome.Verdict {
        switch verdict.word {
        case .refused: .dead(dead(verdict.reason))
        case .alreadyThere: .alreadyThere
        case .retry: .retry(reason: verdict.reason.isEmpty ? "the program asks for a later try" : verdict.reason)
        case .hold: .hold(reason: verdict.reason.isEmpty ? "the program asks to hold" : verdict.reason)
        }
    }

    private func words(_ usual: String) -> String { reason.isEmpty ? usual : "\(usual): \(reason)" }

    private func dead(_ words: String) -> DeadLetterReason {
        DeadLetterReason(code: "refused", excerpt: words, status: 0)
    }
}
