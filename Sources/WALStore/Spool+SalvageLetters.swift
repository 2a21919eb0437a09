/// Dead letters in a salvage. A letter is a point that is kept, so the books have to count it, and only once: with books
/// that were lost, letters and what is owed may speak of the same points.
extension Spool {
    /// Letters of points that are owed by these books, of which no row is there: at most as many as the span has points.
    func letters(in span: Span, backend index: Int, _ database: Database) throws(SpoolError) -> Int64 {
        let found = try checked { () throws(SQLiteError) in
            try Statement(
                """
                SELECT count(*) FROM dead_letters WHERE backend_id = ?1
                    AND (origin_sequence, origin_ordinal) >= (?2, ?3) AND (origin_sequence, origin_ordinal) < (?4, ?5)
                """, on: database.connection
            ).integer(
                .integer(ledger.backends[index].id), .integer(span.start.place.sequence),
                .integer(span.start.place.ordinal), .integer(span.end.place.sequence),
                .integer(span.end.place.ordinal))
        }
        return min(found, span.points)
    }

    /// Letters of points that the row has, and that are owed again: a point is sent again, and is refused again, if it
    /// must be. Better so than that a damaged number in a letter ends another point.
    func dropLetters(ofWhatIsOwedIn row: StoredRow, _ database: Database) throws(SpoolError) {
        for backend in ledger.backends where backend.owesAny(of: row.positions, upTo: ledger.nextPosition) {
            var ids: [Int64] = []
            try checked { () throws(SQLiteError) in
                try Statement(
                    """
                    SELECT id, origin_sequence, origin_ordinal FROM dead_letters
                    WHERE backend_id = ?1 AND origin_sequence BETWEEN ?2 AND ?3
                    """, on: database.connection
                ).rows(.integer(backend.id), .integer(row.sequence), .integer(row.lastSequence)) { letter in
                    if backend.owes(Place(letter.integer(1), letter.integer(2))) { ids.append(letter.integer(0)) }
                    return true
                }
                for id in ids { try database.statements.deleteDeadLetter.run(.integer(id)) }
            }
        }
    }

    /// Makes the books count the letters that are there.
    ///
    /// - Returns: how many of those that they counted are not.
    func countLetters(backend index: Int, _ database: Database) throws(SpoolError) -> Int64 {
        let id = ledger.backends[index].id
        let found = try checked { () throws(SQLiteError) in
            // Of places that were never given: the next point there could not be buried.
            try Statement(
                "DELETE FROM dead_letters WHERE backend_id = ?1 AND origin_sequence >= ?2", on: database.connection
            ).run(.integer(id), .integer(ledger.nextSequence))
            return try Statement("SELECT count(*) FROM dead_letters WHERE backend_id = ?1", on: database.connection)
                .integer(.integer(id))
        }
        let lost = ledger.backends[index].deadPoints - found
        guard lost != 0 else { return 0 }
        changedBackends.insert(id)
        guard lost > 0 else {
            try countMore(-lost, backend: index, database)
            return 0
        }
        ledger.backends[index].deadPoints -= lost
        ledger.backends[index].lostPoints += lost
        try checked { () throws(SQLiteError) in
            try database.statements.insertLoss.run(
                .integer(id), .text(LossReason.corruption.rawValue), .null, .null, .null, .null, .null, .null,
                .integer(lost), .integer(clock.at), .integer(clock.wall),
                .text("dead letters, not readable in what was set aside"))
        }
        return lost
    }

    /// Letters that the books, which were lost, had as something else: as lost with them, above all.
    private func countMore(_ letters: Int64, backend index: Int, _ database: Database) throws(SpoolError) {
        var backend = ledger.backends[index]
        let unknown = try checked { () throws(SQLiteError) in
            try Statement("SELECT coalesce(max(id), 0), points \(Spool.lostWithBooks)", on: database.connection)
                .first(.text(SalvagedLedger.booksLost), .integer(backend.id)) { ($0.integer(0), $0.integer(1)) }
        }
        let (row, most) = unknown ?? (0, 0)
        var left = letters
        func take(_ count: inout Int64, atMost limit: Int64 = .max) -> Int64 {
            let taken = min(left, count, limit)
            count -= taken
            left -= taken
            return taken
        }
        let fewer = take(&backend.lostPoints, atMost: most)
        _ = take(&backend.deliveredPoints)
        _ = take(&backend.assumedPoints)
        _ = take(&backend.excludedPoints)
        backend.deadPoints += letters - left
        ledger.backends[index] = backend
        try checked { () throws(SQLiteError) in
            if fewer > 0 {
                try Statement(
                    ChainTable.losses.update(
                        [("points", "nullif(points - ?2, 0)")], where: "id = ?1",
                        isChained: database.connection.isChained), on: database.connection
                )
                .run(.integer(row), .integer(fewer))
            }
            guard left > 0 else { return }
            // More than ever had an end: these are of no point of this backend.
            try Statement(
                """
                DELETE FROM dead_letters WHERE id IN
                    (SELECT id FROM dead_letters WHERE backend_id = ?1 ORDER BY id DESC LIMIT ?2)
                """, on: database.connection
            ).run(.integer(backend.id), .integer(left))
        }
    }

    /// Of backends that these books do not have.
    func dropLettersOfNobody(_ database: Database) throws(SpoolError) {
        try checked { () throws(SQLiteError) in
            try Statement(
                "DELETE FROM dead_letters WHERE backend_id NOT IN (SELECT id FROM backends)", on: database.connection
            ).run()
        }
    }

    /// The row of this salvage that says what was lost with a backend's books.
    private static let lostWithBooks = """
        FROM losses WHERE detail = ?1 AND backend_id = ?2
            AND lost_at >= (SELECT max(at) FROM events WHERE kind = 'salvage_begun')
        """
}

extension BackendState {
    fileprivate func owesAny(of positions: Range<Int64>, upTo end: Int64) -> Bool {
        ranges.contains { $0.positions.overlaps(positions) }
            || tail.map { max($0.position, positions.lowerBound) < min(end, positions.upperBound) } ?? false
    }

    /// Whether a point that was accepted is owed, asked of its place.
    fileprivate func owes(_ place: Place) -> Bool {
        ranges.contains { $0.start.place <= place && place < $0.end.place } || tail.map { $0.place <= place } ?? false
    }
}
