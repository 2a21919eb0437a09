import Metrics

/// What a scrape gets.
public struct ExpositionPage: Sendable {
    /// <https://prometheus.io/docs/instrumenting/exposition_formats/>, and
    /// <https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md>.
    public enum Form: Sendable, CaseIterable {
        case text
        case openMetrics

        public var contentType: String {
            switch self {
            case .text: "text/plain; version=0.0.4; charset=utf-8"
            case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
            }
        }
    }

    public private(set) var bytes: [UInt8] = []

    /// Families whole, in no order. No type is said, as for a Pushgateway: what came without one, or in two ways, is one family.
    ///
    /// - Parameters:
    ///   - now: wall clock, nanoseconds: what has expired is not shown.
    ///   - hasTimes: whether each line has its point's time, in whole milliseconds.
    init(
        _ content: ExpositionShelf.Content, _ form: Form, _ rules: ExpositionRules, now: Int64, hasTimes: Bool
    ) {
        var families: [ArraySlice<UInt8>: [UInt8]] = [:]
        // Of histograms and summaries: a series that came by itself too is on the page once.
        var parts: Set<[UInt8]> = []
        func show(_ value: ExpositionShelf.Value) {
            for line in value.lines {
                if value.lines.count > 1 ? !parts.insert(line.series).inserted : parts.contains(line.series) {
                    continue
                }
                Self.append(line, hasTimes ? value.time : nil, form, to: &families[line.name, default: []])
            }
        }
        let shown = content.values.values.filter { !rules.isExpired($0.time, now) }
        for value in shown where value.lines.count > 1 { show(value) }
        for value in shown where value.lines.count == 1 { show(value) }
        for lines in families.values { bytes.append(contentsOf: lines) }
        if form == .openMetrics { bytes.append(contentsOf: "# EOF\n".utf8) }
    }

    static func append(_ line: ExposedPoint.Line, _ time: Int64?, _ form: Form, to body: inout [UInt8]) {
        body.append(contentsOf: line.series)
        body.append(UInt8(ascii: " "))
        ExpositionEncoder.append(value: line.bits, to: &body)
        if let time {
            body.append(UInt8(ascii: " "))
            let (whole, rest) = time.quotientAndRemainder(dividingBy: 1_000_000)
            let milliseconds = rest < 0 ? whole - 1 : whole
            switch form {
            case .text: NumberPrinter.append(milliseconds, to: &body)
            case .openMetrics: append(seconds: milliseconds, to: &body)
            }
        }
        body.append(UInt8(ascii: "\n"))
    }

    /// `1790000000.250`.
    private static func append(seconds milliseconds: Int64, to body: inout [UInt8]) {
        let (seconds, rest) = milliseconds.magnitude.quotientAndRemainder(dividingBy: 1000)
        if milliseconds < 0 { body.append(UInt8(ascii: "-")) }
        body.append(contentsOf: "\(seconds).\(String(rest + 1000).dropFirst())".utf8)
    }
}
