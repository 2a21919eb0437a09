import Metrics
import WALStore

/// `holdfast audit`: ready-made questions about a spool.
struct AuditCommand: Command {
    static let help = CommandHelp(
        name: "audit", summary: "Say who sent points, where they went, and whether the books add up.",
        arguments: "was-it-delivered|who-sent|reconcile|report|verify|key",
        discussion: """
            was-it-delivered says of the points that --match finds, backend by backend, how many were delivered and when, and
            how many are pending, dead or lost, and why. who-sent lists the requests that they came in. Both look through what
            is stored: what was delivered stays for `retain`.

            reconcile compares what was accepted with what became of it, for each backend: owed = delivered + assumed +
            pending + dead + lost + excluded. It fails when that does not add up. With --received-from or --received-to it
            counts what was accepted in that time, also what is not stored any more, as far back as there are receipts; then
            `unknown` is what nothing tells of, for want of room or because a dead letter was sent again as a new point.

            report writes one page about a stretch of time, the last 24 hours without --from: what came in and went out, the
            backlog, outages, losses, dead letters, senders and events, with charts. As Markdown for a terminal or a ticket, as
            HTML for a browser (one file, no script), or as JSON.

            verify reads all of a spool that keeps a chain (chain.key_file in the config) and finds rows that were altered,
            removed, inserted or put elsewhere by anybody but the node. It ends with 0 when there are none, with 1 when there
            are, and with 2 when that cannot be said. key makes the key.

            All read beside a running node, or what a stopped one left, and --file a copy that nobody writes, as holdfast sql does.
            """,
        options: ConfigurationOptions.options + SpoolChoice.options + [
            CommandHelp.Option(
                name: "--match", value: "SELECTOR",
                text: "Points of these series, as Prometheus writes it: name{label=\"x\"}. For the first two.")
        ] + CommandHelp.measuredOptions + CommandHelp.receivedOptions + ReportForm.options + [
            AuditLimits.option,
            CommandHelp.Option(name: "--skip-damaged", value: nil, text: "Leave out rows that cannot be read."),
            CommandHelp.Option(name: "--json", value: nil, text: "Print JSON, a line each."),
        ] + AuditVerify.options,
        examples: [
            CommandHelp.Example(
                command: #"holdfast audit was-it-delivered --match 'up{job="node"}' --from 24h"#,
                text: "What became of a day of up, at each backend"),
            CommandHelp.Example(
                command: #"holdfast audit who-sent --match 'temperature{room="7"}' --from 1h"#,
                text: "From where it came"),
            CommandHelp.Example(
                command: "holdfast audit reconcile --all", text: "Whether the books add up, for a cron job"),
            CommandHelp.Example(
                command: "holdfast audit reconcile --received-from 2026-01-31 --received-to 2026-02-01",
                text: "One day's account"),
            CommandHelp.Example(
                command: "holdfast audit report --from 168h --out week.html", text: "A week, for a browser"),
            CommandHelp.Example(
                command: "holdfast audit verify --config /etc/holdfast/holdfast.yaml --all --anchor 1045:3f1c...",
                text: "Whether anybody has changed what was stored, and that it is not an old copy"),
            CommandHelp.Example(
                command: "holdfast audit key --out /etc/holdfast/chain.key", text: "A key, once a node"),
        ], choices: Verb.allCases.map(\.rawValue))

    enum Verb: String, CaseIterable {
        case delivered = "was-it-delivered"
        case sent = "who-sent"
        case reconcile
        case report
        case verify
        case key
    }

    /// What a command line comes to.
    private enum Work {
        case question(Verb, FateRequest)
        case report(FateRequest, ReportForm)
        case verify(AuditVerify)
        case key(AuditKey)
    }

    private let work: Work
    private let choice: SpoolChoice
    private let limits: AuditLimits
    private let skipsDamage: Bool
    private let isJSON: Bool

