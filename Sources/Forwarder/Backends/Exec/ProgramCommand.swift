import WALStore

/// What is run, and with what: nothing that the config does not name.
///
/// Keys: `command` (a list, the first an absolute path), `directory`, `environment`, `secret_environment`,
/// `limits: { memory, cpu, files }`.
struct ProgramCommand: Sendable {
    /// Of the whole process group's members each: the kernel counts them by process.
    struct Limits: Sendable, Equatable {
        /// Address space, bytes.
        var memory: Int?
        /// Seconds of processor time over its whole life.
        var cpuSeconds: Int?
        /// Descriptors at once.
        var files: Int?
    }

    var words: [String]
    var directory: String
    var environment: [(name: String, value: String)]
    var secrets: [(name: String, value: Secret)]
    var limits: Limits

    init(_ settings: Settings) throws(SettingsError) {
        words = try settings.strings("command")
        let line = settings.line(of: "command")
        guard let program = words.first else {
            throw SettingsError("\(settings.name(of: "command")) is missing", line: line)
        }
        guard program.hasPrefix("/") else {
            throw SettingsError("\(settings.name(of: "command")) must begin with an absolute path", line: line)
        }
        directory = try settings.string("directory") ?? "/"
        guard directory.hasPrefix("/") else {
            throw SettingsError(
                "\(settings.name(of: "directory")) must be an absolute path", line: settings.line(of: "directory"))
        }
        environment = try settings.pairs("environment").map { ($0.0, $0.1) }
        secrets = try settings.secretPairs("secret_environment").map { ($0.0, $0.1) }
        limits = Limits()
        try Self.check(environment.map(\.name) + secrets.map(\.name), settings)
        if let section = try settings.section("limits") { limits = try Self.limits(section) }
        // A C string ends at a NUL, wherever it came from.
        let texts = words + [directory] + environment.map(\.value) + secrets.map(\.value.reveal)
        guard !texts.contains(where: { $0.utf8.contains(0) }) else {
            throw SettingsError("\(settings.path): a NUL in the command or its environment", line: line)
        }
    }

    private static func check(_ names: [String], _ settings: Settings) throws(SettingsError) {
        var known: Set<String> = []
        for name in names {
            guard !name.isEmpty, !name.utf8.contains(UInt8(ascii: "=")), !name.utf8.contains(0) else {
                throw SettingsError(
                    "\(settings.name(of: "environment")): \"\(name)\" is no name of a variable",
                    line: settings.line(of: "environment"))
            }
            guard known.insert(name).inserted else {
                throw SettingsError(
                    "\(settings.name(of: "environment")): \(name) is there twice",
                    line: settings.line(of: "environment"))
            }
        }
    }

    private static func limits(_ section: Settings) throws(SettingsError) -> Limits {
        var limits = Limits()
        limits.memory = try section.size("memory")
        if let memory = limits.memory, memory < 1 << 20 {
            throw SettingsError("\(section.name(of: "memory")) must be 1MiB at least", line: section.line(of: "memory"))
        }
        if let cpu = try section.duration("cpu") {
            guard cpu >= .seconds(1) else {
                throw SettingsError("\(section.name(of: "cpu")) must be 1s at least", line: section.line(of: "cpu"))
            }
            limits.cpuSeconds = Int(cpu.components.seconds)
        }
        if section.has("files") { limits.files = try section.int("files", default: 64, in: 8...1_000_000) }
        return limits
    }
}

/// How long what may take.
struct ProgramTimes: Sendable {
    /// From a request's first byte until its answer; before that, until its first byte.
    var request: Duration
    /// From the start of the program until its greeting.
    var start: Duration
    /// From its end until the next start; doubles with each life in which nothing was answered.
    var restart: Duration
    /// What that grows to.
    static let longestRestart: Duration = .seconds(60)
    /// From the end of its input until it is killed, once nobody needs it any more.
    static let end: Duration = .seconds(5)

    /// - Parameter ends: how many in a row brought nothing.
    func wait(afterEnds ends: Int) -> Duration {
        min(restart * (1 << min(max(0, ends - 1), 10)), max(Self.longestRestart, restart))
    }
}
