import Metrics
import Testing

@testable import Daemon

@Suite struct JSONValueTests {
    @Test func `what is written reads back the same, on one line and on many`() throws {
        let value = JSONValue.map([
            "text": "a\"\\\n\u{1}\u{1F600}", "whole": .int(.min), "part": .double(0.1), "none": .null,
            "list": [1, true, .array([])], "inner": .map(["x": .object([])]),
        ])
        #expect(try JSONValue.parse(Array(value.rendered.utf8)) == value)
        #expect(try JSONValue.parse(Array(value.pretty.utf8)) == value)
        #expect(!value.rendered.contains("\n"))
    }

    @Test func `escapes and surrogates are read`() throws {
        #expect(try JSONValue.parse(Array(#""\u00e9\ud83d\ude00\/""#.utf8)) == "é😀/")
    }

    @Test(arguments: [
        "", "{", "[1,]", "{\"a\"}", "\"\\ud83d\"", "\"\u{1}\"", "01x", "nul", "1 2", "{\"a\":1,}", "\"\\q\"", "1e999",
    ])
    func `what is not JSON is refused`(text: String) {
        #expect(throws: WireError.self) { try JSONValue.parse(Array(text.utf8)) }
    }

    @Test func `nesting is bounded`() {
        let deep = Array(String(repeating: "[", count: 100_000).utf8)
        #expect(throws: WireError.self) { try JSONValue.parse(deep) }
    }
}
