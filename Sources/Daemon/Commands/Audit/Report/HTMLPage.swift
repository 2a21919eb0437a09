import WALStore

/// Pages as one HTML file that needs nothing else: no script, no picture, no font from anywhere.
enum HTMLPage {
    static func text(_ pages: [ReportPage]) -> String {
        let title = pages.count == 1 ? pages[0].title : "Holdfast report"
        return """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
            <title>\(escaped(title))</title>
            <style>
            \(style)
            </style>
            </head>
            <body>
            <main>
            \(pages.map(body).joined(separator: "<hr>\n"))</main>
            </body>
            </html>

            """
    }

    private static func body(_ page: ReportPage) -> String {
        var text = "<h1>\(escaped(page.title))</h1>\n"
        for part in page.parts {
            switch part {
            case .heading(let title): text += "<h2>\(escaped(title))</h2>\n"
            case .text(let words): text += "<p>\(escaped(words))</p>\n"
            case .table(let table): text += rendered(table)
            case .chart(let chart): text += SVGChart.figure(chart)
            }
        }
        return text
    }

    private static func rendered(_ table: ReportTable) -> String {
        func row(_ tag: String, _ cells: [String]) -> String {
            let cells = zip(cells, table.header).map { cell, column in
                "<\(tag)\(column.alignment == .right ? " class=\"number\"" : "")>\(escaped(cell))</\(tag)>"
            }
            return "<tr>\(cells.joined())</tr>\n"
        }
        return """
            <div class="scroll"><table>
            <thead>
            \(row("th", table.header.map(\.title)))</thead>
            <tbody>
            \(table.rows.map { row("td", $0) }.joined())</tbody>
            </table></div>

            """
    }

    /// Text of strangers as text, in an element or a quoted attribute.
    static func escaped(_ text: String) -> String {
        var escaped = ""
        for character in Terminal.harmless(text).unicodeScalars {
            switch character {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "'": escaped += "&#39;"
            default: escaped.unicodeScalars.append(character)
            }
        }
        return escaped
    }

    /// Colours that people with any eyes tell apart, on light and on dark.
    private static let style = """
        :root { color-scheme: light dark; --ink: #1c2330; --soft: #5b6472; --line: #d9dee6; --paper: #ffffff;
          --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #b0568a; --c4: #b07d00; --c5: #3a8fc2; }
        @media (prefers-color-scheme: dark) { :root { --ink: #e4e8ee; --soft: #9aa4b2; --line: #333b47; --paper: #14181f;
          --c0: #56b4e9; --c1: #f08c4a; --c2: #2fc79a; --c3: #d990b8; --c4: #e0b040; --c5: #8fcdf2; } }
        body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
        main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
        h1 { font-size: 1.5rem; margin: 0 0 .5rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
        p, figcaption, .axis { color: var(--soft); } figure { margin: 0; }
        .scroll { overflow-x: auto; }
        table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
        th, td { text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
        th { font-weight: 600; white-space: nowrap; } .number { text-align: right; white-space: nowrap; }
        td { overflow-wrap: anywhere; min-width: 4rem; }
        svg { width: 100%; height: auto; display: block; } .grid { stroke: var(--line); stroke-width: 1; }
        .axis { fill: var(--soft); font: 11px system-ui, sans-serif; } .line { fill: none; stroke-width: 1.75; }
        .area { opacity: .12; stroke: none; } .reach { fill: transparent; } .reach:hover { fill: var(--line); opacity: .5; }
        .key { display: inline-block; width: .8em; height: .8em; margin: 0 .35em 0 1em; border-radius: 2px; }
        @media print { :root { --paper: #fff; --ink: #000; --soft: #444; --line: #ccc; } h2 { break-after: avoid; } }
        """
}
