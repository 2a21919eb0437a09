import Metrics

/// `holdfast dead show`: all that is known of one letter.
struct DeadShow: Sendable {
    var isJSON: Bool

    func print(_ reader: LetterReader, _ id: LetterID) async throws(CommandFailure) {
        let letter = try await reader.letter(id)
        if isJSON { return Terminal.print(json: letter) }
        func text(_ key: String) -> String {
            Terminal.harmless(letter[key]?.string ?? letter[key]?.int.map(String.init) ?? "-")
        }
        Terminal.print(
            TextTable.pairs([
                ("letter", text("id")), ("backend", text("backend")), ("series", text("series")),
                ("time", text("time")),
                ("reason", "\(text("reason")), status \(text("status"))"), ("it said", text("excerpt")),
                ("attempts", "\(text("attempts")), the first at \(text("first_attempt_at"))"),
                ("given up", text("buried_at")),
                (
                    "came with",
                    "request \(text("request_id")), sequence \(text("sequence")), ordinal \(text("ordinal"))"
                ),
                ("point", letter["record"].map { Terminal.harmless($0.rendered) } ?? "it cannot be read any more"),
            ]))
    }
}
