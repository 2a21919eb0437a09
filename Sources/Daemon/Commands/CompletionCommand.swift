/// `holdfast completion bash|zsh|fish`: a script for the shell, made from the commands' own help.
struct CompletionCommand: Command {
    static let help = CommandHelp(
        name: "completion", summary: "Print a completion script for a shell.", arguments: "bash|zsh|fish",
        examples: [
            CommandHelp.Example(
                command: "holdfast completion bash > /etc/bash_completion.d/holdfast", text: "For all users of bash"),
            CommandHelp.Example(
                command: "holdfast completion fish > ~/.config/fish/completions/holdfast.fish", text: "For fish"),
        ], choices: Shell.allCases.map(\.rawValue))

    enum Shell: String, CaseIterable { case bash, zsh, fish }
    private let shell: Shell

    init(_ arguments: Arguments) throws(UsageError) {
        guard let word = arguments.positionals.first, let shell = Shell(rawValue: word) else {
            throw UsageError("holdfast completion needs the name of a shell: bash, zsh or fish")
        }
        self.shell = shell
    }

    func run() async throws(CommandFailure) { Terminal.print(Self.script(shell)) }

    static func script(_ shell: Shell) -> String {
        switch shell {
        case .bash: "\(bash)complete -o default -F _holdfast holdfast\n"
        case .zsh:
            "#compdef holdfast\nautoload -U +X bashcompinit && bashcompinit\n\(bash)complete -F _holdfast holdfast\n"
        case .fish: fish
        }
    }

    private static func words(_ help: CommandHelp) -> String {
        ((help.options + [CommandHelp.helpOption]).map(\.name) + help.choices).joined(separator: " ")
    }

    private static var bash: String {
        let names = CommandList.all.map { $0.help.name }.joined(separator: " ")
        var script = "_holdfast() {\n  local word=${COMP_WORDS[COMP_CWORD]} words\n"
        script += "  if [ \"$COMP_CWORD\" -eq 1 ]; then words='\(names)'; else case ${COMP_WORDS[1]} in\n"
        for command in CommandList.all { script += "    \(command.help.name)) words='\(words(command.help))' ;;\n" }
        script += "  esac; fi\n  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n}\n"
        return script
    }

    private static var fish: String {
        var script = "complete -c holdfast -f\n"
        for command in CommandList.all {
            let name = command.help.name
            script += "complete -c holdfast -n __fish_use_subcommand -a \(name) -d '\(quoted(command.help.summary))'\n"
            for option in command.help.options + [CommandHelp.helpOption] {
                script += "complete -c holdfast -n '__fish_seen_subcommand_from \(name)' -l \(option.name.dropFirst(2))"
                script += "\(option.value == nil ? "" : " -r -F") -d '\(quoted(option.text))'\n"
            }
            if !command.help.choices.isEmpty {
                let choices = command.help.choices.joined(separator: " ")
                script += "complete -c holdfast -n '__fish_seen_subcommand_from \(name)' -a '\(choices)'\n"
            }
        }
        return script
    }

    private static func quoted(_ text: String) -> String { text.split(separator: "'").joined(separator: "\\'") }
}
