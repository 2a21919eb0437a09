import Glibc
import Metrics

/// `holdfast dead`: the points that backends would not take.
struct DeadCommand: Command {
    static let help = CommandHelp(
        name: "dead", summary: "List, show, export or purge the points that backends would not take.",
        arguments: "list|show|export|purge [ID]",
        discussion: """
            A dead letter is one point that a backend refused, with the reason. It stays until it is purged, or its budget
            or age ends it (dead_letters in the config).

            list and export show the letters that the filters let through, oldest first, however many there are; export
            prints the points themselves, a line each, as POST /api/v1/json takes them. show tells all about one letter.
            purge ends them for good: each becomes a loss with reason purge. It asks before it does, or wants --yes.

            list, show and export also read the spools of a node that does not run. --match is a selector as Prometheus has
            it: name{label="x",other=~"a|b"}; a regular expression is held against the whole value.
            """,
        options: ConfigurationOptions.options + [
            CommandHelp.Option(name: "--tenant", value: "ID", text: "Of this tenant. Default: of all."),
            CommandHelp.Option(name: "--backend", value: "NAME", text: "That this backend refused."),
            CommandHelp.Option(
                name: "--reason", value: "REASON", text: "With this reason: refused, stuck, too_large, failure_store."),
            CommandHelp.Option(name: "--match", value: "SELECTOR", text: "Of these series."),
            CommandHelp.Option(
                name: "--from", value: "TIME",
                text: "Measured at this time or later: 2026-01-31T12:00:00Z, 2026-01-31, or 24h (ago)."),
            CommandHelp.Option(name: "--to", value: "TIME", text: "Measured before this time."),
            CommandHelp.Option(name: "--buried-from", value: "TIME", text: "Given up at this time or later."),
            CommandHelp.Option(name: "--buried-to", value: "TIME", text: "Given up before this time."),
            CommandHelp.Option(name: "--limit", value: "COUNT", text: "So many at most (list, export). Default: all."),
            CommandHelp.Option(name: "--dry-run", value: nil, text: "Say how many purge would end."),
            CommandHelp.Option(name: "--yes", value: nil, text: "Purge without being asked."),
            CommandHelp.Option(name: "--json", value: nil, text: "Print JSON; list: a line each."),
        ],
        examples: [
            CommandHelp.Example(
                command: "holdfast dead list --backend central --from 24h", text: "What it refused today"),
            CommandHelp.Example(
                command: #"holdfast dead export --match 'http_requests_total{path=~"/api/.*"}' > letters.ndjson"#,
                text: "Points to be mended and sent again"),
            CommandHelp.Example(
                command: "holdfast dead purge --tenant acme --buried-to 7d --dry-run", text: "How many are a week old"),
        ], choices: Verb.allCases.map(\.rawValue))

    enum Verb: String, CaseIterable { case list, show, export, purge }

    private let verb: Verb
    private let request: LetterRequest
    private let shown: LetterID?
    private let limit: Int
    private let isJSON: Bool
    private let isDryRun: Bool
    private let isConfirmed: Bool
    private let options: ConfigurationOptions

    init(_ arguments: Arguments) throws(UsageError) {
        guard let word = arguments.positionals.first, let verb = Verb(rawValue: word) else {
            throw UsageError("holdfast dead needs one of list, show, export and purge")
        }
        self.verb = verb
        options = ConfigurationOptions(arguments)
        isJSON = arguments.flag("--json")
        isDryRun = arguments.flag("--dry-run")
        isConfirmed = arguments.flag("--yes")
        limit = try arguments.int("--limit", default: .max, in: 1...Int.max)
        do throws(LetterRequest.Mistake) {
            request = try LetterRequest(DeadCommand.words(arguments), now: DeadCommand.now())
        } catch {
            throw UsageError("--\(error)")
        }
        guard verb == .purge || !(isDryRun || isConfirmed) else {
            throw UsageError("--dry-run and --yes are for holdfast dead purge")
        }
        guard arguments.value("--limit") == nil || verb == .list || verb == .export else {
            throw UsageError("--limit is for holdfast dead list and export")
        }
        shown = try DeadCommand.shown(verb, Array(arguments.positionals.dropFirst()), request.tenant)
    }

    private static func words(_ arguments: Arguments) -> [(name: String, value: String)] {
        LetterRequest.Word.allCases.compactMap { word in
            guard word != .after, word != .limit else { return nil }
            return arguments.value("--\(word.rawValue)").map { (word.rawValue, $0) }
        }
    }

    private static func shown(
        _ verb: Verb, _ words: [String], _ tenant: String?
    ) throws(UsageError) -> LetterID? {
        guard verb == .show else {
            guard words.isEmpty else {
                throw UsageError("holdfast dead \(verb.rawValue) takes no argument \"\(words[0])\"")
            }
            return nil
        }
        let id = words.first.flatMap { word in
            LetterID(word) ?? tenant.flatMap { tenant in Int64(word).map { LetterID(tenant: tenant, number: $0) } }
        }
        guard let id, words.count == 1 else {
            throw UsageError("holdfast dead show needs the ID of one letter, as list prints it: acme/17")
        }
        return id
    }

    private static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    func run() async throws(CommandFailure) {
        let reader = try await LetterReader(options.loadForData())
        switch verb {
        case .list: try await DeadList(isJSON: isJSON, limit: limit).print(reader, request)
        case .export: try await DeadExport(limit: limit).print(reader, request)
        case .show: if let shown { try await DeadShow(isJSON: isJSON).print(reader, shown) }
        case .purge:
            let purge = DeadPurge(isJSON: isJSON, isDryRun: isDryRun, isConfirmed: isConfirmed)
            try await purge.run(reader, request, now: DeadCommand.now())
        }
    }
}
