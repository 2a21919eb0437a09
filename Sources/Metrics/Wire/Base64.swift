/// Base64 with padding. <https://www.rfc-editor.org/rfc/rfc4648#section-4>
public enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    public static func append(_ data: some Sequence<UInt8>, to bytes: inout [UInt8]) {
        var held: UInt32 = 0
        var count = 0
        for byte in data {
            held = held << 8 | UInt32(byte)
            count += 1
            if count == 3 {
                for shift in stride(from: 18, through: 0, by: -6) { append(held >> UInt32(shift), to: &bytes) }
                held = 0
                count = 0
            }
        }
        if count == 0 { return }
        held <<= UInt32(8 * (3 - count))
        append(held >> 18, to: &bytes)
        append(held >> 12, to: &bytes)
        if count == 2 { append(held >> 6, to: &bytes) }
        for _ in count..<3 { bytes.append(UInt8(ascii: "=")) }
    }

    private static func append(_ sextet: UInt32, to bytes: inout [UInt8]) { bytes.append(alphabet[Int(sextet & 63)]) }

    /// The bytes, or nil when the text is not canonical base64: padding is demanded, and unused bits are zero.
    public static func decode(_ text: UnsafeRawBufferPointer) -> [UInt8]? {
        guard text.count % 4 == 0 else { return nil }
        var padding = 0
        while padding < 2, padding < text.count, text[text.count - 1 - padding] == UInt8(ascii: "=") { padding += 1 }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count / 4 * 3)
        var held: UInt32 = 0
        var bits = 0
        for byte in text[..<(text.count - padding)] {
            guard let value = sextet(byte) else { return nil }
            held = held << 6 | value
            bits += 6
            if bits >= 8 {
                bits -= 8
                bytes.append(UInt8(truncatingIfNeeded: held >> UInt32(bits)))
                held &= (1 << UInt32(bits)) - 1
            }
        }
        return held == 0 ? bytes : nil
    }

    private static func sextet(_ byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(byte - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(byte - UInt8(ascii: "a") + 26)
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0") + 52)
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
