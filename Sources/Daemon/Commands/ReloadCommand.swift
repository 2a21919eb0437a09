import Metrics

/// `holdfast reload`: the running daemon takes over its changed config.
struct ReloadCommand: Command {
    static let help = CommandHelp(
        name: "reload", summary: "Let the running daemon take over its changed config.",
        discussion: """
            The same as SIGHUP, but it says what came of it. A config with a mistake is refused whole and the old one
            stays. The node reads the file that it was started with: --config must be that one. Tenants, backends, credentials, scrape jobs and logging change without losing a request; what needs
            a restart (data_dir, the listeners and their limits, node) is named and left as it was.
            """,
        options: ConfigurationOptions.options + [CommandHelp.jsonOption],
        examples: [
            CommandHelp.Example(
                command: "holdfast check --config holdfast.yaml && holdfast reload --config holdfast.yaml",
                text: "Look before you leap")
        ])

    private let isJSON: Bool
    private let options: ConfigurationOptions

    init(_ arguments: Arguments) throws(UsageError) {
        isJSON = arguments.flag("--json")
        options = ConfigurationOptions(arguments)
    }

    func run() async throws(CommandFailure) {
        let client = AdminClient(try options.load())
        let meant = options.file.map { PlainPath.of($0) }
        let answer: JSONValue
        do throws(AdminClient.Failure) {
            answer = try await client.post("/v1/reload", body: meant.map { .map(["config": .string($0)]) })
        } catch {
            throw error.asCommandFailure(client.address)
        }
        if isJSON {
            Terminal.print(json: answer)
            return
        }
        for change in answer["changes"]?.array ?? [] { Terminal.print("\(change.string ?? "")\n") }
        for note in answer["needs_restart"]?.array ?? [] {
            Terminal.print("\(note.string ?? "") has changed and needs a restart\n")
        }
        for warning in answer["warnings"]?.array ?? [] { Terminal.print("warning: \(warning.string ?? "")\n") }
        Terminal.print("reloaded \(answer["config"]?.string ?? "(the node has no config file)")\n")
    }
}
