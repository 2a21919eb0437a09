/// Why a piece of text is not a number.
public enum NumberFault: Error, Sendable, Equatable {
    /// Not spelled as a number.
    case syntax
    /// Spelled as one that the type cannot hold: `1e400` is no infinity.
    case range
}

/// Numbers from bytes, the same in every locale. Each function takes the whole token, without blanks around it.
public enum NumberParser {
    /// Longer spellings are refused: the longest that decides a float64 has 767 digits.
    static let longestToken = 4096

    /// Decimal digits with an optional sign (`-` only).
    public static func int64(_ bytes: UnsafeRawBufferPointer) throws(NumberFault) -> Int64 {
        guard let first = bytes.first else { throw .syntax }
        let isNegative = first == UInt8(ascii: "-")
        let magnitude = try uint64(isNegative ? UnsafeRawBufferPointer(rebasing: bytes[1...]) : bytes)
        if isNegative {
            if magnitude > UInt64(Int64.max) + 1 { throw .range }
            return Int64(truncatingIfNeeded: 0 &- magnitude)
        }
        if magnitude > UInt64(Int64.max) { throw .range }
        return Int64(magnitude)
    }

    /// Decimal digits, nothing else.
    public static func uint64(_ bytes: UnsafeRawBufferPointer) throws(NumberFault) -> UInt64 {
        if bytes.isEmpty || bytes.count > longestToken { throw .syntax }
        var value: UInt64 = 0
        for byte in bytes {
            let digit = byte &- UInt8(ascii: "0")
            if digit > 9 { throw .syntax }
            let (product, over) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(UInt64(digit))
            if over || carry { throw .range }
            value = sum
        }
        return value
    }

    /// A decimal float: `[+-] digits [. digits] [e [+-] digits]`, with a digit on at least one side of the point.
    ///
    /// The result is the nearest float64, ties to even; what underflows is zero, what overflows is a fault.
    /// - Returns: IEEE 754 bits.
    @inline(__always)
    public static func float64(_ bytes: UnsafeRawBufferPointer) throws(NumberFault) -> UInt64 {
        let parts = try DecimalParts(bytes)
        // Both operands are exact and one operation rounds once: Clinger, "How to read floating point numbers
        // accurately", PLDI 1990.
        if !parts.isTruncated, parts.mantissa <= 1 << 53, parts.exponent >= -22, parts.exponent <= 22 {
            var value = Double(parts.mantissa)
            if parts.exponent < 0 {
                value /= PowersOfTen.exact(-parts.exponent)
            } else if parts.exponent > 0 {
                value *= PowersOfTen.exact(parts.exponent)
            }
            return parts.isNegative ? (-value).bitPattern : value.bitPattern
        }
        return try SlowFloat.parse(bytes)
    }

    /// As Go's `strconv.ParseFloat` reads a value of the text exposition format: decimal, hexadecimal (`0x1.8p3`),
    /// `NaN`, `Inf`, `+Inf`, `-Inf`, `Infinity`, in any case. Underscores are refused.
    /// <https://pkg.go.dev/strconv#ParseFloat>
    /// - Returns: IEEE 754 bits; NaN is Prometheus' ordinary one.
    @inline(__always)
    public static func goFloat64(_ bytes: UnsafeRawBufferPointer) throws(NumberFault) -> UInt64 {
        guard let last = bytes.last else { throw .syntax }
        // Every special ends in a letter, and so may a hexadecimal exponent not.
        if last &- UInt8(ascii: "0") <= 9 || last == UInt8(ascii: ".") {
            if bytes.count > 2, bytes[1] | 0x20 == UInt8(ascii: "x") || bytes[2] | 0x20 == UInt8(ascii: "x") {
                return try hexadecimal(bytes)
            }
            return try float64(bytes)
        }
        return try special(bytes)
    }

    private static func special(_ bytes: UnsafeRawBufferPointer) throws(NumberFault) -> UInt64 {
        if matches(bytes, "nan") { return FloatBits.normalNaN }
        let isNegative = bytes[0] == UInt8(ascii: "-")
        let isSigned = isNegative || bytes[0] == UInt8(ascii: "+")
        let word = isSigned ? UnsafeRawBufferPointer(rebasing: bytes[1...]) : bytes
        guard matches(word, "inf") || matches(word, "infinity") else { throw .syntax }
        return isNegative ? FloatBits.negativeInfinity : FloatBits.positiveInfinity
    }

    private static func hexadecimal(_ bytes: UnsafeRawBufferPointer) throws(NumberFault) -> UInt64 {
        var at = 0
        if bytes[0] == UInt8(ascii: "-") || bytes[0] == UInt8(ascii: "+") { at = 1 }
        guard bytes.count > at + 2, bytes[at] == UInt8(ascii: "0"), bytes[at + 1] | 0x20 == UInt8(ascii: "x") else {
            throw .syntax
        }
        at += 2
        var digits = 0
        var points = 0
        while at < bytes.count, bytes[at] | 0x20 != UInt8(ascii: "p") {
            if bytes[at] == UInt8(ascii: ".") {
                points += 1
            } else if isHexDigit(bytes[at]) {
                digits += 1
            } else {
                throw .syntax
            }
            at += 1
        }
        // Go demands the exponent, and C does not.
        guard digits > 0, points <= 1, at < bytes.count else { throw .syntax }
        at += 1
        if at < bytes.count, bytes[at] == UInt8(ascii: "-") || bytes[at] == UInt8(ascii: "+") { at += 1 }
        guard at < bytes.count else { throw .syntax }
        while at < bytes.count {
            if bytes[at] &- UInt8(ascii: "0") > 9 { throw .syntax }
            at += 1
        }
        return try SlowFloat.parse(bytes)
    }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        byte &- UInt8(ascii: "0") <= 9 || (byte | 0x20) &- UInt8(ascii: "a") <= 5
    }

    /// Whether `bytes` spell `word`, given in lower case, in any case.
    static func matches(_ bytes: UnsafeRawBufferPointer, _ word: StaticString) -> Bool {
        guard bytes.count == word.utf8CodeUnitCount else { return false }
        for index in 0..<bytes.count where bytes[index] | 0x20 != word.utf8Start[index] { return false }
        return true
    }
}
