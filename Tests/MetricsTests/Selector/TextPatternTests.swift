import TestSupport
import Testing

@testable import Metrics

/// Expressions against a whole text, as Prometheus holds them.
@Suite struct TextPatternTests {
    private func matches(_ pattern: String, _ text: String) throws -> Bool { try TextPattern(pattern).matches(text) }

    @Test(arguments: [
        ("", "", true), ("", "a", false), ("a", "a", true), ("a", "ab", false), ("b", "ab", false),
        (".*", "", true), (".*", "a\nb", true), ("a.c", "aäc", true), ("a|bc", "bc", true), ("a|bc", "abc", false),
        ("(a|b)+", "abba", true), ("(a|b)+", "", false), ("(?:ab)*c", "ababc", true), ("a{2,3}", "a", false),
        ("a{2,3}", "aaa", true), ("a{2,3}", "aaaa", false), ("a{2}", "aa", true), ("a{2,}", "aaaaa", true),
        ("(a{0,2}){3}", "aaaaaa", true), ("a??b", "b", true), ("[a-c_]+", "ab_c", true), ("[^a-c]", "d", true),
        ("[^a-c]", "b", false), ("[]a]+", "]a", true), ("[a-]+", "a-", true), (#"[\d.]+"#, "10.5", true),
        (#"\w+"#, "az_09", true), (#"\w"#, "é", false), (#"\W"#, "é", true), (#"[\W]"#, "a", false),
        (#"[^\D]+"#, "12", true), (#"\."#, "x", false), (#"\x41\n"#, "A\n", true), ("^a$", "a", true),
        ("a^b", "ab", false), ("(^a|b)c", "bc", true), ("a$|ab", "ab", true), ("(a*)*b", "aaab", true),
        ("(|a)+", "aa", true), ("()*", "", true), ("x*y*", "xxyy", true), (#"\Aab\z"#, "ab", true),
    ])
    func `an expression takes a whole text or not`(pattern: String, text: String, isTaken: Bool) throws {
        #expect(try matches(pattern, text) == isTaken)
    }

    @Test(arguments: [
        "(", ")", "(a", "a)", "[a", "*", "a**", "a|*", "{2}", "a{3,2}", "a{1001}", "a{2", "[b-a]", #"\"#, #"\b"#,
        #"\pL"#,
        #"\1"#, #"\xZZ"#, "(?i)a", "(?=a)", "[[:alpha:]]", "(a{1000}){1000}",
        String(repeating: "(", count: 60) + String(repeating: ")", count: 60),
    ])
    func `what is not known or has no end is refused`(pattern: String) {
        #expect(throws: SelectorError.self) { try TextPattern(pattern) }
    }

    @Test func `texts that are not UTF-8 do not match by accident`() throws {
        let pattern = try TextPattern("a.b")
        #expect(([0x61, 0xFF, 0x62] as [UInt8]).withUnsafeBytes { pattern.matches($0) })
        #expect(!([0x61, 0xFF] as [UInt8]).withUnsafeBytes { pattern.matches($0) })
    }

    /// A backtracking engine needs longer than the universe has for the last ones.
    @Test(.timeLimit(.minutes(1)), arguments: ["(a*)*b", "(a|a)*b", "(a|aa)+b", "(.*.*.*.*)*b", "(a?){50}a{50}b"])
    func `time does not explode`(pattern: String) throws {
        let text = String(repeating: "a", count: 1024)
        #expect(try !matches(pattern, text))
    }

    @Test func `random expressions take what their parts take`() throws {
        var random = SeededGenerator.fresh()
        var taken = 0
        for _ in 0..<2000 {
            let expression = Expression.random(depth: 3, &random)
            let pattern = try TextPattern(expression.source)
            for _ in 0..<8 {
                let text = (0..<Int.random(in: 0...5, using: &random)).map { _ in Expression.letter(&random) }
                let isTaken = expression.ends(of: text, from: [0]).contains(text.count)
                let word = String(text)
                #expect(
                    pattern.matches(word) == isTaken, "\(expression.source) on \(word), seed \(random.seed)")
                taken += isTaken ? 1 : 0
            }
        }
        #expect(taken > 1000, "the texts hardly ever match: \(taken)")
    }
}

/// An expression that is known by its parts, and takes texts by walking over all of their ends.
private indirect enum Expression {
    case one(source: String, takes: Set<Character>)
    case row([Expression])
    case either(Expression, Expression)
    case loop(Expression, sign: String, least: Int, most: Int)

    static func letter(_ random: inout SeededGenerator) -> Character { "abä".randomElement(using: &random) ?? "a" }

    static func random(depth: Int, _ random: inout SeededGenerator) -> Expression {
        .row((0..<Int.random(in: 0...3, using: &random)).map { _ in part(depth, &random) })
    }

    private static func part(_ depth: Int, _ random: inout SeededGenerator) -> Expression {
        let letter = letter(&random)
        switch Int.random(in: 0..<(depth == 0 ? 4 : 8), using: &random) {
        case 0, 1: return .one(source: String(letter), takes: [letter])
        case 2: return .one(source: ".", takes: ["a", "b", "ä"])
        case 3:
            let sets: [(String, Set<Character>)] = [
                ("[ab]", ["a", "b"]), ("[^a]", ["b", "ä"]), ("[a-bä]", ["a", "b", "ä"]), (#"\w"#, ["a", "b"]),
                (#"[^\w]"#, ["ä"]),
            ]
            let (source, takes) = sets[Int.random(in: sets.indices, using: &random)]
            return .one(source: source, takes: takes)
        case 4, 5: return .either(.random(depth: depth - 1, &random), .random(depth: depth - 1, &random))
        default:
            let signs = [
                ("*", 0, 9), ("+", 1, 9), ("?", 0, 1), ("{0,2}", 0, 2), ("{2}", 2, 2), ("{1,}", 1, 9), ("*?", 0, 9),
            ]
            let (sign, least, most) = signs[Int.random(in: signs.indices, using: &random)]
            return .loop(.random(depth: depth - 1, &random), sign: sign, least: least, most: most)
        }
    }

    var source: String {
        switch self {
        case .one(let source, _): source
        case .row(let parts): parts.map(\.source).joined()
        case .either(let one, let other): "(\(one.source)|\(other.source))"
        case .loop(let part, let sign, _, _): "(?:\(part.source))\(sign)"
        }
    }

    /// Where it may end when it begins at one of `starts`; a loop of nine goes over any text of five.
    func ends(of text: [Character], from starts: Set<Int>) -> Set<Int> {
        switch self {
        case .one(_, let takes): Set(starts.filter { $0 < text.count && takes.contains(text[$0]) }.map { $0 + 1 })
        case .row(let parts): parts.reduce(starts) { $1.ends(of: text, from: $0) }
        case .either(let one, let other): one.ends(of: text, from: starts).union(other.ends(of: text, from: starts))
        case .loop(let part, _, let least, let most): loop(part, least, most, text, starts)
        }
    }

    private func loop(
        _ part: Expression, _ least: Int, _ most: Int, _ text: [Character], _ starts: Set<Int>
    ) -> Set<Int> {
        var (reached, all) = (starts, least == 0 ? starts : [])
        for round in 1...most {
            reached = part.ends(of: text, from: reached)
            if round >= least { all.formUnion(reached) }
        }
        return all
    }
}
