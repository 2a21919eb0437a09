import Metrics

/// One line of line protocol as a strict server reads it.
/// <https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/>
public struct InfluxLine: Sendable, Equatable {
    public enum Field: String, Sendable {
        case float, integer, unsigned, boolean, string
    }
    public struct Refusal: Error { public var words: String }

    public var measurement = ""
    public var tags: [String: String] = [:]
    public var fields: [String: Field] = [:]
    public var time: Int64 = 0

    /// What makes it one point: another line of the same overwrites its fields.
    public var identity: String { "\(measurement) \(tags.sorted { $0.key < $1.key }) \(time)" }

    public init(_ text: ArraySlice<UInt8>) throws(Refusal) {
        var rest = text
        (measurement, _) = InfluxLine.word(&rest, until: [UInt8(ascii: ","), UInt8(ascii: " ")])
        guard !measurement.isEmpty else { throw Refusal(words: "missing measurement") }
        while rest.first == UInt8(ascii: ",") {
            rest.removeFirst()
            let (key, _) = InfluxLine.word(&rest, until: [UInt8(ascii: "="), UInt8(ascii: ","), UInt8(ascii: " ")])
            guard rest.popFirst() == UInt8(ascii: "=") else { throw Refusal(words: "missing tag value") }
            let (value, _) = InfluxLine.word(&rest, until: [UInt8(ascii: ","), UInt8(ascii: " ")])
            guard !key.isEmpty, !value.isEmpty else { throw Refusal(words: "missing tag value") }
            guard tags.updateValue(value, forKey: key) == nil else { throw Refusal(words: "duplicate tags") }
        }
        guard rest.popFirst() == UInt8(ascii: " ") else { throw Refusal(words: "missing fields") }
        repeat {
            let (key, _) = InfluxLine.word(&rest, until: [UInt8(ascii: "=")])
            guard !key.isEmpty, rest.popFirst() == UInt8(ascii: "=") else {
                throw Refusal(words: "invalid field format")
            }
            fields[key] = try InfluxLine.field(&rest)
        } while InfluxLine.skip(UInt8(ascii: ","), &rest)
        guard rest.popFirst() == UInt8(ascii: " "), let time = Int64(String(decoding: rest, as: UTF8.self)) else {
            throw Refusal(words: "bad timestamp")
        }
        guard (-9_223_372_036_854_775_806...9_223_372_036_854_775_806).contains(time) else {
            throw Refusal(words: "time outside range -9223372036854775806 - 9223372036854775806")
        }
        self.time = time
    }

    private static func skip(_ byte: UInt8, _ rest: inout ArraySlice<UInt8>) -> Bool {
        guard rest.first == byte else { return false }
        rest.removeFirst()
        return true
    }

    /// Up to one of `ends` that has no backslash before it.
    private static func word(_ rest: inout ArraySlice<UInt8>, until ends: Set<UInt8>) -> (String, Bool) {
        var bytes: [UInt8] = []
        var isEscaped = false
        while let byte = rest.first, isEscaped || !ends.contains(byte) {
            rest.removeFirst()
            if !isEscaped, byte == UInt8(ascii: "\\") {
                isEscaped = true
                continue
            }
            if isEscaped, ![UInt8(ascii: ","), UInt8(ascii: " "), UInt8(ascii: "=")].contains(byte) {
                bytes.append(UInt8(ascii: "\\"))
            }
            bytes.append(byte)
            isEscaped = false
        }
        return (String(decoding: bytes, as: UTF8.self), isEscaped)
    }

    private static func field(_ rest: inout ArraySlice<UInt8>) throws(Refusal) -> Field {
        if skip(UInt8(ascii: "\""), &rest) {
            var isEscaped = false
            while let byte = rest.popFirst() {
                if byte == UInt8(ascii: "\""), !isEscaped { return .string }
                isEscaped = byte == UInt8(ascii: "\\") && !isEscaped
            }
            throw Refusal(words: "unbalanced quotes")
        }
        let text = String(decoding: rest.prefix { $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: " ") }, as: UTF8.self)
        rest = rest.dropFirst(text.utf8.count)
        if ["t", "T", "true", "True", "TRUE", "f", "F", "false", "False", "FALSE"].contains(text) { return .boolean }
        if text.hasSuffix("i"), Int64(text.dropLast()) != nil { return .integer }
        if text.hasSuffix("u"), UInt64(text.dropLast()) != nil { return .unsigned }
        let isDecimal = text.utf8.allSatisfy { "0123456789.eE+-".utf8.contains($0) }
        guard isDecimal, text.first != "+", let number = Double(text), number.isFinite else {
            throw Refusal(words: "invalid number")
        }
        return .float
    }
}
