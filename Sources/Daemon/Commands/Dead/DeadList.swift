import Metrics

/// `holdfast dead list`: a row each, or a line of JSON each.
struct DeadList: Sendable {
    var isJSON: Bool
    var limit: Int
    var kind = LetterKind.dead

    func print(_ reader: LetterReader, _ request: LetterRequest) async throws(CommandFailure) {
        var table = TextTable(columns)
        var widths: [Int] = []
        var count = 0
        var unreadable: Int64 = 0
        let isWhole = try await reader.each(request, kind) { (letter) throws(CommandFailure) in
            count += 1
            if kind == .dead, letter["series"] == nil { unreadable += 1 }
            if isJSON {
                Terminal.print(letter.rendered + "\n")
            } else {
                table.add(cells(letter))
            }
            return count < limit
        } endOfPage: {
            if !isJSON, count > 0 { Terminal.print(table.takeText(&widths)) }
        }
        guard !isJSON else { return }
        Terminal.printError(summary(count, unreadable: unreadable, isWhole: isWhole))
    }

    func summary(_ count: Int, unreadable: Int64, isWhole: Bool) -> String {
        let more = isWhole ? "" : "; there are more"
        let what =
            kind == .dead ? "dead letter\(count == 1 ? "" : "s")" : "run\(count == 1 ? "" : "s") of assumed points"
        let total = "\(Amount.count(Int64(count))) \(what)\(more)\n"
        guard unreadable > 0 else { return total }
        return total
            + "\(Amount.count(unreadable)) of them cannot be read any more: they count as dead until `holdfast dead purge` "
            + "ends them as lost\n"
    }

    private var columns: [(title: String, alignment: TextTable.Alignment)] {
        switch kind {
        case .dead:
            [
                ("ID", .left), ("BACKEND", .left), ("REASON", .left), ("STATUS", .right), ("TIME", .left),
                ("SERIES", .left),
            ]
        case .assumed:
            [
                ("TENANT", .left), ("BACKEND", .left), ("POINTS", .right), ("FROM", .left), ("BEFORE", .left),
                ("STATUS", .right), ("ASSUMED", .left),
            ]
        }
    }

    private func cells(_ letter: JSONValue) -> [String] {
        func text(_ key: String) -> String { letter[key]?.string ?? letter[key]?.int.map(String.init) ?? "?" }
        if kind == .assumed {
            return [
                text("tenant"), text("backend"), text("points"), "\(text("first_sequence")).\(text("first_ordinal"))",
                "\(text("end_sequence")).\(text("end_ordinal"))", text("status"), text("assumed_at"),
            ].map(Terminal.harmless)
        }
        return [
            letter["id"]?.string ?? "?", letter["backend"]?.string ?? "?", letter["reason"]?.string ?? "?",
            letter["status"]?.int.map(String.init) ?? "", letter["time"]?.string ?? "?",
            letter["series"]?.string ?? "(cannot be read)",
        ].map(Terminal.harmless)
    }
}
