import Metrics

/// Names and tags as Datadog keeps them. It makes others so by itself, after the points were told apart: two series that become one there
/// overwrite each other, so it is done before.
/// <https://docs.datadoghq.com/metrics/custom_metrics/#naming-custom-metrics>,
/// <https://docs.datadoghq.com/getting_started/tagging/#define-tags>
enum DatadogNames {
    /// Of a metric's name in bytes, of a tag in characters.
    static let limit = 200

    /// Appends a metric's name: a letter, then ASCII letters, digits, `_` and `.`.
    static func append(name: some Sequence<UInt8>, to bytes: inout [UInt8]) {
        let start = bytes.count
        for byte in name {
            if bytes.count == start, !isLetter(byte) { bytes.append(UInt8(ascii: "x")) }
            // Of a character of several bytes only the first is seen.
            if byte & 0xC0 == 0x80 { continue }
            let isKept = isLetter(byte) || isDigit(byte) || byte == UInt8(ascii: "_") || byte == UInt8(ascii: ".")
            bytes.append(isKept ? byte : UInt8(ascii: "_"))
        }
    }

    /// Appends a tag: a letter, then letters and digits of any script, `_`, `-`, `:`, `.` and `/`, in lower case. Its key has no `:`, it does
    /// not end with one, and it is cut at 200 characters.
    static func append(key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, to bytes: inout [UInt8]) {
        let start = bytes.count
        append(part: key, keepsColon: false, to: &bytes)
        if bytes.count == start || bytes[start] < 0x80 && !isLetter(bytes[start]) {
            bytes.insert(UInt8(ascii: "x"), at: start)
        }
        bytes.append(UInt8(ascii: ":"))
        append(part: value, keepsColon: true, to: &bytes)
        cut(from: start, &bytes)
        if bytes.last == UInt8(ascii: ":") { bytes[bytes.count - 1] = UInt8(ascii: "_") }
    }

    private static func append(part: UnsafeRawBufferPointer, keepsColon: Bool, to bytes: inout [UInt8]) {
        guard part.allSatisfy({ $0 < 0x80 }) else {
            for scalar in String(decoding: part, as: UTF8.self).unicodeScalars {
                if scalar.isASCII {
                    append(ascii: UInt8(scalar.value), keepsColon: keepsColon, to: &bytes)
                } else if scalar.properties.isAlphabetic || scalar.properties.numericType != nil {
                    bytes.append(contentsOf: scalar.properties.lowercaseMapping.utf8)
                } else {
                    bytes.append(UInt8(ascii: "_"))
                }
            }
            return
        }
        for byte in part { append(ascii: byte, keepsColon: keepsColon, to: &bytes) }
    }

    private static func append(ascii byte: UInt8, keepsColon: Bool, to bytes: inout [UInt8]) {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): bytes.append(byte | 0x20)
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"),
            UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "/"):
            bytes.append(byte)
        case UInt8(ascii: ":") where keepsColon: bytes.append(byte)
        default: bytes.append(UInt8(ascii: "_"))
        }
    }

    private static func cut(from start: Int, _ bytes: inout [UInt8]) {
        guard bytes.count - start > limit else { return }
        var characters = 0
        for at in start..<bytes.count where bytes[at] & 0xC0 != 0x80 {
            characters += 1
            if characters > limit { return bytes.removeSubrange(at...) }
        }
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }
    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}
