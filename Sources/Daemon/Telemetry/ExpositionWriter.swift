/// Writes the Prometheus text exposition format 0.0.4:
/// <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>.
struct ExpositionWriter {
    enum Kind: String { case counter, gauge, histogram }

    static let contentType = "text/plain; version=0.0.4; charset=utf-8"
    private(set) var bytes: [UInt8] = []

    mutating func family(_ name: String, _ kind: Kind, _ help: String) {
        append("# HELP ")
        append(name)
        append(" ")
        append(escaped: help, quotes: false)
        append("\n# TYPE ")
        append(name)
        append(" \(kind.rawValue)\n")
    }

    mutating func sample(_ name: String, _ labels: [(String, String)] = [], _ value: Double) {
        append(name)
        append(labels: labels)
        append(" ")
        append(Self.text(value))
        append("\n")
    }

    mutating func counters(_ name: String, _ help: String, _ family: CounterFamily) {
        self.family(name, .counter, help)
        for member in family.all {
            sample(name, labels(family.labelNames, member.values), Double(member.instrument.total))
        }
    }

    mutating func histograms(_ name: String, _ help: String, _ family: HistogramFamily) {
        self.family(name, .histogram, help)
        for member in family.all {
            let labels = labels(family.labelNames, member.values)
            let snapshot = member.instrument.snapshot
            var running: UInt64 = 0
            for (bound, count) in zip(DurationHistogram.boundsSeconds, snapshot.counts) {
                running += count
                sample("\(name)_bucket", labels + [("le", Self.text(bound))], Double(running))
            }
            sample("\(name)_bucket", labels + [("le", "+Inf")], Double(snapshot.count))
            sample("\(name)_sum", labels, snapshot.sumSeconds)
            sample("\(name)_count", labels, Double(snapshot.count))
        }
    }

    private func labels(_ names: [String], _ values: [String]) -> [(String, String)] {
        zip(names, values).map { ($0, $1) }
    }

    private mutating func append(labels: [(String, String)]) {
        var separator = "{"
        for (name, value) in labels where !value.isEmpty {
            append(separator)
            append(name)
            append("=\"")
            append(escaped: value, quotes: true)
            append("\"")
            separator = ","
        }
        if separator == "," { append("}") }
    }

    private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

    private mutating func append(escaped text: String, quotes: Bool) {
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\\"): append("\\\\")
            case UInt8(ascii: "\n"): append("\\n")
            case UInt8(ascii: "\"") where quotes: append("\\\"")
            default: bytes.append(byte)
            }
        }
    }

    /// Whole numbers without a fraction; specials as the format writes them.
    static func text(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if value == value.rounded(), abs(value) < 1e15 { return String(Int64(value)) }
        return "\(value)"
    }
}
