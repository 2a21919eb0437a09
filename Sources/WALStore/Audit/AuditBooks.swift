/// One backend's account of all that the spool ever accepted (rule 3).
public struct AuditBooks: Sendable, Hashable {
    /// Its terms, in the order of the equation.
    public static let fates: [PointFate] = [.delivered, .assumed, .pending, .dead, .lost, .excluded]

    public var backend: String
    public var owed: Int64
    /// Points by fate; those that stand in the ledger.
    public var points: [PointFate: Int64]

    public init(backend: String, owed: Int64, points: [PointFate: Int64]) {
        self.backend = backend
        self.owed = owed
        self.points = points
    }

    /// Zero when the books add up.
    public var difference: Int64 { owed - points.values.reduce(0, +) }
}

extension AuditDatabase {
    /// The account of each backend, as of one moment. Pending is counted over the ranges that are owed.
    public func books(_ limits: AuditLimits) throws(AuditError) -> [AuditBooks] {
        var collector = BooksCollector()
        try ask(
            "SELECT name, owed, delivered, assumed, pending, dead, lost, excluded FROM backends", limits,
            into: &collector)
        return collector.books
    }
}

private struct BooksCollector: AuditAnswer {
    var books: [AuditBooks] = []

    mutating func begin(columns: [String]) {}
    mutating func end() {}

    mutating func add(_ row: AuditAnswerRow, nanosecondsLeft: () -> Int64) {
        var points: [PointFate: Int64] = [:]
        for (column, fate) in AuditBooks.fates.enumerated() { points[fate] = row[column + 2].integer ?? 0 }
        books.append(AuditBooks(backend: row[0].string ?? "", owed: row[1].integer ?? 0, points: points))
    }
}
