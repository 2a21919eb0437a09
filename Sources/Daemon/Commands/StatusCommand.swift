import Metrics

/// `holdfast status`: what is owed to whom, and how it goes.
struct StatusCommand: Command {
    static let help = CommandHelp(
        name: "status", summary: "Show what each tenant's backends are owed, and how delivery goes.",
        discussion: """
            Asks the running daemon over its admin socket; when none runs, reads what it left in the data folder.

            PENDING is what a backend is still owed; nothing leaves it but by delivery, as a dead letter, or with an
            explained loss. DELIVERED has the assumed ones in it: sent, and then refused as already there. EXCLUDED is
            what a backend cannot carry, or was not owed. STATE is ok, backing_off (it tries again by itself) or held (an operator must act).
            """,
        options: ConfigurationOptions.options + [CommandHelp.jsonOption],
        examples: [
            CommandHelp.Example(command: "holdfast status", text: "Of the daemon with data in ./holdfast-data"),
            CommandHelp.Example(
                command: "holdfast status --config /etc/holdfast/holdfast.yaml --json", text: "For a script"),
        ])

    private let isJSON: Bool
    private let options: ConfigurationOptions

    init(_ arguments: Arguments) throws(UsageError) {
        isJSON = arguments.flag("--json")
        options = ConfigurationOptions(arguments)
    }

    func run() async throws(CommandFailure) {
        let configuration = try options.loadForData()
        let client = AdminClient(configuration)
        let status: JSONValue
        do throws(AdminClient.Failure) {
            status = try await client.get("/v1/status")
        } catch {
            // A waiting node answers 503: what it left is all there is to show.
            guard error.isAnswerless, let left = StoppedNode.report(configuration) else {
                throw error.asCommandFailure(client.address)
            }
            status = left.json
        }
        if isJSON { Terminal.print(json: status) } else { Terminal.print(StatusTable.text(status)) }
    }
}
