import Metrics

/// `holdfast doctor`: what the node stands on, and what to do about it.
struct DoctorCommand: Command {
    static let help = CommandHelp(
        name: "doctor", summary: "Examine the machine, the disk and the config, and say what to do.",
        discussion: """
            Looks at SQLite's version, the file system and how fast it makes data durable, permissions, free space, the
            clock, limits, every tenant's spool, and the daemon when it runs. Spools that a daemon has open are not
            opened; others are checked, read-only. It writes one small file into the data folder, and removes it.
            Ends with code 1 when something is wrong enough to lose data or to refuse it.
            """,
        options: ConfigurationOptions.options + [CommandHelp.jsonOption],
        examples: [
            CommandHelp.Example(
                command: "holdfast doctor --config /etc/holdfast/holdfast.yaml",
                text: "After installing, and when in doubt")
        ])

    private let isJSON: Bool
    private let options: ConfigurationOptions

    init(_ arguments: Arguments) throws(UsageError) {
        isJSON = arguments.flag("--json")
        options = ConfigurationOptions(arguments)
    }

    func run() async throws(CommandFailure) {
        let findings: [Finding]
        do throws(ConfigurationError) {
            let configuration = try Configuration.load(
                options.file, Configuration.Overrides(dataDirectory: options.dataDirectory))
            findings = await Doctor(configuration: configuration).examine()
        } catch {
            let mistake = Finding("config", .error, error.description, advice: "`holdfast help check` tells more.")
            // What is known of the data without it.
            if let rest = try? options.loadForData() {
                findings = [mistake] + (await Doctor(configuration: rest).examine())
            } else {
                findings = [mistake]
            }
        }
        if isJSON {
            Terminal.print(json: .map(["findings": .array(findings.map(\.json))]))
        } else {
            Terminal.print(findings.map(\.text).joined())
        }
        if findings.contains(where: { $0.level == .error }) { throw CommandFailure("") }
    }
}
