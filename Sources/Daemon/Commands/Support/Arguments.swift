import Forwarder

/// A command line that cannot be understood: exit code 2.
struct UsageError: Error, Sendable, Equatable, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

/// The words after a command's name, sorted by what its help declares.
struct Arguments: Sendable {
    private(set) var positionals: [String] = []
    private var values: [String: [String]] = [:]
    private var flags: Set<String> = []

    /// Accepts `--name value` and `--name=value`; `--` ends the options.
    init(_ words: some Sequence<String>, for help: CommandHelp) throws(UsageError) {
        var words = Array(words)[...]
        while let word = words.popFirst() {
            guard word.hasPrefix("-"), word != "-" else {
                positionals.append(word)
                continue
            }
            if word == "--" {
                positionals += words
                break
            }
            if word == "-h" || word == "--help" {
                flags.insert("--help")
                continue
            }
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard let option = help.options.first(where: { $0.name == parts[0] }) else {
                throw Self.unknown(parts[0], help)
            }
            try take(option, inline: parts.count > 1 ? parts[1] : nil, from: &words)
        }
        guard help.arguments.isEmpty == false || positionals.isEmpty || flags.contains("--help") else {
            throw UsageError("holdfast \(help.name) takes no argument \"\(positionals[0])\"")
        }
    }

    private mutating func take(
        _ option: CommandHelp.Option, inline: String?, from words: inout ArraySlice<String>
    ) throws(UsageError) {
        guard let placeholder = option.value else {
            guard inline == nil else { throw UsageError("\(option.name) takes no value") }
            flags.insert(option.name)
            return
        }
        guard let value = inline ?? words.popFirst(), !value.isEmpty else {
            throw UsageError("\(option.name) needs a value: \(option.name) \(placeholder)")
        }
        values[option.name, default: []].append(value)
    }

    private static func unknown(_ word: String, _ help: CommandHelp) -> UsageError {
        let near = Settings.nearest(to: word, in: help.options.map(\.name)).map { "; did you mean \($0)?" } ?? ""
        return UsageError("holdfast \(help.name) has no option \(word)\(near)")
    }

    func flag(_ name: String) -> Bool { flags.contains(name) }
    /// The last one given counts.
    func value(_ name: String) -> String? { values[name]?.last }
    /// Of an option that may be given again and again.
    func all(_ name: String) -> [String] { values[name] ?? [] }

    func int(_ name: String, default fallback: Int, in range: ClosedRange<Int>) throws(UsageError) -> Int {
        guard let text = value(name) else { return fallback }
        guard let number = Int(text), range.contains(number) else {
            throw UsageError(
                "\(name): \"\(text)\" is not a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func size(_ name: String) throws(UsageError) -> Int? {
        guard let text = value(name) else { return nil }
        guard let size = Settings.parseSize(text), size > 0 else {
            throw UsageError("\(name): \"\(text)\" is not a size such as 20MiB")
        }
        return size
    }

    func duration(_ name: String) throws(UsageError) -> Duration? {
        guard let text = value(name) else { return nil }
        guard let duration = Settings.parseDuration(text) else {
            throw UsageError("\(name): \"\(text)\" is not a duration such as 30s")
        }
        return duration
    }
}
