/// The last part of a salvage: one walk over all rows in order, in steps. What is owed and lies between two rows is not
/// there, and is made a loss.
extension Spool {
    private static let rowsAWalk = 1024

    func walkOn(_ work: SalvageWork, _ database: Database) throws(SpoolError) -> Bool {
        guard let former = work.walk else { return false }
        var rows = try nextRows(after: former.after, database)
        guard !rows.isEmpty else {
            try endWalk(work, former)
            return false
        }
        // The last of a full step is only looked at: the next step begins with it.
        let following = rows.count > Spool.rowsAWalk ? rows.removeLast().position : nil
        let walk = try transact { (database) throws(SpoolError) in
            var walk = former
            for (index, row) in rows.enumerated() {
                let next = index + 1 < rows.count ? rows[index + 1].position : following
                try pass(row, next: next, &walk, database)
                walk.after = row.sequence
            }
            return walk
        }
        work.walk = walk
        return true
    }

    private func nextRows(after sequence: Int64, _ database: Database) throws(SpoolError) -> [StoredRow] {
        var rows: [StoredRow] = []
        try checked { () throws(SQLiteError) in
            try Statement(
                """
                SELECT sequence, last_sequence, position, points, received_at FROM batches WHERE sequence > ?1
                ORDER BY sequence LIMIT \(Spool.rowsAWalk + 1)
                """, on: database.connection
            ).rows(.integer(sequence)) { row in
                rows.append(
                    StoredRow(
                        sequence: row.integer(0), lastSequence: row.integer(1), position: row.integer(2),
                        points: Int(row.integer(3)), receivedAt: row.integer(4)))
                return true
            }
        }
        return rows
    }

    /// One row: what is missing before it is lost, and it stands where its neighbours say.
    private func pass(
        _ row: StoredRow, next: Int64?, _ walk: inout SalvageWalk, _ database: Database
    ) throws(SpoolError) {
        var row = row
        let expected = walk.expected.position
        let bound = next ?? ledger.nextPosition
        let isNextInPlace = bound == expected + Int64(row.points)
        let fits = row.position >= expected && row.positions.upperBound <= bound
        if row.position != expected, isNextInPlace || !fits {
            // Its position is the one number of a row that nothing vouches for.
            guard expected + Int64(row.points) <= bound || row.sequence >= ledger.nextSequence else {
                try checked { () throws(SQLiteError) in
                    try database.statements.deleteBatch.run(.integer(row.sequence))
                }
                return
            }
            row.position = expected
            try checked { () throws(SQLiteError) in
                try Statement(
                    ChainTable.batches.update(
                        [("position", "?2")], where: "sequence = ?1", isChained: database.connection.isChained),
                    on: database.connection
                ).run(.integer(row.sequence), .integer(expected))
            }
        }
        let start = Cut(Place(row.sequence, 0), row.position)
        walk.lostPoints += try loseGap(from: walk.expected, to: start, database)
        try mendCuts(row, after: walk.expected, database)
        try dropLetters(ofWhatIsOwedIn: row, database)
        walk.expected = Cut(Place(row.lastSequence + 1, 0), row.positions.upperBound)
    }

    /// - Returns: how many points were owed there, of the backend that was owed most.
    private func loseGap(from start: Cut, to end: Cut, _ database: Database) throws(SpoolError) -> Int64 {
        guard start.position < end.position else { return 0 }
        var most: Int64 = 0
        let reason: LossReason = salvage?.carriedRows == 0 ? .spoolSetAside : .corruption
        for index in ledger.backends.indices {
            var lost: Int64 = 0
            for span in ledger.backends[index].owed(in: Span(start, end), upTo: ledger.end) {
                let letters = try letters(in: span, backend: index, database)
                try loseUnseen(
                    span, backend: index, reason, "not readable in what was set aside", letters: letters, database)
                lost += span.points - letters
            }
            most = max(most, lost)
        }
        return most
    }

    /// Puts right the places of what is owed from within this row: leasing begins there.
    private func mendCuts(_ row: StoredRow, after previous: Cut, _ database: Database) throws(SpoolError) {
        guard row.lastSequence == row.sequence else { return }
        func mended(_ cut: Cut) -> Cut? {
            guard row.positions.contains(cut.position) else { return nil }
            let ordinal = cut.position - row.position
            let isBefore =
                ordinal == 0 && cut.place.ordinal == 0 && cut.place.sequence <= row.sequence
                && cut.place.sequence >= previous.place.sequence
            guard !isBefore, cut.place != Place(row.sequence, ordinal) else { return nil }
            return Cut(Place(row.sequence, ordinal), cut.position)
        }
        for index in ledger.backends.indices {
            if let tail = ledger.backends[index].tail, let cut = mended(tail) {
                ledger.backends[index].tail = cut
                changedBackends.insert(ledger.backends[index].id)
            }
            for (place, range) in ledger.backends[index].ranges.enumerated() {
                guard let cut = mended(range.start) else { continue }
                let whole = OwedRange(lane: range.lane, start: cut, end: range.end)
                ledger.backends[index].ranges[place] = whole
                try checked { () throws(SQLiteError) in
                    try apply([.delete(range), .insert(whole)], backendID: ledger.backends[index].id, database)
                }
            }
        }
    }

    /// Behind the last row: what was accepted and is not there, and dead letters that could not be read.
    private func endWalk(_ work: SalvageWork, _ walk: SalvageWalk) throws(SpoolError) {
        let lost = try transact { (database) throws(SpoolError) in
            var lost = walk.lostPoints
            lost += try loseGap(from: walk.expected, to: ledger.end, database)
            for index in ledger.backends.indices { lost += try countLetters(backend: index, database) }
            try dropLettersOfNobody(database)
            lost += try lostWithBooks(database)
            try checked { () throws(SQLiteError) in try standInForReceipts(database.connection) }
            try record(
                event: "salvaged",
                "\(work.carriedRows) rows carried over, \(work.unreadableRows) unreadable, \(lost) points lost",
                database)
            return lost
        }
        try SalvageNote.remove(work.job.folder, environment.files)
        salvage = nil
        isBeingSalvaged = false
        raise(
            lost == 0 ? .warning : .error, "the salvage of a spool has ended",
            [
                "salvage.rows": String(work.carriedRows), "salvage.unreadable_rows": String(work.unreadableRows),
                "points.lost": String(lost), "spool.set_aside": work.job.names.joined(separator: " "),
            ])
        environment.onWork()
    }

    /// What counted as lost from the beginning, because nobody knew what had become of it: of the backend that lost most.
    /// Asked of the rows, which outlive a restart.
    private func lostWithBooks(_ database: Database) throws(SpoolError) -> Int64 {
        try checked { () throws(SQLiteError) in
            try Statement(
                """
                SELECT coalesce(max(points), 0) FROM (SELECT sum(points) AS points FROM losses WHERE detail = ?1
                    AND lost_at >= (SELECT max(at) FROM events WHERE kind = 'salvage_begun') GROUP BY backend_id)
                """, on: database.connection
            ).integer(.text(SalvagedLedger.booksLost))
        }
    }
}
