/// Float64 values in JSON, bit for bit. JSON has no spelling for what is not finite, so those are strings:
/// `"NaN"` (Prometheus' ordinary one), `"+Inf"`, `"-Inf"`, `"stale"` (its stale marker), and every other NaN by its bits,
/// as `"NaN:7ff8000000000003"`.
public enum JSONFloat {
    public static func append(_ bits: UInt64, to bytes: inout [UInt8]) {
        if FloatBits.isFinite(bits) { return NumberPrinter.append(float64: bits, to: &bytes) }
        switch bits {
        case FloatBits.staleMarker: JSONOutput.append("\"stale\"", to: &bytes)
        case FloatBits.normalNaN: JSONOutput.append("\"NaN\"", to: &bytes)
        case FloatBits.positiveInfinity: JSONOutput.append("\"+Inf\"", to: &bytes)
        case FloatBits.negativeInfinity: JSONOutput.append("\"-Inf\"", to: &bytes)
        default:
            JSONOutput.append("\"NaN:", to: &bytes)
            for shift in stride(from: 60, through: 0, by: -4) {
                let digit = UInt8(truncatingIfNeeded: bits >> UInt64(shift)) & 15
                bytes.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
            }
            bytes.append(UInt8(ascii: "\""))
        }
    }

    /// The bits of a special's spelling, or nil. Also reads `"Inf"`, `"Infinity"` and `"-Infinity"`, which others write.
    public static func special(_ text: UnsafeRawBufferPointer) -> UInt64? {
        func matches(_ word: StaticString) -> Bool {
            text.elementsEqual(UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount))
        }
        if matches("NaN") { return FloatBits.normalNaN }
        if matches("+Inf") || matches("Inf") || matches("Infinity") || matches("+Infinity") {
            return FloatBits.positiveInfinity
        }
        if matches("-Inf") || matches("-Infinity") { return FloatBits.negativeInfinity }
        if matches("stale") { return FloatBits.staleMarker }
        guard text.count == 20, UnsafeRawBufferPointer(rebasing: text[..<4]).elementsEqual("NaN:".utf8) else {
            return nil
        }
        var bits: UInt64 = 0
        for byte in text[4...] {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): bits = bits << 4 | UInt64(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): bits = bits << 4 | UInt64(byte - UInt8(ascii: "a") + 10)
            default: return nil
            }
        }
        return FloatBits.isNaN(bits) ? bits : nil
    }
}
