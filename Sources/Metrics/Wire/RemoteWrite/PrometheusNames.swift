/// The names that remote write 1.0 demands: `[a-zA-Z_:][a-zA-Z0-9_:]*` for metrics, the same without colons for labels.
/// <https://prometheus.io/docs/specs/prw/remote_write_spec/#labels>
enum PrometheusNames {
    private static let letter: UInt8 = 1
    private static let digit: UInt8 = 2
    private static let colon: UInt8 = 4

    /// What each byte may be.
    private static let classes: [UInt8] = (0...255).map { (byte: Int) -> UInt8 in
        switch UInt8(byte) {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"): letter
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit
        case UInt8(ascii: ":"): colon
        default: 0
        }
    }

    /// Whether canonical label bytes can go out as they are.
    static func areValid(labels: UnsafeRawBufferPointer) -> Bool {
        classes.withUnsafeBufferPointer { classes in
            var rest = LabelIterator(labels)
            while let label = rest.next() {
                if !isValid(label.name, isMetric: false, classes) { return false }
                if isMetricName(label.name), !isValid(label.value, isMetric: true, classes) { return false }
            }
            return true
        }
    }

    static func isValid(_ name: UnsafeRawBufferPointer, isMetric: Bool) -> Bool {
        classes.withUnsafeBufferPointer { isValid(name, isMetric: isMetric, $0) }
    }

    @inline(__always)
    private static func isValid(
        _ name: UnsafeRawBufferPointer, isMetric: Bool, _ classes: UnsafeBufferPointer<UInt8>
    ) -> Bool {
        let allowed = isMetric ? letter | colon | digit : letter | digit
        guard let first = name.first, classes[Int(first)] & (allowed & ~digit) != 0 else { return false }
        if name.count < 8 {
            for byte in name where classes[Int(byte)] & allowed == 0 { return false }
            return true
        }
        var at = 0
        while at + 8 <= name.count {
            if !areAllowed(name.loadUnaligned(fromByteOffset: at, as: UInt64.self), isMetric) { return false }
            at += 8
        }
        // The last eight once more, some of them seen before.
        return at == name.count
            || areAllowed(name.loadUnaligned(fromByteOffset: name.count - 8, as: UInt64.self), isMetric)
    }

    /// Whether eight bytes are letters, digits, `_`, or for a metric `:`. Sums of bytes below 128 set the top bit of those
    /// that reach a bound, and carry nothing into their neighbours.
    @inline(__always)
    private static func areAllowed(_ bytes: UInt64, _ isMetric: Bool) -> Bool {
        let each: UInt64 = 0x0101_0101_0101_0101
        let top = each << 7
        if bytes & top != 0 { return false }
        let lower = bytes | each * 0x20
        let letters = (lower + each * (0x80 - 0x61)) & ~(lower + each * (0x80 - 0x7b))
        // A colon follows the nine.
        let digits = (bytes + each * (0x80 - 0x30)) & ~(bytes + each * (isMetric ? 0x80 - 0x3b : 0x80 - 0x3a))
        let underscores = ~((bytes ^ each * 0x5f) + each * 0x7f)
        return (letters | digits | underscores) & top == top
    }

    @inline(__always)
    static func isMetricName(_ name: UnsafeRawBufferPointer) -> Bool {
        // `__name__` as one number.
        name.count == 8 && name.loadUnaligned(as: UInt64.self) == UInt64(bigEndian: 0x5f5f_6e61_6d65_5f5f)
    }

    /// Each byte outside of the alphabet becomes `_`; a digit in front gets one before it. Not one-to-one.
    static func sanitized(_ name: UnsafeRawBufferPointer, isMetric: Bool, into result: inout [UInt8]) {
        let allowed = isMetric ? letter | colon | digit : letter | digit
        if let first = name.first, classes[Int(first)] == digit { result.append(UInt8(ascii: "_")) }
        for byte in name { result.append(classes[Int(byte)] & allowed == 0 ? UInt8(ascii: "_") : byte) }
    }

    /// A spelling of any name that no other name has: Prometheus' own escaping by values, `U__` in front, `_` doubled
    /// and other characters as `_hex_`.
    /// <https://prometheus.io/docs/instrumenting/escaping_schemes/>
    static func escaped(_ name: String) -> [UInt8] {
        var result = Array("U__".utf8)
        for scalar in name.unicodeScalars {
            let byte = UInt8(exactly: scalar.value)
            if scalar == "_" {
                result.append(contentsOf: "__".utf8)
            } else if let byte, classes[Int(byte)] & (letter | digit) != 0 {
                result.append(byte)
            } else {
                result.append(contentsOf: "_\(String(scalar.value, radix: 16))_".utf8)
            }
        }
        return result
    }
}
