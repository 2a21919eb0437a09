extension Spool {
    /// Writes a loss row, or lets the one before it of the same backend and reason grow; to be called inside `transact`.
    func count(_ loss: LossRow, _ database: Database) throws(SQLiteError) {
        let index = ledger.openLosses.firstIndex { $0.isOfKind(loss) }
        if let index, ledger.openLosses[index].isContinued(by: loss) {
            var row = ledger.openLosses[index]
            row.grow(by: loss)
            try database.statements.extendLoss.run(
                .integer(row.id), .integer(row.startedAt), SQLValue(row.places?.start.sequence),
                SQLValue(row.places?.start.ordinal), SQLValue(row.places?.end.sequence),
                SQLValue(row.places?.end.ordinal), SQLValue(row.firstTime), SQLValue(row.lastTime),
                .integer(row.points), .text(row.detail))
            if database.connection.changes == 1 {
                ledger.openLosses[index] = row
                return
            }
        }
        try database.statements.insertLoss.run(
            SQLValue(loss.backendID), .text(loss.reason.rawValue), SQLValue(loss.places?.start.sequence),
            SQLValue(loss.places?.start.ordinal), SQLValue(loss.places?.end.sequence),
            SQLValue(loss.places?.end.ordinal), SQLValue(loss.firstTime), SQLValue(loss.lastTime),
            .integer(loss.points), .integer(clock.at), .integer(clock.wall), .text(loss.detail))
        var row = loss
        row.id = database.connection.lastInsertedID
        if let index { ledger.openLosses[index] = row } else { ledger.openLosses.append(row) }
    }

    /// Loss rows that are kept one by one: about a sixtieth of a tenant's budget.
    static func maximumLossRows(_ budget: Int64?) -> Int64 { min(16_384, max(256, (budget ?? .max) / 8192)) }

    /// Merges the oldest loss rows while there are too many, one transaction's worth: nothing else bounds them, as they
    /// outlive what they speak of. Their points stay exact; their places become those among which the points were.
    ///
    /// - Returns: false when there are few enough, or none that could be merged.
    func mergeLosses() throws(SpoolError) -> Bool {
        // A salvage still asks them what it has done.
        guard salvage == nil else { return false }
        let database = try openDatabase()
        let count = try checked { () throws(SQLiteError) in try database.statements.lossRows.integer() }
        guard count > Spool.maximumLossRows(configuration.maximumBytes) else { return false }
        var rows: [KeptLoss] = []
        try checked { () throws(SQLiteError) in
            // More than can stay when each backend keeps one of each reason.
            let limit = 256 + 16 * Int64(ledger.backends.count)
            try database.statements.oldestLosses.rows(.integer(limit)) { row in
                rows.append(KeptLoss(row))
                return true
            }
        }
        // A row a day tells more than one for all; but all of them must find room.
        var merged = KeptLoss.merged(rows) { $0.key(byDay: true) }
        if merged.count > rows.count / 2 { merged = KeptLoss.merged(rows) { $0.key(byDay: false) } }
        guard merged.count < rows.count else { return false }
        let kept = Set(merged.map(\.id))
        try transact { (database) throws(SpoolError) in
            ledger.openLosses = []
            try checked { () throws(SQLiteError) in
                for row in rows where !kept.contains(row.id) {
                    try database.statements.deleteLoss.runOnOne(.integer(row.id))
                }
                for row in merged where row.isMerged {
                    try database.statements.rewriteLoss.runOnOne(
                        .integer(row.id), SQLValue(row.start?.sequence), SQLValue(row.start?.ordinal),
                        SQLValue(row.end?.sequence), SQLValue(row.end?.ordinal), SQLValue(row.firstTime),
                        SQLValue(row.lastTime), .integer(row.points), .integer(row.lostAt), .integer(row.lostWall),
                        .text("among these places; several losses, the last begun \(UTC.text(row.lastLostWall))"))
                }
            }
        }
        return true
    }
}

/// A row of `losses` as `mergeLosses` handles it.
private struct KeptLoss {
    struct Key: Hashable {
        var backendID: Int64?
        var reason: String
        var day: Int64
    }

    /// The newest of what it was merged from: ids rise with time for those who read on from the last they saw.
    var id: Int64
    var backendID: Int64?
    var reason: String
    var start: Place?
    var end: Place?
    var firstTime: Int64?
    var lastTime: Int64?
    var points: Int64
    var lostAt: Int64
    var lostWall: Int64
    var lastLostWall: Int64
    var isMerged = false

    init(_ row: Statement) {
        id = row.integer(0)
        backendID = row.optionalInteger(1)
        reason = row.text(2)
        if !row.isNull(3), !row.isNull(5) {
            (start, end) = (Place(row.integer(3), row.integer(4)), Place(row.integer(5), row.integer(6)))
        }
        firstTime = row.optionalInteger(7)
        lastTime = row.optionalInteger(8)
        points = row.integer(9)
        lostAt = row.integer(10)
        lostWall = row.integer(11)
        lastLostWall = lostWall
    }

    func key(byDay: Bool) -> Key {
        Key(backendID: backendID, reason: reason, day: byDay ? lostWall / 86_400_000_000_000 : 0)
    }

    /// One row a key, in the order of the first of each.
    static func merged(_ rows: [KeptLoss], by key: (KeptLoss) -> Key) -> [KeptLoss] {
        var merged: [KeptLoss] = []
        var places: [Key: Int] = [:]
        for row in rows {
            if let index = places[key(row)], merged[index].take(row) { continue }
            places[key(row)] = merged.count
            merged.append(row)
        }
        return merged
    }

    /// - Returns: false when damaged numbers do not add up: that row stays as it is.
    private mutating func take(_ next: KeptLoss) -> Bool {
        let (sum, isOver) = points.addingReportingOverflow(next.points)
        guard !isOver else { return false }
        points = sum
        id = next.id
        start = [start, next.start].compactMap(\.self).min()
        end = [end, next.end].compactMap(\.self).max()
        firstTime = [firstTime, next.firstTime].compactMap(\.self).min()
        lastTime = [lastTime, next.lastTime].compactMap(\.self).max()
        lostAt = min(lostAt, next.lostAt)
        lostWall = min(lostWall, next.lostWall)
        lastLostWall = max(lastLostWall, next.lastLostWall)
        isMerged = true
        return true
    }
}
