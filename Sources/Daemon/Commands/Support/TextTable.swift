/// Columns for a terminal.
struct TextTable {
    enum Alignment { case left, right }
    private let alignments: [Alignment]
    private var rows: [[String]]

    init(_ header: [(title: String, alignment: Alignment)]) {
        alignments = header.map(\.alignment)
        rows = [header.map(\.title)]
    }

    mutating func add(_ cells: [String]) {
        precondition(cells.count == alignments.count, "a row has a cell for each column")
        rows.append(cells)
    }

    var text: String { text(widths) }

    private var widths: [Int] { alignments.indices.map { column in rows.map { $0[column].count }.max() ?? 0 } }

    /// What was added since the last call, for a table that is too long to be held: a column is as wide as it ever was.
    mutating func takeText(_ widths: inout [Int]) -> String {
        widths = zip(self.widths, widths + Array(repeating: 0, count: alignments.count)).map(max)
        defer { rows = [] }
        return text(widths)
    }

    private func text(_ widths: [Int]) -> String {
        rows.map { row in
            let cells = row.enumerated().map { column, cell in
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                return alignments[column] == .left ? cell + padding : padding + cell
            }
            var line = cells.joined(separator: "  ")
            while line.last == " " { line.removeLast() }
            return line + "\n"
        }.joined()
    }

    /// Two columns, indented: options, commands.
    static func pairs(_ rows: [(String, String)]) -> String {
        let width = rows.map(\.0.count).max() ?? 0
        return rows.map { name, text in
            "  \(name)\(String(repeating: " ", count: width - name.count))  \(text)\n"
        }.joined()
    }
}
