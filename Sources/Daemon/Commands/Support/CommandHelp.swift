/// What a command says about itself: its help text, its completion, and what the parser accepts.
struct CommandHelp: Sendable {
    struct Option: Sendable {
        /// `--config`
        var name: String
        /// What stands after it, `FILE`; nil for a flag.
        var value: String?
        var text: String
    }
    struct Example: Sendable {
        var command: String
        var text: String
    }

    var name: String
    /// One line, for the list of commands.
    var summary: String
    /// `[TARGET...]`; empty when it takes no arguments.
    var arguments = ""
    var discussion = ""
    var options: [Option] = []
    var examples: [Example] = []
    /// Words that may stand as the first argument, for completion.
    var choices: [String] = []

    static let helpOption = Option(name: "--help", value: nil, text: "Show this help.")
    static let jsonOption = Option(name: "--json", value: nil, text: "Print JSON, for programs.")
    static let configOption = Option(name: "--config", value: "FILE", text: "The config; without it, the defaults.")
    static let dataOption = Option(
        name: "--data-dir", value: "DIR", text: "Where data is; over the config's data_dir.")
    /// Times of points, for whoever asks for some of them.
    static let measuredOptions = [
        Option(
            name: "--from", value: "TIME",
            text: "Measured at this time or later: 2026-01-31T12:00:00Z, 2026-01-31, or 24h (ago)."),
        Option(name: "--to", value: "TIME", text: "Measured before this time."),
    ]
    static let receivedOptions = [
        Option(name: "--received-from", value: "TIME", text: "Received at this time or later."),
        Option(name: "--received-to", value: "TIME", text: "Received before this time."),
    ]

    var usage: String {
        var usage = "holdfast \(name)"
        for option in options { usage += " [\(option.name)\(option.value.map { " \($0)" } ?? "")]" }
        return arguments.isEmpty ? usage : usage + " " + arguments
    }

    var text: String {
        var text = "\(summary)\n\nUsage: \(usage)\n"
        if !discussion.isEmpty { text += "\n\(discussion)\n" }
        text += "\nOptions:\n"
        let rows = (options + [Self.helpOption]).map { option in
            (option.name + (option.value.map { " \($0)" } ?? ""), option.text)
        }
        text += TextTable.pairs(rows)
        if !examples.isEmpty {
            text += "\nExamples:\n"
            for example in examples { text += "  # \(example.text)\n  \(example.command)\n" }
        }
        return text
    }
}
