import Testing

@testable import Daemon

@Suite struct ArgumentsTests {
    private static let help = CommandHelp(
        name: "test", summary: "Tests.", arguments: "[TARGET...]",
        options: [CommandHelp.configOption, CommandHelp.jsonOption])

    private func error(_ words: [String], _ help: CommandHelp = ArgumentsTests.help) -> String {
        do throws(UsageError) {
            _ = try Arguments(words, for: help)
            return ""
        } catch {
            return error.description
        }
    }

    @Test func `values, flags and arguments may be mixed`() throws {
        let arguments = try Arguments(["a", "--config=f", "--json", "b", "--", "--c"], for: Self.help)
        #expect(arguments.value("--config") == "f")
        #expect(arguments.flag("--json"))
        #expect(arguments.positionals == ["a", "b", "--c"])
        #expect(try Arguments(["--config", "g"], for: Self.help).value("--config") == "g")
    }

    @Test func `a mistyped option is refused with the nearest one`() {
        #expect(error(["--confg", "x"]) == "holdfast test has no option --confg; did you mean --config?")
        #expect(error(["--config"]).contains("needs a value"))
        #expect(error(["--json=1"]).contains("takes no value"))
        #expect(error(["x"], VersionCommand.help).contains("takes no argument"))
    }

    @Test(arguments: CommandList.all.map { $0.help.name })
    func `every command explains itself with an example`(name: String) throws {
        let help = try #require(CommandList.named(name)).help
        #expect(help.text.contains("Usage: holdfast \(name)"))
        #expect(!help.examples.isEmpty)
        #expect(CommandList.overview.contains(help.summary))
    }

    @Test(arguments: CompletionCommand.Shell.allCases)
    func `completion knows every command and option`(shell: CompletionCommand.Shell) {
        let script = CompletionCommand.script(shell)
        for command in CommandList.all {
            #expect(script.contains(command.help.name))
            for option in command.help.options { #expect(script.contains(option.name.dropFirst(2))) }
        }
    }

    @Test func `exit codes are 0 for done, 1 for failed and 2 for wrong usage`() async {
        #expect(await Daemon.run(["version"]) == 0)
        #expect(await Daemon.run(["help", "run"]) == 0)
        #expect(await Daemon.run(["check", "--config", "/does/not/exist"]) == 1)
        #expect(await Daemon.run(["chekc"]) == 2)
        #expect(await Daemon.run(["version", "--nosuch"]) == 2)
        #expect(await Daemon.run([]) == 2)
    }
}
