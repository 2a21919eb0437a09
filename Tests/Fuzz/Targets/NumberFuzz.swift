import Metrics

@testable import Metrics

#if canImport(Glibc)
    import Glibc
#endif

extension FuzzTarget {
    /// A token as an integer, a float, a date and base64: C's and Swift's own readers are the judges.
    static let numbers = FuzzTarget("numbers", maximumBytes: 256, seeds: { seeds }) { token in
        let text = String(decoding: token, as: UTF8.self)
        let isText = text.utf8.elementsEqual(token) && !text.utf8.contains(0)
        if let value = try? NumberParser.int64(token) { try require(Int64(text) == value, "int64 of \(text)") }
        if let value = try? NumberParser.uint64(token) { try require(UInt64(text) == value, "uint64 of \(text)") }
        if let bits = try? NumberParser.float64(token) {
            try require(isText && strtod(text, nil).bitPattern == bits, "float64 of \(text)")
            try printsBack(bits)
        }
        if let bits = try? NumberParser.goFloat64(token), !FloatBits.isNaN(bits) {
            try require(isText && strtod(text, nil).bitPattern == bits, "Go's float64 of \(text)")
        }
        if let time = RFC3339.parse(token) {
            try require(RFC3339.parse(RFC3339.format(time)) == time, "\(text) is the same time again")
        }
        if let bytes = Base64.decode(token) {
            var again: [UInt8] = []
            Base64.append(bytes, to: &again)
            try require(again.elementsEqual(token), "base64 has one spelling")
        }
    }

    private static func printsBack(_ bits: UInt64) throws {
        var printed: [UInt8] = []
        JSONFloat.append(bits, to: &printed)
        let again = try printed.withUnsafeBytes { try NumberParser.float64($0) }
        try require(again == bits, "\(String(decoding: printed, as: UTF8.self)) reads back")
    }

    private static let seeds: [[UInt8]] = [
        "0", "-9223372036854775808", "18446744073709551615", "1.7976931348623157e308", "-4.9e-324", "+Inf", "0x1.8p-3",
        "2.2250738585072011e-308", "2026-11-28T01:02:03.123456789+01:00", "1970-01-01T00:00:00Z", "SGFsbG8=", "nan",
        "9007199254740993", "123456789012345678901234567890e-10",
    ].map { Array($0.utf8) }
}
