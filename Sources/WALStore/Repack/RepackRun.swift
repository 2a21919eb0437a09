/// Neighbouring rows that are to become one.
struct RepackRun: Sendable {
    private(set) var rows: [SizedRow] = []
    private(set) var points = 0
    private(set) var bytes: Int64 = 0
    private(set) var largest = 0
    /// Spool clock, of its first point.
    private(set) var firstReceived: Int64 = 0
    private(set) var isOwed = false

    mutating func add(_ row: SizedRow, firstReceived: Int64, isOwed: Bool) {
        if rows.isEmpty { (self.firstReceived, self.isOwed) = (firstReceived, isOwed) }
        rows.append(row)
        points += row.row.points
        bytes += row.blockBytes
        largest = max(largest, row.row.points)
    }

    /// A merged row of it is worth being written: see `RepackRules`.
    func pays(_ rules: RepackRules) -> Bool {
        rows.count >= rules.smallestRun && largest * 100 <= points * rules.largestPercent
    }

    /// Itself when it pays, otherwise what lies behind a row that outweighs all others; nil when nothing pays.
    func payingPart(_ rules: RepackRules) -> RepackRun? {
        var part = self
        while part.rows.count >= rules.smallestRun {
            if part.pays(rules) { return part }
            guard let index = part.rows.firstIndex(where: { $0.row.points == part.largest }) else { return nil }
            part = part.of(part.rows[(index + 1)...])
        }
        return nil
    }

    /// The first so many rows of it.
    func prefix(_ count: Int) -> RepackRun { of(rows[..<count]) }

    private func of(_ rows: ArraySlice<SizedRow>) -> RepackRun {
        var run = RepackRun()
        for row in rows { run.add(row, firstReceived: firstReceived, isOwed: isOwed) }
        return run
    }
}
