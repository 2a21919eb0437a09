/// Numbers to bytes, the same in every locale.
public enum NumberPrinter {
    public static func append(_ value: Int64, to bytes: inout [UInt8]) {
        if value < 0 { bytes.append(UInt8(ascii: "-")) }
        append(value.magnitude, to: &bytes)
    }

    public static func append(_ value: UInt64, to bytes: inout [UInt8]) {
        if value < 10 {
            bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value))
            return
        }
        withUnsafeTemporaryAllocation(byteCount: 20, alignment: 1) { digits in
            var at = 20
            var rest = value
            while rest != 0 {
                at -= 1
                let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
                digits[at] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: digit)
                rest = quotient
            }
            bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: digits[at...]))
        }
    }

    /// The shortest decimal that reads back to the same finite float64; whole numbers below 10^15 as plain digits.
    ///
    /// - Parameter keepsPoint: whether a whole number gets `.0`, so that it reads as a float where types are told apart.
    public static func append(float64 bits: UInt64, keepsPoint: Bool = false, to bytes: inout [UInt8]) {
        precondition(FloatBits.isFinite(bits), "what is not finite has a spelling of its own in each format")
        let value = Double(bitPattern: bits)
        if value.magnitude < 1e15, value.rounded(.towardZero) == value {
            if value.sign == .minus { bytes.append(UInt8(ascii: "-")) }
            append(UInt64(value.magnitude), to: &bytes)
            if keepsPoint {
                bytes.append(UInt8(ascii: "."))
                bytes.append(UInt8(ascii: "0"))
            }
            return
        }
        // Swift's description is the shortest that round-trips; up to 15 bytes of it need no heap.
        var text = value.description
        text.withUTF8 { bytes.append(contentsOf: $0) }
    }
}
