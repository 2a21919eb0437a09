import Metrics
import WALStore

/// `holdfast dead`: the points that backends would not take.
struct DeadCommand: Command {
    static let help = CommandHelp(
        name: "dead", summary: "List, show, export, re-drive or purge the points that backends would not take.",
        arguments: "list|show|export|redrive|purge [ID]",
        discussion: """
            A dead letter is one point that a backend refused, with the reason. It stays until it is sent again or purged, or
            its budget or age ends it (dead_letters in the config).

            list and export show the letters that the filters let through, oldest first, however many there are; export
            prints the points themselves, a line each, as POST /api/v1/json takes them. show tells all about one letter.
            redrive sends them again, to the backend that refused them or another one, and no other gets them: each is owed
            as a new point, and a letter no more. Labels are renamed, then dropped, then truncated; times are moved last. With
            --earliest 0s a point gets the present time. What is refused again is a letter again.
            purge ends them for good: each becomes a loss with reason purge. It asks before it does, or wants --yes.

            list, show and export also read the spools of a node that does not run. --match is a selector as Prometheus has
            it: name{label="x",other=~"a|b"}; a regular expression is held against the whole value.
            """,
        options: ConfigurationOptions.options + [
            CommandHelp.Option(
                name: "--tenant", value: "ID",
                text: "Of this tenant. Default: of all (list, export), or of the only one there is (purge, redrive)."),
            CommandHelp.Option(name: "--backend", value: "NAME", text: "That this backend refused."),
            CommandHelp.Option(
                name: "--reason", value: "REASON",
                text: "With this reason: \(LetterRequest.reasons.joined(separator: ", "))."),
            CommandHelp.Option(name: "--match", value: "SELECTOR", text: "Of these series."),
        ] + CommandHelp.measuredOptions + [
            CommandHelp.Option(name: "--buried-from", value: "TIME", text: "Given up at this time or later."),
            CommandHelp.Option(name: "--buried-to", value: "TIME", text: "Given up before this time."),
            CommandHelp.Option(
                name: "--assumed", value: nil,
                text: "List, in place of letters, what counts as delivered because a backend said it is there already."),
            CommandHelp.Option(name: "--limit", value: "COUNT", text: "So many at most (list, export). Default: all."),
            CommandHelp.Option(
                name: "--send-to", value: "NAME", text: "The backend that redrive sends to. Default: that of --backend."
            ),
            CommandHelp.Option(
                name: "--rename", value: "OLD=NEW,...", text: "Labels that redrive renames; __name__ is one."),
            CommandHelp.Option(name: "--drop-label", value: "NAME,...", text: "Labels that redrive leaves out."),
            CommandHelp.Option(
                name: "--truncate", value: "LABEL=BYTES,...", text: "Labels whose values redrive makes so short."),
            CommandHelp.Option(
                name: "--earliest", value: "TIME", text: "redrive sends an older point as one of this time."),
            CommandHelp.Option(
                name: "--latest", value: "TIME", text: "redrive sends a newer point as one of this time."),
            CommandHelp.Option(
                name: "--dry-run", value: nil,
                text: "Say how many purge would take; how many redrive would send, and how many no repair makes fit."),
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
                command: "holdfast dead redrive --backend central --truncate path=100",
                text: "To it again, with shorter paths"),
            CommandHelp.Example(
                command: "holdfast dead purge --tenant acme --buried-to 7d --dry-run", text: "How many are a week old"),
        ], choices: Verb.allCases.map(\.rawValue))

    enum Verb: String, CaseIterable { case list, show, export, redrive, purge }

    private let verb: Verb
    private let request: RedriveRequest
    private let shown: LetterID?
    private let limit: Int
    private let kind: LetterKind
    private let isJSON: Bool
    private let isDryRun: Bool
    private let isConfirmed: Bool
    private let options: ConfigurationOptions

    init(_ arguments: Arguments) throws(UsageError) {
        guard let word = arguments.positionals.first, let verb = Verb(rawValue: word) else {
            throw UsageError("holdfast dead needs one of list, show, export, redrive and purge")
        }
        self.verb = verb
        options = ConfigurationOptions(arguments)
        kind = arguments.flag("--assumed") ? .assumed : .dead
        isJSON = arguments.flag("--json")
        isDryRun = arguments.flag("--dry-run")
        isConfirmed = arguments.flag("--yes")
        limit = try arguments.int("--limit", default: .max, in: 1...Int.max)
        do throws(LetterRequest.Mistake) {
            request = try RedriveRequest(DeadCommand.words(arguments), now: TimeSource.system.wall())
            if kind == .assumed { try request.letters.checkAssumed() }
        } catch {
            throw UsageError("--\(error)")
        }
        guard verb == .list || kind == .dead else { throw UsageError("--assumed is for holdfast dead list") }
        guard verb == .purge || !isConfirmed else { throw UsageError("--yes is for holdfast dead purge") }
        guard verb == .purge || verb == .redrive || !isDryRun else {
            throw UsageError("--dry-run is for holdfast dead purge and redrive")
        }
        try DeadCommand.checkRedrive(verb, arguments, request)
        guard arguments.value("--limit") == nil || verb == .list || verb == .export else {
            throw UsageError("--limit is for holdfast dead list and export")
        }
        shown = try DeadCommand.shown(verb, Array(arguments.positionals.dropFirst()), request.letters.tenant)
    }

    private static func checkRedrive(
        _ verb: Verb, _ arguments: Arguments, _ request: RedriveRequest
    ) throws(UsageError) {
        guard verb == .redrive else {
            for word in RedriveRequest.Word.allCases where arguments.value("--\(word.rawValue)") != nil {
                throw UsageError("--\(word.rawValue) is for holdfast dead redrive")
            }
            return
        }
        guard request.target != nil else {
            throw UsageError("to which backend? holdfast dead redrive needs --send-to or --backend")
        }
    }

    private static func words(_ arguments: Arguments) -> [(name: String, value: String)] {
        let names =
            LetterRequest.Word.allCases.filter { ![.after, .until, .limit].contains($0) }.map(\.rawValue)
            + RedriveRequest.Word.allCases.map(\.rawValue)
        return names.compactMap { name in arguments.value("--\(name)").map { (name, $0) } }
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
        guard let id = LetterID.only(words, tenant: tenant) else {
            throw UsageError("holdfast dead show needs the ID of one letter, as list prints it: acme/17")
        }
        return id
    }

    func run() async throws(CommandFailure) {
        let reader = try await LetterReader(options.loadForData())
        switch verb {
        case .list: try await DeadList(isJSON: isJSON, limit: limit, kind: kind).print(reader, request.letters)
        case .export: try await DeadExport(limit: limit).print(reader, request.letters)
        case .show: if let shown { try await DeadShow(isJSON: isJSON).print(reader, shown) }
        case .redrive:
            let redrive = DeadRedrive(isJSON: isJSON, isDryRun: isDryRun)
            try await redrive.run(reader, request)
        case .purge:
            let purge = DeadPurge(isJSON: isJSON, isDryRun: isDryRun, isConfirmed: isConfirmed)
            try await purge.run(reader, request.letters)
        }
    }
}
