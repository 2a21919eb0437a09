import Metrics

/// `holdfast check`: whether a config is right, and what it means.
struct CheckCommand: Command {
    static let help = CommandHelp(
        name: "check", summary: "Validate a config and say what it would do.", arguments: "[FILE]",
        discussion: """
            Reads the config as `run` and `reload` would, secrets included, and opens nothing. A mistake is printed as
            FILE:LINE: MESSAGE and ends with code 1.
            """,
        options: ConfigurationOptions.options + [CommandHelp.jsonOption],
        examples: [
            CommandHelp.Example(command: "holdfast check holdfast.yaml", text: "Before a reload"),
            CommandHelp.Example(command: "holdfast check", text: "What run does without a config"),
        ])

    private let isJSON: Bool
    private var options: ConfigurationOptions

    init(_ arguments: Arguments) throws(UsageError) {
        isJSON = arguments.flag("--json")
        options = ConfigurationOptions(arguments)
        guard arguments.positionals.count <= 1 else { throw UsageError("holdfast check takes one file") }
        if let file = arguments.positionals.first { options.file = file }
    }

    func run() async throws(CommandFailure) {
        do throws(ConfigurationError) {
            let configuration = try Configuration.load(
                options.file, Configuration.Overrides(dataDirectory: options.dataDirectory))
            if isJSON { Terminal.print(json: configuration.summary) } else { Terminal.print(configuration.summaryText) }
        } catch {
            guard isJSON else { throw CommandFailure(error.description) }
            Terminal.print(
                json: .map([
                    "ok": false, "file": error.file.map(JSONValue.string) ?? .null, "line": .int(Int64(error.line)),
                    "message": .string(error.message),
                ]))
            throw CommandFailure("")
        }
    }
}
