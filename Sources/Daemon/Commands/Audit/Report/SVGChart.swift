import WALStore

/// Draws a chart: lines over a grid, a key, and what each bucket says under the pointer.
struct SVGChart {
    private static let (width, height) = (900.0, 220.0)
    private static let (left, right, top, bottom) = (64.0, 10.0, 10.0, 24.0)
    private static let colours = 6
    /// Marks on the axis of time, at most.
    private static let mostMarks = 8

    private let chart: ReportChart
    /// The highest value that the grid has, and from line to line.
    private let most: Double
    private let step: Double

    static func figure(_ chart: ReportChart) -> String { SVGChart(chart).figure }

    private init(_ chart: ReportChart) {
        self.chart = chart
        step = SVGChart.step(for: chart.most)
        most = max(step, (chart.most / step).rounded(.up) * step)
    }

    /// 1, 2 or 5 times a power of ten, of which the grid has four or so.
    private static func step(for most: Double) -> Double {
        guard most > 0 else { return 1 }
        var power = 1e-6
        while power * 10 <= most / 4 { power *= 10 }
        return [1, 2, 5].map { $0 * power }.last { $0 <= most / 4 } ?? power
    }

    private var figure: String {
        let names = chart.lines.enumerated().map { index, line in
            """
            <span class="key" style="background:\(colour(index))"></span>\(HTMLPage.escaped(line.name)), \
            \(chart.label(line.values.max() ?? 0)) at most
            """
        }
        return """
            <figure>
            <figcaption>\(HTMLPage.escaped(chart.title))\(names.joined())</figcaption>
            <svg viewBox="0 0 \(Int(SVGChart.width)) \(Int(SVGChart.height))" role="img" \
            aria-label="\(HTMLPage.escaped(chart.title))">
            \(grid)\(marks)\(lines)\(reaches)</svg>
            </figure>

            """
    }

    private func colour(_ line: Int) -> String { "var(--c\(line % SVGChart.colours))" }

    // MARK: Places

    /// To a tenth of a unit: fewer bytes than a double has digits.
    private static func place(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }

    private func x(_ bucket: Double) -> Double {
        SVGChart.left + bucket / Double(chart.span.count) * (SVGChart.width - SVGChart.left - SVGChart.right)
    }

    private func y(_ value: Double) -> Double {
        SVGChart.height - SVGChart.bottom - value / most * (SVGChart.height - SVGChart.top - SVGChart.bottom)
    }

    // MARK: Parts

    private var grid: String {
        var text = ""
        for number in 0...Int((most / step).rounded()) {
            let value = Double(number) * step
            let at = SVGChart.place(y(value))
            text += """
                <line class="grid" x1="\(SVGChart.place(SVGChart.left))" x2="\(SVGChart.place(x(Double(chart.span.count))))" \
                y1="\(at)" y2="\(at)"/>
                <text class="axis" x="\(SVGChart.place(SVGChart.left - 8))" y="\(SVGChart.place(y(value) + 4))" \
                text-anchor="end">\(chart.label(value))</text>

                """
        }
        return text
    }

    /// Times on the axis: of the day, or days when there are many.
    private var marks: String {
        let span = chart.span
        let every = max(1, (span.count + SVGChart.mostMarks - 1) / SVGChart.mostMarks)
        let isOfDays = span.width * Int64(every) >= 86_400_000_000_000
        var text = ""
        for bucket in stride(from: 0, to: span.count, by: every) {
            let time = Timestamp.text(span.time(bucket))
            let label = isOfDays ? time.dropFirst(5).prefix(5) : time.dropFirst(11).prefix(5)
            text += """
                <text class="axis" x="\(SVGChart.place(x(Double(bucket))))" y="\(Int(SVGChart.height) - 6)">\(label)</text>

                """
        }
        return text
    }

    /// Each bucket's value from its start to its end.
    private var lines: String {
        chart.lines.enumerated().map { index, line in
            var path = ""
            for (bucket, value) in line.values.enumerated() {
                path += "\(path.isEmpty ? "M" : "L")\(SVGChart.place(x(Double(bucket)))) \(SVGChart.place(y(value)))"
                path += "H\(SVGChart.place(x(Double(bucket + 1))))"
            }
            let floor = SVGChart.place(y(0))
            return """
                <path class="area" fill="\(colour(index))" \
                d="\(path)V\(floor)H\(SVGChart.place(SVGChart.left))Z"/>
                <path class="line" stroke="\(colour(index))" d="\(path)"/>

                """
        }.joined()
    }

    /// What a bucket says when it is pointed at.
    private var reaches: String {
        (0..<chart.span.count).map { bucket in
            let values = chart.lines.map { "\($0.name): \(chart.label($0.values[bucket]))" }
            let time = Timestamp.text(chart.span.time(bucket)).prefix(16)
            let (start, end) = (x(Double(bucket)), x(Double(bucket + 1)))
            return """
                <rect class="reach" x="\(SVGChart.place(start))" y="\(Int(SVGChart.top))" \
                width="\(SVGChart.place(end - start))" height="\(SVGChart.place(y(0) - SVGChart.top))">\
                <title>\(HTMLPage.escaped("\(time), \(values.joined(separator: "; "))"))</title></rect>

                """
        }.joined()
    }
}