    init(_ arguments: Arguments) throws(UsageError) {
        guard arguments.positionals.count <= 1, let word = arguments.positionals.first, let verb = Verb(rawValue: word)
        else {
            throw UsageError("holdfast audit needs one of \(Verb.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        choice = try SpoolChoice(arguments)
        limits = try arguments.auditLimits()
        skipsDamage = arguments.flag("--skip-damaged")
        isJSON = arguments.flag("--json")
        guard verb == .report || arguments.value("--format") == nil else { throw UsageError("--format is for report") }
        guard verb == .report || verb == .key || arguments.value("--out") == nil else {
            throw UsageError("--out is for report and key")
        }
        work =
            switch verb {
            case .delivered, .sent, .reconcile: .question(verb, try AuditCommand.request(verb, arguments))
            case .report: .report(try AuditCommand.request(verb, arguments), try ReportForm(arguments))
            case .verify: .verify(try AuditVerify(arguments, choice))
            case .key: .key(try AuditKey(arguments))
            }
    }

    private static func request(_ verb: Verb, _ arguments: Arguments) throws(UsageError) -> FateRequest {
        var request = FateRequest(selector: arguments.value("--match"))
        do throws(LetterRequest.Mistake) {
            if let selector = request.selector { _ = try LetterRequest.selector(selector) }
            request.measured = try range("from", "to", arguments)
            request.received = try range("received-from", "received-to", arguments)
        } catch { throw UsageError("--\(error)") }
        if verb == .report {
            guard request.selector == nil, request.received == nil else {
                throw UsageError("report is of all that happened in a time: it takes --from and --to")
            }
            return request
        }
        guard verb == .reconcile else {
            guard request.selector != nil else { throw UsageError("which points? --match is a selector such as 'up'") }
            return request
        }
        guard request.selector == nil, request.measured == nil else {
            throw UsageError("reconcile is of all that was accepted: it takes --received-from and --received-to")
        }
        return request
    }

    private static func range(
        _ from: String, _ to: String, _ arguments: Arguments
    ) throws(LetterRequest.Mistake) -> Range<Int64>? {
        var bounds = LetterRequest.TimeBounds()
        let now = TimeSource.system.wall()
        if let text = arguments.value("--\(from)") { bounds.from = try LetterRequest.time(from, text, now) }
        if let text = arguments.value("--\(to)") { bounds.to = try LetterRequest.time(to, text, now) }
        return try bounds.range(from, "--\(to)")
    }

    func run() async throws(CommandFailure) {
        switch work {
        case .question(.sent, let request):
            let question = SqlQuestion(
                sql: request.sendersSQL, form: isJSON ? .ndjson : .table, limits: limits, skipsDamage: skipsDamage,
                namesTenant: choice.isOfMany)
            try await question.ask(try choice.spools())
        case .question(let verb, let request): try await answer(verb, request)
        case .report(let request, let form): try await report(request, form)
        case .verify(let verification): try await verification.run()
        case .key(let maker): try maker.run()
        }
    }

    private func answer(_ verb: Verb, _ request: FateRequest) async throws(CommandFailure) {
        var printer = AuditPrinter(
            verb, isOfTime: request.received != nil, isJSON: isJSON, namesTenant: choice.isOfMany)
        let areBooks = verb == .reconcile && request.received == nil
        for spool in try choice.spools() {
            let found = try await answer(spool) { (database, limits) throws(AuditError) -> AuditFound in
                areBooks ? .books(try database.books(limits)) : .fates(try database.fates(request, limits))
            }
            printer.add(found, of: spool)
        }
        try printer.finish()
    }

    /// Without a time the last day.
    private static let reportNanoseconds: Int64 = 86_400_000_000_000

    private func report(_ request: FateRequest, _ form: ReportForm) async throws(CommandFailure) {
        let now = TimeSource.system.wall()
        let asked = request.measured
        let end = min(asked?.upperBound ?? now, now + 1)
        let start = asked.map(\.lowerBound).flatMap { $0 > 0 ? $0 : nil } ?? end - AuditCommand.reportNanoseconds
        guard start < end else { throw CommandFailure("a report is of a time before now", code: 2) }
        let span = ReportSpan(start..<end)
        var reports: [SpoolReport] = []
        for spool in try choice.spools() {
            reports.append(
                try await answer(spool) { (database, limits) throws(AuditError) in
                    try database.report(span, now: now, limits)
                })
        }
        try form.write(reports, madeAt: now)
    }

    private func answer<Found: Sendable>(
        _ spool: SqlSpool, _ ask: @escaping @Sendable (AuditDatabase, AuditLimits) throws(AuditError) -> Found
    ) async throws(CommandFailure) -> Found {
        let (limits, skipsDamage) = (limits, skipsDamage)
        let found = await SqlThread.run {
            Result { () throws(AuditError) in
                let database = try AuditDatabase(try spool.open(), skipsDamage: skipsDamage)
                return (try ask(database, limits), database.damage)
            }
        }
        switch found {
        case .success(let (found, damage)):
            Terminal.printError(damage.remark)
            return found
        case .failure(let error): throw CommandFailure(error, tenant: choice.isOfMany ? spool.tenant : nil)
        }
    }
}
