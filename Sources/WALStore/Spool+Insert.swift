import Metrics

extension Spool {
    /// Writes a group's rows with their receipts and refusals.
    func insert(
        _ rows: [PackedRow], _ appends: [CommitQueue.Append], _ database: Database
    ) throws(SpoolError) -> [AppendReceipt] {
        var receipts = appends.map {
            AppendReceipt(places: [], storedPoints: 0, refusedPoints: $0.request.decoded.refusals.totalPoints)
        }
        var parts = [Int](repeating: 0, count: appends.count)
        for row in rows {
            try checked { () throws(SQLiteError) in
                if let fresh = row.base { try insert(fresh, database) }
                try database.statements.insertBatch.run(
                    .integer(row.sequence), .integer(ledger.nextPosition), .integer(Int64(row.batch.points.count)),
                    .integer(clock.at), .integer(clock.wall), .integer(row.firstTime), .integer(row.lastTime),
                    blob: row.block)
            }
            var ordinal = 0
            for slice in row.slices {
                try checked { () throws(SQLiteError) in
                    try insertReceipt(
                        appends[slice.append].request, sequence: row.sequence, first: ordinal,
                        points: slice.ordinals.count, part: parts[slice.append], database)
                }
                if !slice.ordinals.isEmpty {
                    receipts[slice.append].places.append(
                        PlaceRange(sequence: row.sequence, ordinals: ordinal..<ordinal + slice.ordinals.count))
                }
                receipts[slice.append].storedPoints += slice.ordinals.count
                ordinal += slice.ordinals.count
                parts[slice.append] += 1
            }
            ledger.nextSequence = row.sequence + 1
            ledger.nextPosition += Int64(ordinal)
        }
        ledger.acceptedRequests += Int64(appends.count)
        ledger.refusedPoints += receipts.reduce(0) { $0 + Int64($1.refusedPoints) }
        return receipts
    }

    private func insertReceipt(
        _ request: AppendRequest, sequence: Int64, first: Int, points: Int, part: Int, _ database: Database
    ) throws(SQLiteError) {
        let refusals = request.decoded.refusals
        try database.statements.insertReceipt.run(
            .integer(sequence), .integer(Int64(first)), .integer(Int64(points)), .text(request.requestID),
            .integer(Int64(part)), SQLValue(request.traceParent), .text(request.source), .text(request.peer),
            .integer(Int64(request.bodyBytes)), .integer(part == 0 ? Int64(refusals.totalPoints) : 0),
            .integer(part == 0 ? Int64(request.decoded.batch.exemplars.count) : 0), .integer(clock.at),
            .integer(clock.wall))
        guard part == 0, !refusals.isEmpty else { return }
        try insertRefusals(refusals, receiptID: database.connection.lastInsertedID, database)
    }

    /// The first refusals each, the rest by reason.
    private func insertRefusals(
        _ refusals: RefusalTally, receiptID: Int64, _ database: Database
    ) throws(SQLiteError) {
        var unlisted = refusals.points
        for refusal in refusals.first {
            unlisted[refusal.reason, default: 0] -= refusal.points
            try database.statements.insertRefusal.run(
                .integer(receiptID), .text(refusal.reason.rawValue), .integer(Int64(refusal.points)),
                SQLValue(refusal.line.map(Int64.init)), .text(refusal.detail))
        }
        for (reason, points) in unlisted.sorted(by: { $0.key.rawValue < $1.key.rawValue }) where points > 0 {
            try database.statements.insertRefusal.run(
                .integer(receiptID), .text(reason.rawValue), .integer(Int64(points)), .null, .text("not listed"))
        }
    }

    private static let dropReceiptRoom: Int64 = 128 << 10

    /// Rows that say what was dropped must not take what settling needs; the loss row counts them all.
    var hasRoomForDropReceipts: Bool {
        environment.space?.pressure.isAny != true && account.room > Spool.dropReceiptRoom
    }

    /// The only success that stores no points: a fsynced loss row says how many.
    func dropNewest(
        _ appends: [CommitQueue.Append], _ database: Database
    ) throws(SpoolError) -> [AppendReceipt] {
        var receipts: [AppendReceipt] = []
        let writesReceipts = hasRoomForDropReceipts
        for append in appends {
            let points = append.request.decoded.batch.points
            let refused = append.request.decoded.refusals.totalPoints
            try checked { () throws(SQLiteError) in
                // Its receipt owns no places; it stands at the newest sequence that was given.
                if writesReceipts {
                    try insertReceipt(
                        append.request, sequence: ledger.nextSequence - 1, first: 0, points: 0, part: 0, database)
                }
                guard let first = points.times.min(), let last = points.times.max() else { return }
                // The receipts, which own no places, tell which requests it was.
                let loss = LossRow(
                    reason: .dropNewest, firstTime: first, lastTime: last, points: Int64(points.count), requests: 1,
                    detail: "1 request", startedAt: clock.at)
                try count(loss, database)
            }
            ledger.acceptedRequests += 1
            ledger.refusedPoints += Int64(refused)
            ledger.droppedPoints += Int64(points.count)
            receipts.append(
                AppendReceipt(places: [], storedPoints: 0, refusedPoints: refused, droppedPoints: points.count))
        }
        return receipts
    }
}
