/// Strings as JSON spells them, appended to bytes.
public enum JSONOutput {
    private static let hex = Array("0123456789abcdef".utf8)

    /// - Parameter text: UTF-8; each ill-formed piece becomes U+FFFD, so that what is written is always JSON.
    public static func append(string text: UnsafeRawBufferPointer, to bytes: inout [UInt8]) {
        let start = bytes.count
        bytes.append(UInt8(ascii: "\""))
        var run = 0
        var isASCII = true
        for at in 0..<text.count {
            let byte = text[at]
            if byte >= 0x80 { isASCII = false }
            if byte >= 0x20, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") { continue }
            bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: text[run..<at]))
            appendEscape(byte, to: &bytes)
            run = at + 1
        }
        if isASCII || UTF8Check.isValid(text) {
            bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: text[run...]))
            bytes.append(UInt8(ascii: "\""))
        } else {
            bytes.removeSubrange(start...)
            append(string: String(decoding: text, as: UTF8.self), to: &bytes)
        }
    }

    public static func append(string text: String, to bytes: inout [UInt8]) {
        var text = text
        text.withUTF8 { append(string: UnsafeRawBufferPointer($0), to: &bytes) }
    }

    @inline(__always)
    static func append(_ literal: StaticString, to bytes: inout [UInt8]) {
        bytes.append(contentsOf: UnsafeBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount))
    }

    private static func appendEscape(_ byte: UInt8, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\\"))
        switch byte {
        case 0x0A: bytes.append(UInt8(ascii: "n"))
        case 0x0D: bytes.append(UInt8(ascii: "r"))
        case 0x09: bytes.append(UInt8(ascii: "t"))
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes.append(byte)
        default:
            append("u00", to: &bytes)
            bytes.append(hex[Int(byte >> 4)])
            bytes.append(hex[Int(byte & 15)])
        }
    }
}
