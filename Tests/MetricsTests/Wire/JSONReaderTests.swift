import Metrics
import TestSupport
import Testing

/// Rules from RFC 8259, made stricter where parsers differ.
@Suite struct JSONReaderTests {
    @Test(arguments: [
        ("null", JSONValue.null), ("true", .bool(true)), (" false ", .bool(false)), ("0", .int(0)),
        ("-0", .double(-0.0)),
        ("9223372036854775807", .int(.max)), ("-9223372036854775808", .int(.min)),
        ("18446744073709551615", .uint(.max)), ("18446744073709551616", .double(18446744073709551616)),
        ("1.5e3", .double(1500)), ("1E-2", .double(0.01)), ("\"\"", .string("")), ("[]", .array([])),
        ("{}", .object([])),
        (#""\"\\\/\b\f\n\r\t\u0041\u00e9\ud83d\ude00""#, .string("\"\\/\u{8}\u{c}\n\r\tAé😀")),
        (
            #"[1,[2,{"a":[]}],"x"]"#,
            .array([.int(1), .array([.int(2), .object([.init("a", .array([]))])]), .string("x")])
        ),
    ])
    func `a valid document becomes its value`(_ text: String, _ value: JSONValue) throws {
        #expect(try JSONValue.parse(Array(text.utf8)) == value)
    }

    @Test(arguments: [
        "", " ", "nul", "nulll", "tru", "True", "01", "-", "+1", "1.", ".5", "1e", "1e+", "0x1", "NaN", "Infinity",
        "1 2",
        "[1,]", "[,1]", "[1 2]", "[", "]", "{", "}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{'a':1}", "{1:2}",
        "{\"a\":1 \"b\":2}", "\"a", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"a\nb\"", "\"\u{1}\"", "// c\n1", "1e400",
        #""\ud800""#, #""\udc00""#, #""\ud800x""#, #""\ud800\n""#, #""\ud800\ud800""#, #"{"a":1,"a":2}"#,
        #"{"a":1,"\u0061":2}"#,
    ])
    func `what is not strict JSON is refused with its offset`(_ text: String) {
        let failure = #expect(throws: WireError.self) { try JSONValue.parse(Array(text.utf8)) }
        #expect(failure?.code == .malformed)
        #expect(failure?.offset != nil)
    }

    @Test(
        arguments: [[0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xFF], [0xC3], [0x80]] as [[UInt8]])
    func `strings that are not UTF-8 are refused, with escapes and without`(_ bad: [UInt8]) {
        let quote = UInt8(ascii: "\"")
        #expect(throws: WireError.self) { try JSONValue.parse([quote] + bad + [quote]) }
        #expect(throws: WireError.self) { try JSONValue.parse([quote] + Array("\\n".utf8) + bad + [quote]) }
    }

    @Test func `depth and number of values are bounded`() throws {
        let nested = String(repeating: "[", count: 10) + String(repeating: "]", count: 10)
        #expect(try JSONValue.parse(Array(nested.utf8), depth: 10) != .null)
        #expect(throws: WireError.self) { try JSONValue.parse(Array(nested.utf8), depth: 9) }
        let hostile = String(repeating: "[", count: 1_000_000)
        #expect(throws: WireError.self) { try JSONValue.parse(Array(hostile.utf8), depth: 1000) }
        let failure = #expect(throws: WireError.self) { try JSONValue.parse(Array("[1,2,3]".utf8), values: 3) }
        #expect(failure?.code == .tooLarge)
    }

    @Test func `what the writer writes parses to the same value`() throws {
        let value = JSONValue.object([
            .init("a \"\\\u{1}\n", .array([.int(-5), .uint(.max), .double(1.5), .bool(false), .null])),
            .init("é😀", .object([.init("", .string("\u{7f}\u{2028}"))])), .init("empty", .array([])),
        ])
        var writer = JSONWriter()
        writer.value(value)
        #expect(try JSONValue.parse(writer.bytes) == value)
    }

    @Test func `text that is not UTF-8 is written as valid JSON`() throws {
        var bytes: [UInt8] = []
        ([0x41, 0x0A, 0xFF, 0x0A, 0x42] as [UInt8]).withUnsafeBytes { JSONOutput.append(string: $0, to: &bytes) }
        #expect(try JSONValue.parse(bytes) == .string("A\n\u{FFFD}\nB"))
    }
}
