import Glibc
import Metrics
import WALStore

/// `holdfast dead purge`: ends letters for good.
struct DeadPurge: Sendable {
    var isJSON: Bool
    var isDryRun: Bool
    var isConfirmed: Bool

    func run(_ reader: LetterReader, _ request: LetterRequest) async throws(CommandFailure) {
        if isDryRun { return say(try await reader.count(request), "would be purged") }
        let daemon = try reader.daemon()
        // What is buried later was not asked about.
        var request = try await reader.bounded(request)
        if !isConfirmed { try await confirm(reader, request) }
        var purged: Int64 = 0
        while true {
            let body = JSONValue.object(
                request.words.filter { $0.name != "limit" }.map { JSONValue.Member($0.name, .string($0.value)) })
            let answer: JSONValue
            do throws(AdminClient.Failure) { answer = try await daemon.post("/v1/dead/purge", body: body) } catch {
                var failure = error.asCommandFailure(daemon.address)
                if purged > 0 { failure.description += "; \(Amount.count(purged)) were purged before" }
                throw failure
            }
            purged += answer["purged_points"]?.int ?? 0
            guard let next = answer["next"]?.string.flatMap({ LetterID($0) }) else { break }
            request.after = next
        }
        say(purged, purged == 1 ? "was purged" : "were purged")
    }

    private func say(_ count: Int64, _ what: String) {
        if isJSON {
            return Terminal.print(json: .map(["dry_run": .bool(isDryRun), "points": .int(count)]))
        }
        Terminal.print("\(Amount.count(count)) dead letter\(count == 1 ? "" : "s") \(what)\n")
    }

    private func confirm(_ reader: LetterReader, _ request: LetterRequest) async throws(CommandFailure) {
        guard isatty(STDIN_FILENO) == 1, isatty(STDERR_FILENO) == 1 else {
            throw CommandFailure(
                "holdfast dead purge ends points for good: say --yes where nobody can be asked", code: 2)
        }
        let count = try await reader.count(request)
        Terminal.printError("\(Amount.count(count)) dead letters end for good. Type yes to go on: ")
        guard readLine() == "yes" else { throw CommandFailure("nothing was purged") }
    }
}
