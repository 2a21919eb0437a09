import WALStore

/// A page as Markdown: charts are lines of bars, which a terminal shows as well.
enum MarkdownPage {
    static func text(_ page: ReportPage) -> String {
        var text = "# \(escaped(page.title))\n"
        for part in page.parts {
            switch part {
            case .heading(let title): text += "\n## \(escaped(title))\n"
            case .text(let words): text += "\n\(escaped(words))\n"
            case .table(let table): text += "\n" + rendered(table)
            case .chart(let chart): text += "\n" + rendered(chart)
            }
        }
        return text
    }

    private static func rendered(_ table: ReportTable) -> String {
        var rows = [table.header.map(\.title)] + table.rows.map { $0.map(escaped) }
        let widths = table.header.indices.map { column in max(3, rows.map { $0[column].count }.max() ?? 0) }
        rows.insert(
            zip(table.header, widths).map { column, width in
                column.alignment == .left
                    ? String(repeating: "-", count: width) : String(repeating: "-", count: width - 1) + ":"
            }, at: 1)
        return rows.map { row in
            let cells = row.enumerated().map { column, cell in
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                return table.header[column].alignment == .left ? cell + padding : padding + cell
            }
            return "| \(cells.joined(separator: " | ")) |\n"
        }.joined()
    }

    private static let bars: [Character] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]
    private static let nothing: Character = "·"

    private static func rendered(_ chart: ReportChart) -> String {
        let most = chart.most
        let width = chart.lines.map(\.name.count).max() ?? 0
        var text = "\(escaped(chart.title)); the highest bar is \(chart.label(most)).\n\n```\n"
        for line in chart.lines {
            let bars = line.values.map { value -> Character in
                guard value > 0, most > 0 else { return nothing }
                return MarkdownPage.bars[min(7, Int(value / most * 8))]
            }
            let name = Terminal.harmless(line.name).replacing("`", with: "'")
            text += "\(name)\(String(repeating: " ", count: max(0, width - name.count)))  \(String(bars))"
            text += "  \(chart.label(line.values.max() ?? 0)) at most\n"
        }
        let (start, end) = (axisTime(chart.span.start), axisTime(chart.span.end))
        let room = max(1, chart.span.count - start.count - end.count)
        text += "\(String(repeating: " ", count: width + 2))\(start)\(String(repeating: " ", count: room))\(end)\n```\n"
        return text
    }

    private static func axisTime(_ time: Int64) -> String {
        String(Timestamp.text(time).dropFirst(5).prefix(11).map { $0 == "T" ? " " : $0 })
    }

    /// Text of strangers on one line, as text: no table, link, image or HTML comes of it.
    static func escaped(_ text: String) -> String {
        let characters = Array(Terminal.harmless(text))
        var escaped = ""
        for (index, character) in characters.enumerated() {
            switch character {
            case "|", "\\", "`", "*", "[", "]", "<", ">", "~", "&": escaped += "\\\(character)"
            // Inside a word it means nothing.
            case "_" where !isWord(characters, index - 1) || !isWord(characters, index + 1): escaped += "\\_"
            default: escaped.append(character)
            }
        }
        return escaped
    }

    private static func isWord(_ characters: [Character], _ index: Int) -> Bool {
        characters.indices.contains(index) && (characters[index].isLetter || characters[index].isNumber)
    }
}
