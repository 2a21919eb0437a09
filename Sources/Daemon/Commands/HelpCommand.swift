import Forwarder

/// `holdfast help [COMMAND]`.
struct HelpCommand: Command {
    static let help = CommandHelp(
        name: "help", summary: "Explain Holdfast, or one command.", arguments: "[COMMAND]",
        examples: [CommandHelp.Example(command: "holdfast help run", text: "What run does, with examples")])

    private let topic: String?

    init(_ arguments: Arguments) throws(UsageError) { topic = arguments.positionals.first }

    func run() async throws(CommandFailure) {
        guard let topic else {
            Terminal.print(CommandList.overview)
            return
        }
        guard let command = CommandList.named(topic) else { throw Self.unknown(topic) }
        Terminal.print(command.help.text)
    }

    static func unknown(_ word: String) -> CommandFailure {
        let near = Settings.nearest(to: word, in: CommandList.all.map { $0.help.name })
        let hint = near.map { "did you mean \"\($0)\"?" } ?? "`holdfast help` lists them."
        return CommandFailure("there is no command \"\(word)\"; \(hint)", code: 2)
    }
}
