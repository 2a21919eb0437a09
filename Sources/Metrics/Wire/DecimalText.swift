/// Numbers as text.
package enum DecimalText {
    /// The shortest digits that read back as `value`, without an exponent, as Prometheus' converters write the bound of a
    /// bucket (Go's `FormatFloat(bound, 'f', -1, 64)`).
    /// <https://github.com/prometheus/prometheus/blob/main/storage/remote/otlptranslator/prometheusremotewrite/helper.go>
    package static func positional(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        // Swift's shortest form: digits, perhaps a point, perhaps an exponent.
        let parts = value.magnitude.description.split(separator: "e")
        let exponent = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
        let mantissa = parts[0].split(separator: ".", omittingEmptySubsequences: false)
        var whole = Array(mantissa[0].utf8)
        var fraction = mantissa.count > 1 ? Array(mantissa[1].utf8) : []
        let zero = UInt8(ascii: "0")
        if exponent > 0 {
            fraction.append(contentsOf: repeatElement(zero, count: max(0, exponent - fraction.count)))
            whole.append(contentsOf: fraction.prefix(exponent))
            fraction.removeFirst(exponent)
        } else if exponent < 0 {
            whole.insert(contentsOf: repeatElement(zero, count: max(0, -exponent - whole.count + 1)), at: 0)
            fraction.insert(contentsOf: whole.suffix(-exponent), at: 0)
            whole.removeLast(-exponent)
        }
        while whole.count > 1, whole.first == zero { whole.removeFirst() }
        while fraction.last == zero { fraction.removeLast() }
        let sign = value.sign == .minus ? "-" : ""
        let tail = fraction.isEmpty ? "" : "." + String(decoding: fraction, as: UTF8.self)
        return sign + String(decoding: whole, as: UTF8.self) + tail
    }
}
