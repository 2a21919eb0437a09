/// `--config` and `--data-dir`, as every command that concerns a node takes them.
struct ConfigurationOptions: Sendable {
    static let options = [CommandHelp.configOption, CommandHelp.dataOption]

    var file: String?
    var dataDirectory: String?

    init(_ arguments: Arguments) {
        file = arguments.value("--config")
        dataDirectory = arguments.value("--data-dir")
    }

    /// For commands that look at data: a config with a mistake in it still says where the data is.
    ///
    /// - Returns: the config, or what can be known without it; a mistake is told on stderr.
    func loadForData() throws(CommandFailure) -> Configuration {
        do throws(ConfigurationError) {
            return try Configuration.load(file, Configuration.Overrides(dataDirectory: dataDirectory))
        } catch let mistake {
            guard let folder = dataDirectory ?? namedDataDirectory() else { throw CommandFailure(mistake.description) }
            Terminal.printError("holdfast: \(mistake.description)\nholdfast: looking at the data in \(folder) anyway\n")
            do throws(ConfigurationError) {
                return try Configuration.load(nil, Configuration.Overrides(dataDirectory: folder))
            } catch {
                throw CommandFailure(mistake.description)
            }
        }
    }

    /// What the file's `data_dir` says, whatever else is wrong with it.
    private func namedDataDirectory() -> String? {
        guard let file, let text = SystemFile.text(file) else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix("data_dir:") {
            let value = line.dropFirst("data_dir:".count).split(separator: "#").first ?? ""
            let name = value.filter { $0 != "\"" && $0 != "'" }.split(separator: " ").joined(separator: " ")
            if !name.isEmpty { return name }
        }
        return nil
    }

    func load() throws(CommandFailure) -> Configuration {
        do throws(ConfigurationError) {
            return try Configuration.load(file, Configuration.Overrides(dataDirectory: dataDirectory))
        } catch {
            throw CommandFailure(error.description)
        }
    }
}
