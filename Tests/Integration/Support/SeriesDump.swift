import Foundation

/// What a server holds: series -> time in milliseconds -> value bits. The common form in which they are compared.
struct SeriesDump {
    var series: [String: [Int64: UInt64]] = [:]

    var samples: Int { series.values.reduce(0) { $0 + $1.count } }

    mutating func add(_ labels: [String: String], _ time: Int64, _ value: Double) {
        series[SeriesDump.key(labels), default: [:]][time] = value.bitPattern
    }

    static func key(_ labels: [String: String]) -> String {
        labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: "\u{1}")
    }

    /// What of `self` is not in `other`: at most `limit` lines for a failure's message, and the count.
    ///
    /// - Parameter relative: how far values may differ, 0 = the same bits.
    func missing(from other: SeriesDump, relative: Double = 0, limit: Int = 10) -> (count: Int, examples: [String]) {
        var count = 0
        var examples: [String] = []
        for (key, samples) in series {
            let theirs = other.series[key] ?? [:]
            for (time, bits) in samples {
                if let held = theirs[time], SeriesDump.same(held, bits, relative) { continue }
                count += 1
                if examples.count < limit {
                    let held = theirs[time].map { "\(Double(bitPattern: $0))" } ?? "nothing"
                    let labels = key.replacingOccurrences(of: "\u{1}", with: ",")
                    examples.append("\(labels) @\(time): \(Double(bitPattern: bits)), held: \(held)")
                }
            }
        }
        return (count, examples)
    }

    private static func same(_ a: UInt64, _ b: UInt64, _ relative: Double) -> Bool {
        if a == b { return true }
        let (x, y) = (Double(bitPattern: a), Double(bitPattern: b))
        if x.isNaN && y.isNaN { return true }
        // VictoriaMetrics keeps one magnitude a series: small values beside large ones lose digits.
        return relative > 0 && abs(x - y) <= relative * max(abs(x), abs(y), 1)
    }
}
