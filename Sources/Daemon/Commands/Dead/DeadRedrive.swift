import Metrics
import WALStore

/// `holdfast dead redrive`: sends letters again, mended or as they are.
struct DeadRedrive: Sendable {
    var isJSON: Bool
    var isDryRun: Bool

    func run(_ reader: LetterReader, _ request: RedriveRequest) async throws(CommandFailure) {
        let daemon = try reader.daemon()
        var request = request
        request.isDryRun = isDryRun
        // What is refused again is not sent again.
        request.letters = try await reader.bounded(request.letters)
        let began = ContinuousClock.now
        var line = ProgressLine(isQuiet: isJSON)
        var (sent, unfit): (Int64, Int64) = (0, 0)
        while true {
            let body = JSONValue.object(request.words.map { JSONValue.Member($0.name, .string($0.value)) })
            let answer: JSONValue
            do throws(AdminClient.Failure) { answer = try await daemon.post("/v1/dead/redrive", body: body) } catch {
                line.end()
                var failure = error.asCommandFailure(daemon.address)
                if sent > 0, !isDryRun { failure.description += "; \(Amount.count(sent)) were sent again before" }
                throw failure
            }
            sent += answer["redriven_points"]?.int ?? 0
            unfit += answer["unfit_points"]?.int ?? 0
            guard let next = answer["next"]?.string.flatMap({ LetterID($0) }) else { break }
            request.letters.after = next
            let seconds = (ContinuousClock.now - began) / .seconds(1)
            line.show(
                "\(Amount.count(sent)) \(isDryRun ? "looked at" : "sent again"), \(Amount.count(Int64(Double(sent) / max(seconds, 0.001))))/s",
                seconds)
        }
        line.end()
        if isDryRun {
            let target = request.target.map { " to \($0)" } ?? ""
            say(sent, unfit: unfit, one: "would be sent again\(target)", "would be sent again\(target)")
        } else {
            say(sent, unfit: unfit, one: "is sent again", "are sent again")
        }
        guard unfit == 0 else {
            let stays = isDryRun ? " would stay" : unfit == 1 ? " stays" : "s stay"
            throw CommandFailure(
                "\(Amount.count(unfit)) dead letter\(isDryRun && unfit != 1 ? "s" : "")\(stays): they cannot be read, or the repair "
                    + "leaves labels that no series can have")
        }
    }

    private func say(_ count: Int64, unfit: Int64, one: String, _ many: String) {
        if isJSON {
            return Terminal.print(
                json: .map(["dry_run": .bool(isDryRun), "points": .int(count), "unfit_points": .int(unfit)]))
        }
        Terminal.print("\(Amount.count(count)) dead letter\(count == 1 ? " \(one)" : "s \(many)")\n")
    }
}
