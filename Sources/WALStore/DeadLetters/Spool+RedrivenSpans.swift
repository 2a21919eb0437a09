/// What a re-drive stored is for one backend, and another that comes later has it at its first place already.
extension Spool {
    /// The spans among `runs` that no re-drive stored.
    ///
    /// Where a merged row no longer tells which requests its points came with, they count as any others: a copy can be
    /// recognised, a gap cannot.
    ///
    /// - Parameter runs: of stored points, in order.
    func withoutRedriven(_ runs: [Span], _ database: Database) throws(SQLiteError) -> [Span] {
        guard let first = runs.first else { return [] }
        var sequences: [Int64] = []
        let select = try Statement(
            "SELECT DISTINCT sequence FROM receipts WHERE source = ?1 AND sequence >= ?2 AND points > 0 ORDER BY sequence",
            on: database.connection)
        try select.rows(.text(Spool.redriveSource), .integer(first.start.place.sequence)) { row in
            sequences.append(row.integer(0))
            return true
        }
        var redriven: [Span] = []
        for sequence in sequences {
            var holding: StoredRow?
            try eachRow(from: Place(sequence, 0), database) { row in
                holding = row
                return false
            }
            guard let row = holding, row.points > 0, row.sequence <= sequence, sequence <= row.lastSequence,
                let span = try span(of: sequence, in: row, database)
            else { continue }
            redriven.append(span)
        }
        return runs.without(redriven)
    }

    /// A row begins where its first request does, and what its requests stored follows in their order.
    private func span(of sequence: Int64, in row: StoredRow, _ database: Database) throws(SQLiteError) -> Span? {
        if row.sequence == row.lastSequence { return row.span }
        var (position, found) = (row.position, Span?.none)
        let select = try Statement(
            """
            SELECT sequence, sum(points) FROM receipts WHERE sequence BETWEEN ?1 AND ?2 GROUP BY sequence
            ORDER BY sequence
            """, on: database.connection)
        try select.rows(.integer(row.sequence), .integer(row.lastSequence)) { receipt in
            let points = receipt.integer(1)
            guard points >= 0, points <= row.positions.upperBound - position else {
                position = -1
                return false
            }
            if receipt.integer(0) == sequence {
                found = Span(Cut(Place(sequence, 0), position), Cut(Place(sequence + 1, 0), position + points))
            }
            position += points
            return true
        }
        return position == row.positions.upperBound ? found : nil
    }
}

extension [Span] {
    /// What is left of them; both in order, and each of `others` inside one of these or outside all.
    fileprivate func without(_ others: [Span]) -> [Span] {
        var left: [Span] = []
        var next = 0
        for span in self {
            var start = span.start
            while next < others.count, others[next].start.position < span.end.position {
                let other = others[next]
                next += 1
                guard other.start.position >= start.position else { continue }
                if other.start.position > start.position { left.append(Span(start, other.start)) }
                start = other.end
            }
            if start.position < span.end.position { left.append(Span(start, span.end)) }
        }
        return left
    }
}
