import Glibc

/// The one binary: finds the command, runs it, and ends with its code (0 done, 1 failed, 2 wrong usage).
@main
enum Daemon {
    static func main() {
        // A reader that goes away is an error of one write, not the end of the process.
        signal(SIGPIPE, SIG_IGN)
        let words = Array(CommandLine.arguments.dropFirst())
        // Before there is a second thread: all others inherit the mask.
        if words.first == RunCommand.help.name { SignalWatch.block() }
        // Detached: this thread only waits, so nothing may be bound to the main actor.
        Task.detached { exit(await run(words)) }
        while true { pause() }
    }

    /// - Parameter words: the command line without the program's name.
    /// - Returns: the exit code.
    static func run(_ words: [String]) async -> Int32 {
        guard let name = words.first else {
            Terminal.printError(CommandList.overview)
            return 2
        }
        do throws(CommandFailure) {
            if name == "-h" || name == "--help" {
                Terminal.print(CommandList.overview)
                return 0
            }
            guard let command = CommandList.named(name == "--version" ? "version" : name) else {
                throw HelpCommand.unknown(name)
            }
            try await run(command, words.dropFirst())
            return 0
        } catch {
            if !error.description.isEmpty { Terminal.printError("holdfast: \(error.description)\n") }
            return error.code
        }
    }

    private static func run(_ type: any Command.Type, _ words: ArraySlice<String>) async throws(CommandFailure) {
        let command: any Command
        do throws(UsageError) {
            let arguments = try Arguments(words, for: type.help)
            if arguments.flag("--help") {
                Terminal.print(type.help.text)
                return
            }
            command = try type.init(arguments)
        } catch {
            // The usage of some commands is longer than a screen, and hides what is wrong.
            throw CommandFailure("\(error)\n`holdfast \(type.help.name) --help` says how it is used.", code: 2)
        }
        try await command.run()
    }
}
