import Metrics
import WALStore

/// `holdfast replay`: sends stored points once more.
struct ReplayCommand: Command {
    static let help = CommandHelp(
        name: "replay", summary: "Send stored points to a backend once more.",
        arguments: "[start|list|show|pause|resume|cancel] [ID]",
        discussion: """
            Points stay in the spool for retain (24h by default) after they were delivered. A replay sends those that are
            selected to one backend: the one that had them, or another one of the tenant's. It runs in the node, beside
            live traffic, one request at a time, and survives a restart; after a crash at most a request is sent again.

            start, which needs no word, begins one, follows it and says what became of each point; the replay goes on when
            the command is ended. What the backend is still owed is left out: its own delivery brings it. --from and --to
            are times as measured, --received-from and --received-to those at which the node took the points in.
            list shows all replays, show one with what was refused. pause, resume and cancel do what they say.

            A backend may refuse points as old as these; a replay that meets only refusals pauses by itself. --dry-run says
            beforehand what would be sent, and what is known of such backends.
            """,
        options: ConfigurationOptions.options + [
            CommandHelp.Option(
                name: "--tenant", value: "ID", text: "Of this tenant. Default: the only one; list: all."),
            CommandHelp.Option(name: "--backend", value: "NAME", text: "To this backend."),
            CommandHelp.Option(name: "--match", value: "SELECTOR", text: "Of these series: name{label=\"x\"}."),
        ] + CommandHelp.measuredOptions + CommandHelp.receivedOptions + [
            CommandHelp.Option(
                name: "--rate", value: "POINTS",
                text: "So many points a second at most. Default: what the backend takes."),
            CommandHelp.Option(name: "--dry-run", value: nil, text: "Say what would be sent, and send nothing."),
            CommandHelp.Option(name: "--detach", value: nil, text: "Do not follow what was begun."),
            CommandHelp.Option(name: "--json", value: nil, text: "Print JSON."),
        ],
        examples: [
            CommandHelp.Example(
                command:
                    "holdfast replay --backend central --from 2026-01-31T02:00:00Z --to 2026-01-31T05:00:00Z --dry-run",
                text: "What central would get of these three hours"),
            CommandHelp.Example(
                command: #"holdfast replay --backend central --from 6h --match '{job="till"}' --rate 5000"#,
                text: "Six hours of one job, gently"),
            CommandHelp.Example(command: "holdfast replay pause acme/3", text: "Later"),
        ], choices: Verb.allCases.map(\.rawValue))

    enum Verb: String, CaseIterable { case start, list, show, pause, resume, cancel }

    private let verb: Verb
    private let request: ReplayRequest?
    private let tenant: String?
    private let id: LetterID?
    private let isJSON: Bool
    private let isDryRun: Bool
    private let isDetached: Bool
    private let options: ConfigurationOptions

    init(_ arguments: Arguments) throws(UsageError) {
        let word = arguments.positionals.first ?? Verb.start.rawValue
        guard let verb = Verb(rawValue: word) else {
            throw UsageError("holdfast replay knows start, list, show, pause, resume and cancel, not \"\(word)\"")
        }
        self.verb = verb
        options = ConfigurationOptions(arguments)
        isJSON = arguments.flag("--json")
        isDryRun = arguments.flag("--dry-run")
        isDetached = arguments.flag("--detach")
        tenant = arguments.value("--tenant")
        id = try ReplayCommand.id(verb, Array(arguments.positionals.dropFirst()), tenant)
        let words = ReplayRequest.Word.allCases.compactMap { word in
            arguments.value("--\(word.rawValue)").map { (name: word.rawValue, value: $0) }
        }
        guard verb == .start else {
            let strange = words.map { "--\($0.name)" }.first { $0 != "--tenant" }
            let flag = isDryRun ? "--dry-run" : isDetached ? "--detach" : nil
            if let strange = strange ?? flag { throw UsageError("\(strange) is for holdfast replay start") }
            request = nil
            return
        }
        do throws(LetterRequest.Mistake) { request = try ReplayRequest(words, now: TimeSource.system.wall()) } catch {
            throw UsageError("--\(error)")
        }
    }

    private static func id(_ verb: Verb, _ words: [String], _ tenant: String?) throws(UsageError) -> LetterID? {
        if verb == .start || verb == .list {
            guard words.isEmpty else {
                throw UsageError("holdfast replay \(verb.rawValue) takes no argument \"\(words[0])\"")
            }
            return nil
        }
        guard let id = LetterID.only(words, tenant: tenant) else {
            throw UsageError("holdfast replay \(verb.rawValue) needs the ID of one replay, as list prints it: acme/3")
        }
        return id
    }

    func run() async throws(CommandFailure) {
        let client = AdminClient(try options.loadForData())
        let view = ReplayView(isJSON: isJSON)
        switch verb {
        case .start:
            guard let request else { return }
            let body = JSONValue.object(request.words.map { JSONValue.Member($0.name, .string($0.value)) })
            if isDryRun { return try await view.preview(client, body) }
            try await ReplayFollow(isJSON: isJSON, isDetached: isDetached).run(client, body)
        case .list: try await view.list(client, tenant)
        case .show: if let id { try await view.show(client, id) }
        case .pause, .resume, .cancel:
            guard let id else { return }
            let job = try await client.asked { (client) async throws(AdminClient.Failure) in
                try await client.post("/v1/replay/\(verb.rawValue)", body: .map(["id": .string("\(id)")]))
            }
            if isJSON { return Terminal.print(json: job) }
            Terminal.print("replay \(id) is \(job["state"]?.string ?? "?"): \(ReplayView.outcome(job))\n")
        }
    }
}
