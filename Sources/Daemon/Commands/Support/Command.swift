/// One command: one file, one line in `CommandList.all`.
protocol Command: Sendable {
    static var help: CommandHelp { get }
    init(_ arguments: Arguments) throws(UsageError)
    /// - Throws: `CommandFailure` after which the process ends with its code.
    func run() async throws(CommandFailure)
}

/// How a command ended when it did not end well.
struct CommandFailure: Error, Sendable, CustomStringConvertible {
    /// 1 failed, 2 wrong usage.
    var code: Int32
    /// What went wrong and what to do; empty when all was said already.
    var description: String

    init(_ description: String, code: Int32 = 1) {
        self.description = description
        self.code = code
    }
}

enum CommandList {
    /// In the order of the help.
    static let all: [any Command.Type] = [
        RunCommand.self,
        CheckCommand.self,
        StatusCommand.self,
        DoctorCommand.self,
        ReloadCommand.self,
        DeadCommand.self,
        ReplayCommand.self,
        SqlCommand.self,
        AuditCommand.self,
        GrafanaCommand.self,
        BackupCommand.self,
        RestoreCommand.self,
        BenchCommand.self,
        VersionCommand.self,
        CompletionCommand.self,
        HelpCommand.self,
    ]

    static func named(_ name: String) -> (any Command.Type)? { all.first { $0.help.name == name } }

    static var overview: String {
        """
        Holdfast \(HoldfastVersion.text): a durable metrics forwarder.

        Metrics that it acknowledges are on disk; they reach every backend, however long the network is away.

        Usage: holdfast COMMAND [options]

        Commands:
        \(TextTable.pairs(all.map { ($0.help.name, $0.help.summary) }))
        Start with `holdfast run`. `holdfast help COMMAND` explains each one with examples.

        """
    }
}
