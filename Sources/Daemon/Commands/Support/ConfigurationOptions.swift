/// `--config` and `--data-dir`, as every command that concerns a node takes them.
struct ConfigurationOptions: Sendable {
    static let options = [CommandHelp.configOption, CommandHelp.dataOption]

    var file: String?
    var dataDirectory: String?

    init(_ arguments: Arguments) {
        file = arguments.value("--config")
        dataDirectory = arguments.value("--data-dir")
    }

    func load() throws(CommandFailure) -> Configuration {
        do throws(ConfigurationError) {
            return try Configuration.load(file, Configuration.Overrides(dataDirectory: dataDirectory))
        } catch {
            throw CommandFailure(error.description)
        }
    }
}
