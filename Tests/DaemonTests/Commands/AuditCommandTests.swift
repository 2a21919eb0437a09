import Testing

@testable import Daemon

/// What `holdfast audit` takes.
struct AuditCommandTests {
    private func error(_ words: [String]) -> String {
        do throws(UsageError) {
            _ = try AuditCommand(try Arguments(words, for: AuditCommand.help))
            return ""
        } catch {
            return error.description
        }
    }

    private static let unmeant: [([String], String)] = [
        ([], "needs one of was-it-delivered, who-sent, reconcile, report, verify, key"), (["nothing"], "needs one of"),
        (["was-it-delivered"], "which points?"), (["who-sent", "--match", "{"], "--match"),
        (["who-sent", "--match", "up", "--from", "1h", "--to", "2h"], "must lie before"),
        (["who-sent", "--match", "up", "--received-from", "yesterday"], "no time such as"),
        (["reconcile", "--match", "up"], "all that was accepted"),
        (["reconcile", "--from", "1h"], "all that was accepted"),
        (["reconcile", "--file", "x", "--all"], "--file is one spool"),
        (["reconcile", "--timeout", "2h"], "from 1ms to 1h"),
        (["reconcile", "--out", "x.html"], "for report"),
        (["who-sent", "--match", "up", "--format", "html"], "for report"),
        (["report", "--match", "up"], "takes --from and --to"),
        (["report", "--received-from", "1h"], "takes --from and --to"),
        (["report", "--format", "pdf"], "markdown, html and json"),
        (["report", "--format", "html", "--json"], "--format is"),
    ]

    @Test(arguments: unmeant)
    func `a command line that cannot be meant is refused`(_ words: [String], _ said: String) {
        #expect(error(words).contains(said), "\(error(words))")
    }

    @Test func `what can be meant is taken`() {
        for words in [
            ["was-it-delivered", "--match", "up", "--from", "24h"], ["who-sent", "--match", #"{a="b"}"#, "--json"],
            ["report"], ["report", "--from", "168h", "--out", "week.html"], ["report", "--all", "--format", "json"],
            ["reconcile", "--all"], ["reconcile", "--received-from", "2026-01-31", "--received-to", "2026-02-01"],
        ] {
            #expect(error(words) == "")
        }
    }
}
