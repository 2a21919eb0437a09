import Testing

@testable import Metrics

/// Which part of a text each group gets: as Go's `regexp` says it, whole texts only.
struct CapturingPatternTests {
    private func groups(_ pattern: String, _ text: String) throws -> [String?]? {
        let bytes = Array(text.utf8)
        return try CapturingPattern(pattern).groups(in: bytes)?.map { range in
            range.map { String(decoding: bytes[$0], as: UTF8.self) }
        }
    }

    /// Each checked with Go 1.x semantics written down by hand: leftmost alternatives, greedy as far as the whole allows.
    @Test(
        arguments: [
            ("(.*)", "a b", ["a b", "a b"]), ("", "", [""]), ("(a)(b)?", "a", ["a", "a", nil]),
            ("(a*)(a*)", "aaa", ["aaa", "aaa", ""]), ("(a*?)(a*)", "aaa", ["aaa", "", "aaa"]),
            ("(a+?)(a*)", "aaa", ["aaa", "a", "aa"]), ("(a{1,2})(a*)", "aaa", ["aaa", "aa", "a"]),
            ("(a{1,2}?)(a*)", "aaa", ["aaa", "a", "aa"]), ("(a|ab)(c|bcd)?(d*)", "abcd", ["abcd", "a", "bcd", ""]),
            ("(?:x|(y))+", "xyx", ["xyx", "y"]), ("(x|y)+", "xy", ["xy", "y"]),
            ("([^:]+):(\\d+)", "h:9", ["h:9", "h", "9"]),
            ("(?P<host>[^:]+)(?::(?<port>\\d+))?", "db", ["db", "db", nil]),
            ("(a(b(c)))", "abc", ["abc", "abc", "bc", "c"]),
            ("(é+)(.)", "ééx", ["ééx", "éé", "x"]), ("(.)(.*)", "漢字", ["漢字", "漢", "字"]),
            ("(a?)*?(b)", "aab", ["aab", "a", "b"]), ("^(a)$", "a", ["a", "a"]), ("(|a)(a?)", "a", ["a", "", "a"]),
        ] as [(String, String, [String?])])
    func `groups get what Go gives them`(pattern: String, text: String, expected: [String?]) throws {
        #expect(try groups(pattern, text) == expected)
    }

    @Test(arguments: [("(a)", "b"), ("(a)", "aa"), ("(a*)b", "aaa"), ("()", "x")])
    func `a text that is not of the expression has no groups`(pattern: String, text: String) throws {
        #expect(try groups(pattern, text) == nil)
    }

    @Test(arguments: [
        "(?P<a>x)(?P<a>y)", "(?P<>x)", "(?P<a-b>x)", "(?P<a", "(?P=a)", String(repeating: "()", count: 51),
    ])
    func `names that are none, and more groups than there may be, are refused`(pattern: String) {
        #expect(throws: SelectorError.self) { try CapturingPattern(pattern) }
    }

    @Test(.timeLimit(.minutes(1)), arguments: ["(a*)*(b)", "(a|a)*(b)", "((((a?){10}){10})a{50})(b)"])
    func `time does not explode`(pattern: String) throws {
        #expect(try groups(pattern, String(repeating: "a", count: 1024)) == nil)
    }
}
