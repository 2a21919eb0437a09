import Glibc
import WALStore

/// `holdfast sql`: questions about a spool, in SQLite's SQL.
struct SqlCommand: Command {
    static let help = CommandHelp(
        name: "sql", summary: "Ask a spool in SQL: points, series, receipts, deliveries, losses and more.",
        arguments: "[SQL]",
        discussion: """
            The SQL is SQLite's; the tables are the spool's, and nothing can be changed. --tables lists them with their
            columns. Without an argument questions are asked for on a terminal, with the ones from before behind the arrow keys,
            or read from standard input.

            Times are integers, nanoseconds since the epoch. ts('2026-01-31T12:00:00Z') and ago('10m') make one, utc(time)
            shows one; `at` is a row's time as text. labels is JSON: labels ->> 'instance'. A selector as Prometheus has it
            goes into the brackets: points('up{job="node"}'). What is asked of name, time, sequence and by a selector decides
            which rows of the spool are read at all: say it where you can.

            It reads beside a running node, or what a stopped one left, and --file a copy that nobody writes. A question sees
            one moment. The node cannot begin its log anew while one runs: so it is ended after --timeout, or when it makes
            the log grow by 64 MiB. Each tenant is asked by itself; with --all a first column says which.

            A row that cannot be read ends the question and is named; with --skip-damaged it is left out and counted.
            """,
        options: ConfigurationOptions.options + SpoolChoice.options + [
            CommandHelp.Option(
                name: "--format", value: "FORM",
                text: "table, csv or ndjson. Default: table."),
            CommandHelp.Option(name: "--json", value: nil, text: "The same as --format ndjson."),
            AuditLimits.option,
            CommandHelp.Option(
                name: "--memory", value: "SIZE", text: "What sorting and grouping may take. Default: 256MiB."),
            CommandHelp.Option(name: "--skip-damaged", value: nil, text: "Leave out rows that cannot be read."),
            CommandHelp.Option(name: "--tables", value: nil, text: "List the tables and their columns."),
        ],
        examples: [
            CommandHelp.Example(
                command: #"holdfast sql "SELECT name, count(*) FROM points GROUP BY name ORDER BY 2 DESC LIMIT 10""#,
                text: "The metrics with the most points"),
            CommandHelp.Example(
                command:
                    #"holdfast sql "SELECT at, labels ->> 'instance', value FROM points('up') WHERE time > ago('10m')""#,
                text: "What up was in the last ten minutes"),
            CommandHelp.Example(
                command:
                    #"holdfast sql --format csv "SELECT time, value FROM points('temperature{room=\"7\"}')" > room7.csv"#,
                text: "One series for a spreadsheet"),
            CommandHelp.Example(
                command: #"holdfast sql "SELECT backend, reason, sum(points) FROM losses GROUP BY backend, reason""#,
                text: "What was lost, and why"),
            CommandHelp.Example(
                command:
                    #"holdfast sql "SELECT source, peer, sum(points) FROM receipts WHERE received_time > ago('1h') GROUP BY 1, 2""#,
                text: "Who sent what in the last hour"),
        ])

    private let choice: SpoolChoice
    private let form: SqlForm
    private let limits: AuditLimits
    private let memoryBytes: Int
    private let skipsDamage: Bool
    private let listsTables: Bool
    private let sql: String?
    /// `-` in place of SQL.
    private let readsInput: Bool

    init(_ arguments: Arguments) throws(UsageError) {
        choice = try SpoolChoice(arguments)
        form = try SqlCommand.form(arguments)
        limits = try arguments.auditLimits()
        memoryBytes = try SqlCommand.memory(arguments)
        skipsDamage = arguments.flag("--skip-damaged")
        listsTables = arguments.flag("--tables")
        guard arguments.positionals.count <= 1 else {
            throw UsageError("holdfast sql takes one argument: put the SQL into quotes")
        }
        readsInput = arguments.positionals.first == "-"
        sql = readsInput ? nil : arguments.positionals.first
    }

    private static func form(_ arguments: Arguments) throws(UsageError) -> SqlForm {
        guard let word = arguments.value("--format") else { return arguments.flag("--json") ? .ndjson : .table }
        guard let form = SqlForm(rawValue: word == "json" ? "ndjson" : word) else {
            throw UsageError("--format: \"\(word)\" is none of table, csv and ndjson")
        }
        guard !arguments.flag("--json") || form == .ndjson else {
            throw UsageError("--json is --format ndjson: say one of them")
        }
        return form
    }

    private static func memory(_ arguments: Arguments) throws(UsageError) -> Int {
        let bytes = try arguments.size("--memory") ?? 256 << 20
        guard (8 << 20...64 << 30).contains(bytes) else { throw UsageError("--memory is from 8MiB to 64GiB") }
        return bytes
    }

    func run() async throws(CommandFailure) {
        if listsTables { return Terminal.print(SqlTables.text) }
        let spools = try choice.spools()
        AuditDatabase.limitMemory(memoryBytes)
        var question = SqlQuestion(
            sql: sql ?? "", form: form, limits: limits, skipsDamage: skipsDamage,
            namesTenant: choice.isOfMany)
        if sql == nil {
            if !readsInput, let terminal = SqlTerminal() {
                var prompt = SqlPrompt(terminal, question, spools)
                return await prompt.run()
            }
            question.sql = SqlCommand.input()
        }
        try await question.ask(spools)
    }

    /// What stands in standard input, as far as a question goes.
    private static func input() -> String {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4096)
        while bytes.count <= 64 << 10 {
            let count = piece.withUnsafeMutableBytes { read(STDIN_FILENO, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            bytes += piece[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
