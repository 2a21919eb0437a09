import Testing
import WALStore

@testable import Daemon

/// What a backend says of anchors that went to it, `audit verify --anchor FILE` reads.
@Suite struct AnchorAnswerTests {
    private static let head = String(repeating: "0123456789abcdef", count: 4)
    private static let other = String(repeating: "ffffffff00000000", count: 4)

    private func anchors(_ text: String) throws -> [String] {
        try AnchorFile.anchors(in: text).map { "\($0.tenant ?? "-") \($0.length) \($0.head)" }
    }

    /// - Parameter anchors: the time, the length, and the head of each.
    private static func series(
        _ anchors: [(time: String, length: Int, head: String)], labels: String = "", key: String = "values"
    ) -> [String] {
        func one(_ name: String, _ more: String, _ value: (Int, String) -> String) -> String {
            let samples = anchors.map { "[\($0.time),\"\(value($0.length, $0.head))\"]" }.joined(separator: ",")
            return "{\"metric\":{\"__name__\":\"\(name)\",\"tenant\":\"acme\",\"life\":\"00ab12cd\"\(labels)\(more)},"
                + "\"\(key)\":\(key == "values" ? "[\(samples)]" : samples)}"
        }
        return [one(AnchorPoints.length, "", { length, _ in String(length) })]
            + (0..<AnchorPoints.words).map { index in
                one(AnchorPoints.word, ",\"word\":\"\(index)\"") { String(AnchorPoints.split($1)[index]) }
            }
    }

    private static func answer(_ series: [String]) -> String {
        "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[\(series.joined(separator: ","))]}}"
    }

    @Test func `a range of points, each anchor once however often a step shows it`() throws {
        let text = Self.answer(
            Self.series([
                ("1800000000", 12, Self.head), ("1800000060.5", 12, Self.head), ("1800003600", 13, Self.other),
            ]))
        #expect(try anchors(text) == ["acme 12 \(Self.head)", "acme 13 \(Self.other)"])
    }

    @Test func `the newest of each series`() throws {
        let text = Self.answer(Self.series([("1800000000.123", 12, Self.head)], key: "value"))
        #expect(try anchors(text) == ["acme 12 \(Self.head)"])
    }

    @Test func `nodes with other labels are not mixed`() throws {
        let text = Self.answer(
            Self.series([("1800000000", 12, Self.head)], labels: ",\"site\":\"a\"")
                + Self.series([("1800000000", 12, Self.other)], labels: ",\"site\":\"b\""))
        #expect(try anchors(text) == ["acme 12 \(Self.head)", "acme 12 \(Self.other)"])
    }

    @Test func `series of a page that was scraped, as a question about series or points has them`() throws {
        let labels =
            "{\"__name__\":\"holdfast_chain_head_info\",\"head\":\"\(Self.head)\",\"length\":\"12\",\"tenant\":\"acme\"}"
        let up = "{\"__name__\":\"up\",\"job\":\"holdfast\"}"
        #expect(
            try anchors("{\"status\":\"success\",\"data\":[\(up),\(labels)]}") == ["acme 12 \(Self.head)"])
        #expect(
            try anchors(Self.answer(["{\"metric\":\(labels),\"values\":[[1800000000,\"1\"]]}"]))
                == ["acme 12 \(Self.head)"])
    }

    @Test func `a value as an exponent is the same number`() throws {
        let text = Self.answer(Self.series([("1800000000", 12, Self.other)]))
            .replacing("\"4294967295\"", with: "\"4.294967295e+09\"")
        #expect(try anchors(text) == ["acme 12 \(Self.other)"])
    }

    @Test(arguments: [
        // Eight of nine series.
        answer(Array(series([("1800000000", 12, head)]).dropLast())),
        answer(Array(series([("1800000000", 12, head)]).dropFirst())),
        // A number that is no word.
        answer(series([("1800000000", 12, other)])).replacing("\"4294967295\"", with: "\"4294967296\""),
        answer(series([("1800000000", 12, other)])).replacing("\"4294967295\"", with: "\"0.5\""),
        answer(series([("1800000000", 12, other)])).replacing("\"4294967295\"", with: "\"NaN\""),
        answer(series([("1800000000", 12, other)])).replacing("\"4294967295\"", with: "4294967295"),
        answer(series([("1800000000", 0, head)])),
        answer([]), "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"\(head)\"}",
        "{\"status\":\"success\",\"data\":[]}", "{\"status\":\"success\"}",
    ])
    func `what is half an anchor is a mistake, and so is an answer without any`(_ text: String) {
        #expect(throws: AnchorFile.Mistake.self) { try AnchorFile.anchors(in: text) }
    }
}
