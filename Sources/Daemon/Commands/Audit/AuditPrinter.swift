import Metrics
import WALStore

/// What one spool answered.
enum AuditFound: Sendable {
    case fates(FateAnswer)
    case books([AuditBooks])
}

/// Prints the answers of `holdfast audit`: a table of all spools, or a line of JSON a row.
struct AuditPrinter {
    private let verb: AuditCommand.Verb
    private let isJSON: Bool
    private let namesTenant: Bool
    /// Of a time: what is in it is looked up point by point, and adds up by itself.
    private let isOfTime: Bool
    private var rows: [(cells: [String], json: [JSONValue.Member])] = []
    private var remarks = ""
    private var isUneven = false

    init(_ verb: AuditCommand.Verb, isOfTime: Bool, isJSON: Bool, namesTenant: Bool) {
        self.isOfTime = isOfTime
        self.verb = verb
        self.isJSON = isJSON
        self.namesTenant = namesTenant
    }

    mutating func add(_ found: AuditFound, of spool: SqlSpool) {
        switch (found, verb) {
        case (.books(let books), _): for each in books { add(each, spool) }
        case (.fates(let answer), .reconcile):
            for books in AuditPrinter.books(answer) { add(books, spool) }
            remark(answer, spool, what: "accepted")
        case (.fates(let answer), _):
            for count in answer.counts { add(count, spool) }
            remark(answer, spool, what: "match")
        }
    }

    /// - Throws: when the books of a backend do not add up.
    func finish() throws(CommandFailure) {
        if isJSON {
            for row in rows { Terminal.print(JSONValue.object(row.json).rendered + "\n") }
        } else {
            var table = TextTable((namesTenant ? [("TENANT", .left)] : []) + columns)
            for row in rows { table.add(row.cells) }
            if !rows.isEmpty { Terminal.print(table.text) }
            Terminal.printError(remarks)
        }
        if isUneven {
            throw CommandFailure(
                "the books do not add up: this is a defect, or the file was changed by hand; see `holdfast doctor`")
        }
    }

    private mutating func remark(_ answer: FateAnswer, _ spool: SqlSpool, what: String) {
        let whose = namesTenant ? spool.tenant.map { "\($0): " } ?? "" : ""
        let known = answer.knownSince.map { "; requests are known since \(RFC3339.format($0))" } ?? ""
        let verb = what == "match" && answer.points == 1 ? "matches" : what
        remarks += "\(whose)\(Amount.count(answer.points, "point")) \(verb)\(known)\n"
    }

    // MARK: Fates

    private mutating func add(_ count: FateCount, _ spool: SqlSpool) {
        let times = [count.firstTime, count.lastTime]
        let at = [count.firstAt, count.lastAt]
        rows.append(
            (
                tenant(spool) + [count.backend, count.fate.rawValue].map(Terminal.harmless)
                    + [Amount.count(count.points)] + times.map(RFC3339.format)
                    + at.map { $0.map(RFC3339.format) ?? "-" } + [Terminal.harmless(count.reason)],
                member(spool) + [
                    .init("backend", .string(count.backend)), .init("fate", .string(count.fate.rawValue)),
                    .init("points", .int(count.points)), .init("first_measured", .int(count.firstTime)),
                    .init("last_measured", .int(count.lastTime)),
                    .init("first_at", count.firstAt.map { .int($0) } ?? .null),
                    .init("last_at", count.lastAt.map { .int($0) } ?? .null), .init("reason", .string(count.reason)),
                ]
            ))
    }

    // MARK: Books

    /// What was accepted in a time, by backend.
    private static func books(_ answer: FateAnswer) -> [AuditBooks] {
        var books: [AuditBooks] = []
        for count in answer.counts {
            if books.last?.backend != count.backend {
                books.append(AuditBooks(backend: count.backend, owed: answer.points, points: [:]))
            }
            books[books.count - 1].points[count.fate, default: 0] += count.points
        }
        return books
    }

    private mutating func add(_ books: AuditBooks, _ spool: SqlSpool) {
        if books.difference != 0 { isUneven = true }
        let points = fates.map { books.points[$0] ?? 0 }
        rows.append(
            (
                tenant(spool) + [Terminal.harmless(books.backend)]
                    + ([books.owed] + points + (isOfTime ? [] : [books.difference])).map(Amount.count),
                member(spool) + [.init("backend", .string(books.backend)), .init("owed", .int(books.owed))]
                    + zip(fates, points).map { .init($0.rawValue, .int($1)) }
                    + (isOfTime ? [] : [.init("difference", .int(books.difference))])
            ))
    }

    /// What the ledger has no term for is known of a time only.
    private var fates: [PointFate] {
        isOfTime ? PointFate.allCases : AuditBooks.fates
    }

    // MARK: Cells

    private var columns: [(title: String, alignment: TextTable.Alignment)] {
        guard verb == .reconcile else {
            return [
                ("BACKEND", .left), ("FATE", .left), ("POINTS", .right), ("FIRST MEASURED", .left),
                ("LAST MEASURED", .left), ("FIRST AT", .left), ("LAST AT", .left), ("REASON", .left),
            ]
        }
        return [("BACKEND", .left), ("OWED", .right)] + fates.map { ($0.rawValue.uppercased(), .right) }
            + (isOfTime ? [] : [("DIFFERENCE", .right)])
    }

    private func tenant(_ spool: SqlSpool) -> [String] {
        namesTenant ? [Terminal.harmless(spool.tenant ?? "-")] : []
    }

    private func member(_ spool: SqlSpool) -> [JSONValue.Member] {
        namesTenant ? [.init("tenant", .string(spool.tenant ?? ""))] : []
    }
}
