import Metrics
import WALStore

/// How an answer is written.
enum SqlForm: String, CaseIterable, Sendable {
    case table, csv, ndjson
}

/// Values as each form spells them.
///
/// | | NULL | infinite | bytes |
/// | --- | --- | --- | --- |
/// | table | `NULL` | `+Inf`, `-Inf` | `x'00ff'` |
/// | csv | nothing (an empty text is `""`) | `+Inf`, `-Inf` | `x'00ff'` |
/// | ndjson | `null` | `"+Inf"`, `"-Inf"` | `"x'00ff'"` |
///
/// SQLite has no NaN: it is NULL.
enum SqlValue {
    static func append(csv value: AuditAnswerRow.Value, to bytes: inout [UInt8]) {
        guard case .text(let text) = value else { return append(plain: value, to: &bytes) }
        let isPlain =
            !text.isEmpty
            && !text.contains { [UInt8(ascii: ","), UInt8(ascii: "\""), 10, 13].contains($0) }
        if isPlain { return bytes.append(contentsOf: text) }
        bytes.append(UInt8(ascii: "\""))
        for byte in text {
            if byte == UInt8(ascii: "\"") { bytes.append(byte) }
            bytes.append(byte)
        }
        bytes.append(UInt8(ascii: "\""))
    }

    /// - Parameter isObject: a text that is a JSON object is written as one.
    static func append(json value: AuditAnswerRow.Value, isObject: Bool, to bytes: inout [UInt8]) {
        switch value {
        case .null: bytes.append(contentsOf: "null".utf8)
        case .text(let text):
            if isObject, text.first == UInt8(ascii: "{"), (try? JSONValue.parse(Array(text))) != nil {
                bytes.append(contentsOf: text)
            } else {
                JSONOutput.append(string: text, to: &bytes)
            }
        case .float(let number): JSONFloat.append(number.bitPattern, to: &bytes)
        case .blob:
            bytes.append(UInt8(ascii: "\""))
            append(plain: value, to: &bytes)
            bytes.append(UInt8(ascii: "\""))
        case .integer: append(plain: value, to: &bytes)
        }
    }

    static func append(plain value: AuditAnswerRow.Value, to bytes: inout [UInt8]) {
        switch value {
        case .null: break
        case .integer(let number): NumberPrinter.append(number, to: &bytes)
        case .float(let number):
            if number.isFinite {
                NumberPrinter.append(float64: number.bitPattern, to: &bytes)
            } else {
                bytes.append(contentsOf: (number > 0 ? "+Inf" : "-Inf").utf8)
            }
        case .text(let text): bytes.append(contentsOf: text)
        case .blob(let blob):
            bytes.append(contentsOf: "x'".utf8)
            for byte in blob { for digit in [byte >> 4, byte & 15] { bytes.append(hex[Int(digit)]) } }
            bytes.append(UInt8(ascii: "'"))
        }
    }

    private static let hex = Array("0123456789abcdef".utf8)

    /// A cell of a table, on one line.
    static func cell(_ value: AuditAnswerRow.Value) -> String {
        if case .null = value { return "NULL" }
        var bytes: [UInt8] = []
        append(plain: value, to: &bytes)
        return Terminal.harmless(String(decoding: bytes, as: UTF8.self))
    }
}
