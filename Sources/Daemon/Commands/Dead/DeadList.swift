import Metrics

/// `holdfast dead list`: a row each, or a line of JSON each.
struct DeadList: Sendable {
    var isJSON: Bool
    var limit: Int

    func print(_ reader: LetterReader, _ request: LetterRequest) async throws(CommandFailure) {
        var table = TextTable([
            ("ID", .left), ("BACKEND", .left), ("REASON", .left), ("STATUS", .right), ("TIME", .left),
            ("SERIES", .left),
        ])
        var widths: [Int] = []
        var count = 0
        let isWhole = try await reader.each(request) { (letter) throws(CommandFailure) in
            count += 1
            if isJSON {
                Terminal.print(letter.rendered + "\n")
            } else {
                table.add(DeadList.cells(letter))
            }
            return count < limit
        } endOfPage: {
            if !isJSON, count > 0 { Terminal.print(table.takeText(&widths)) }
        }
        guard !isJSON else { return }
        let more = isWhole ? "" : "; there are more"
        Terminal.printError("\(Amount.count(Int64(count))) dead letter\(count == 1 ? "" : "s")\(more)\n")
    }

    private static func cells(_ letter: JSONValue) -> [String] {
        [
            letter["id"]?.string ?? "?", letter["backend"]?.string ?? "?", letter["reason"]?.string ?? "?",
            letter["status"]?.int.map(String.init) ?? "", letter["time"]?.string ?? "?",
            letter["series"]?.string ?? "(cannot be read)",
        ].map(Terminal.harmless)
    }
}
