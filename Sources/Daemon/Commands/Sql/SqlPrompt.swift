import Glibc
import Synchronization
import WALStore

/// Questions one after the other, from a terminal: a statement ends with a semicolon, Control-C stops one that runs.
struct SqlPrompt {
    private let spools: [SqlSpool]
    private var question: SqlQuestion
    private var terminal: SqlTerminal
    private let history = SqlHistory()
    private var editor: LineEditor

    /// Raised by Control-C while a question runs.
    private static let interrupted = Atomic(false)

    init(_ terminal: SqlTerminal, _ question: SqlQuestion, _ spools: [SqlSpool]) {
        self.terminal = terminal
        self.question = question
        self.spools = spools
        editor = LineEditor(history: history.read())
    }

    mutating func run() async {
        Terminal.print("Questions end with ; and .help says more. Nothing can be changed here.\n")
        signal(SIGINT) { _ in SqlPrompt.interrupted.store(true, ordering: .relaxed) }
        question.isStopped = { SqlPrompt.interrupted.load(ordering: .relaxed) }
        var statement = ""
        while true {
            SqlPrompt.interrupted.store(false, ordering: .relaxed)
            switch terminal.read(statement.isEmpty ? "sql> " : "...> ", &editor) {
            case .end: return
            case .abandoned: statement = ""
            case .changed: break
            case .line(let line):
                if editor.remember(line, limit: SqlHistory.maximumLines) { history.write(editor.history) }
                if statement.isEmpty, line.hasPrefix(".") {
                    guard obey(line) else { return }
                    continue
                }
                statement += statement.isEmpty ? line : "\n\(line)"
                guard AuditDatabase.isComplete(statement) || statement.allSatisfy(\.isWhitespace) else { continue }
                await ask(statement)
                statement = ""
            }
        }
    }

    private mutating func ask(_ statement: String) async {
        guard !statement.allSatisfy(\.isWhitespace) else { return }
        question.sql = statement
        do throws(CommandFailure) { try await question.ask(spools) } catch {
            if !error.description.isEmpty { Terminal.printError("\(error.description)\n") }
        }
    }

    /// - Returns: false for the end.
    private mutating func obey(_ line: String) -> Bool {
        let words = line.split(separator: " ").map(String.init)
        switch (words[0], words.dropFirst().first) {
        case (".quit", nil), (".exit", nil): return false
        case (".tables", nil): Terminal.print(SqlTables.all.map { "\($0.name): \($0.row)\n" }.joined())
        case (".tables", let name?):
            let table = SqlTables.all.first { $0.name == name }
            Terminal.print(table.map(\.text) ?? "there is no table \(Terminal.harmless(name))\n")
        case (".mode", let form?):
            if let form = SqlForm(rawValue: form) { question.form = form } else { help() }
        default: help()
        }
        return true
    }

    private func help() {
        Terminal.print(
            TextTable.pairs([
                (".tables", "the tables; .tables NAME: its columns"), (".mode FORM", "table, csv or ndjson"),
                (".quit", "the end, as Control-D"), ("Control-C", "gives up a line, or stops a question"),
            ]))
    }
}
