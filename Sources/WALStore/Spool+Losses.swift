/// Why points ended without delivery. Raw values are stored.
public enum LossReason: String, Sendable, Hashable, CaseIterable {
    case quota, age, purge, corruption, erasure
    case dropNewest = "drop_newest"
    case deadLetterBudget = "dead_letter_budget"
    case deadLetterAge = "dead_letter_age"
    case spoolSetAside = "spool_set_aside"
}

/// A counted, explained end of points without delivery.
public struct Loss: Sendable, Hashable {
    public var id: Int64
    /// nil for points that never had a place, and for a spool that was set aside.
    public var backend: String?
    public var reason: LossReason
    public var places: PlaceRange?
    /// As measured by the sender, nanoseconds since the epoch.
    public var firstTime: Int64?
    public var lastTime: Int64?
    /// nil: not known, only for a spool that could not be read.
    public var points: Int64?
    /// Wall clock, nanoseconds since the epoch.
    public var lostAt: Int64
    public var detail: String
}

extension Spool {
    /// Ends what is still owed of `rows`, in loss rows of each backend's runs. A row with leased points is pinned: it is
    /// left out.
    ///
    /// To be called inside `transact`.
    ///
    /// - Parameter only: the one backend that loses them; nil: all do.
    /// - Returns: the rows of which nothing is owed to these any more.
    func lose(
        _ rows: [StoredRow], _ reason: LossReason, detail: String = "", of only: Int64? = nil, _ database: Database
    ) throws(SpoolError) -> [StoredRow] {
        let free = rows.filter { row in
            !leases.values.contains { $0.remaining.contains { $0.overlaps(row.positions) } }
        }
        for row in free {
            for index in ledger.backends.indices where only.map({ $0 == ledger.backends[index].id }) ?? true {
                for span in ledger.backends[index].owed(in: row.span, upTo: ledger.end) {
                    try lose(span, of: row, backend: index, reason, detail, database)
                }
            }
        }
        return free
    }

    private func lose(
        _ span: Span, of row: StoredRow, backend index: Int, _ reason: LossReason, _ detail: String,
        _ database: Database
    ) throws(SpoolError) {
        let backendID = ledger.backends[index].id
        let edits = ledger.backends[index].end(span)
        ledger.backends[index].lostPoints += span.points
        try checked { () throws(SQLiteError) in
            try apply(edits, backendID: backendID, database)
            let times = try database.statements.timesOfRow.first(.integer(row.sequence)) { row in
                (row.integer(0), row.integer(1))
            }
            try count(
                LossRow(
                    backendID: backendID, reason: reason, places: PlaceRange(span.start.place, span.end.place),
                    positions: span.positions, firstTime: times?.0, lastTime: times?.1, points: span.points,
                    detail: detail, startedAt: clock.at),
                database)
        }
    }

    /// Ends an owed span of which no row is stored; to be called inside `transact`.
    ///
    /// - Parameter letters: so many of its points are there as dead letters.
    func loseUnseen(
        _ span: Span, backend index: Int, _ reason: LossReason, _ detail: String, letters: Int64 = 0,
        _ database: Database
    ) throws(SpoolError) {
        let id = ledger.backends[index].id
        let edits = ledger.backends[index].end(span)
        let lost = span.points - letters
        ledger.backends[index].lostPoints += lost
        ledger.backends[index].deadPoints += letters
        try checked { () throws(SQLiteError) in
            try apply(edits, backendID: id, database)
            guard lost > 0 else { return }
            try database.statements.insertLoss.run(
                .integer(id), .text(reason.rawValue), .integer(span.start.place.sequence),
                .integer(span.start.place.ordinal), .integer(span.end.place.sequence),
                .integer(span.end.place.ordinal), .null, .null, .integer(lost), .integer(clock.at),
                .integer(clock.wall), .text(detail))
        }
    }

    /// Losses, oldest first.
    ///
    /// - Parameters:
    ///   - after: the id of the last one already seen; 0 to begin.
    ///   - limit: at most 1000 are returned.
    public func losses(after: Int64 = 0, limit: Int = 100) throws(SpoolError) -> [Loss] {
        let database = try openDatabase()
        var losses: [Loss] = []
        try checked { () throws(SQLiteError) in
            let count = Int64(min(max(0, limit), 1000))
            try database.statements.listLosses.rows(.integer(after), .integer(count)) { row in
                losses.append(Loss(row))
                return true
            }
        }
        return losses
    }
}

extension Loss {
    fileprivate init(_ row: Statement) {
        id = row.integer(0)
        backend = row.optionalText(1)
        reason = LossReason(rawValue: row.text(2)) ?? .corruption
        if !row.isNull(3), !row.isNull(5) {
            let (start, end) = (Place(row.integer(3), row.integer(4)), Place(row.integer(5), row.integer(6)))
            places = start <= end ? PlaceRange(start, end) : nil
        }
        firstTime = row.optionalInteger(7)
        lastTime = row.optionalInteger(8)
        points = row.optionalInteger(9)
        lostAt = row.integer(10)
        detail = row.text(11)
    }
}
