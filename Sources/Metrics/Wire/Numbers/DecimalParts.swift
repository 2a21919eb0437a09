/// A decimal spelling taken apart: `mantissa * 10^exponent`.
struct DecimalParts {
    var mantissa: UInt64 = 0
    /// Clamped: far beyond what a float64 reaches, it only says "too far".
    var exponent = 0
    var isNegative = false
    /// More than 19 significant digits: `mantissa` holds the first ones only.
    var isTruncated = false

    @inline(__always)
    init(_ bytes: UnsafeRawBufferPointer) throws(NumberFault) {
        let count = bytes.count
        if count == 0 || count > NumberParser.longestToken { throw .syntax }
        var at = 0
        if bytes[0] == UInt8(ascii: "-") {
            isNegative = true
            at = 1
        } else if bytes[0] == UInt8(ascii: "+") {
            at = 1
        }
        var digits = 0
        var significant = 0
        while at < count {
            let digit = bytes[at] &- UInt8(ascii: "0")
            if digit > 9 { break }
            at += 1
            digits += 1
            if !take(digit, &significant) { exponent += 1 }
        }
        if at < count, bytes[at] == UInt8(ascii: ".") {
            at += 1
            while at < count {
                let digit = bytes[at] &- UInt8(ascii: "0")
                if digit > 9 { break }
                at += 1
                digits += 1
                if take(digit, &significant) { exponent -= 1 }
            }
        }
        if digits == 0 { throw .syntax }
        if at < count { try readExponent(bytes, at) }
    }

    /// Whether the digit became part of the mantissa.
    @inline(__always)
    private mutating func take(_ digit: UInt8, _ significant: inout Int) -> Bool {
        if significant < 19 {
            mantissa = mantissa &* 10 &+ UInt64(digit)
            if mantissa != 0 { significant += 1 }
            return true
        }
        isTruncated = isTruncated || digit != 0
        return false
    }

    private mutating func readExponent(_ bytes: UnsafeRawBufferPointer, _ start: Int) throws(NumberFault) {
        var at = start
        guard bytes[at] | 0x20 == UInt8(ascii: "e") else { throw .syntax }
        at += 1
        var isNegative = false
        if at < bytes.count, bytes[at] == UInt8(ascii: "-") || bytes[at] == UInt8(ascii: "+") {
            isNegative = bytes[at] == UInt8(ascii: "-")
            at += 1
        }
        if at == bytes.count { throw .syntax }
        var value = 0
        while at < bytes.count {
            let digit = bytes[at] &- UInt8(ascii: "0")
            if digit > 9 { throw .syntax }
            value = min(value * 10 + Int(digit), 1_000_000)
            at += 1
        }
        exponent += isNegative ? -value : value
    }
}

enum PowersOfTen {
    /// 10^0 ... 10^22: the ones a float64 holds exactly.
    private static let exactPowers: InlineArray<23, Double> = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
        1e20, 1e21, 1e22,
    ]

    @inline(__always) static func exact(_ exponent: Int) -> Double { exactPowers[exponent] }
}
