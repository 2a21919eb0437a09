import WALStore

/// One readable page, before it is written out in a form.
struct ReportPage {
    enum Part {
        case heading(String)
        case text(String)
        case table(ReportTable)
        case chart(ReportChart)
    }

    var title: String
    var parts: [Part] = []
}

struct ReportTable {
    var header: [(title: String, alignment: TextTable.Alignment)]
    var rows: [[String]] = []
}

/// Lines over the buckets of a span.
struct ReportChart {
    enum Unit {
        /// Points a second, out of points a bucket.
        case rate
        case points
    }

    struct Line {
        var name: String
        /// A value each bucket, no less than 0.
        var values: [Double]
    }

    var title: String
    var unit: Unit
    var span: ReportSpan
    var lines: [Line]

    /// - Parameter counts: points, a bucket each.
    init(_ title: String, _ unit: Unit, _ span: ReportSpan, _ counts: [(name: String, points: [Int64])]) {
        self.title = title
        self.unit = unit
        self.span = span
        let scale = unit == .rate ? 1e9 / Double(span.width) : 1
        lines = counts.map { line in Line(name: line.name, values: line.points.map { Double(max(0, $0)) * scale }) }
    }

    var most: Double { lines.reduce(0) { max($0, $1.values.max() ?? 0) } }

    /// `0`, `0.25`, `17`, `1.2k`, `3.4M`; with `/s` for a rate.
    func label(_ value: Double) -> String { ReportChart.short(value) + (unit == .rate ? "/s" : "") }

    private static func short(_ value: Double) -> String {
        var (value, unit) = (value, "")
        for next in ["k", "M", "G", "T"] where value >= 1000 { (value, unit) = (value / 1000, next) }
        if value >= 100 || value == value.rounded() { return "\(Int(value.rounded()))\(unit)" }
        let digits = value >= 10 ? 10.0 : 100.0
        return "\((value * digits).rounded() / digits)\(unit)"
    }
}
