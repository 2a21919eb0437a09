import Metrics

/// `holdfast dead export`: the points, a line each, as `POST /api/v1/json` takes them.
struct DeadExport: Sendable {
    var limit: Int

    func print(_ reader: LetterReader, _ request: LetterRequest) async throws(CommandFailure) {
        var exported = 0
        var unreadable = 0
        let isWhole = try await reader.each(request) { (letter) throws(CommandFailure) in
            if let record = letter["record"] {
                guard Terminal.printed(record.rendered + "\n") else {
                    throw CommandFailure("the export could not be written after \(exported) points")
                }
                exported += 1
            } else {
                unreadable += 1
            }
            return exported < limit
        }
        let more = isWhole ? "" : "; there are more"
        Terminal.printError("\(Amount.count(Int64(exported))) point\(exported == 1 ? "" : "s") exported\(more)\n")
        guard unreadable == 0 else {
            throw CommandFailure("\(unreadable) dead letters cannot be read, and are not in it")
        }
    }
}
