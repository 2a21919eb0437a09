import Metrics
import Synchronization

extension Spool {
    /// Ends a lease, or the named parts of it, in one transaction; returns when it is durable.
    ///
    /// It joins the commit that comes next, or makes its own.
    ///
    /// - Parameter mayWait: nothing goes on only when it is durable, so that it may wait for new points to ride with: 50 ms,
    ///   200 ms where others go by, or as long as these linger. What is not durable yet is sent again after a crash.
    /// - Throws: `.misuse` when the lease is not ours or a part of it was settled before: nothing is changed then.
    ///   `.commitFailed`: the outcome is unknown; settling the same again is safe.
    public nonisolated func settle(
        _ lease: Lease, _ settlement: Settlement, mayWait: Bool = false
    ) async throws(SpoolError) {
        let result = await withCheckedContinuation { continuation in
            let settle = CommitQueue.Settle(lease: lease, settlement: settlement) { continuation.resume(returning: $0) }
            switch queue.withLock({ $0.add(settle, mayWait: mayWait) }) {
            case .queued(let call): if let call { callCommit(call) }
            case .refused(let error): settle.completion(.failure(error))
            }
        }
        try result.get()
    }

    /// A run of points with one fate, as the ledger sees it.
    private struct Ending {
        var span: Span
        var fate: Fate
        /// Of its points, by rule.
        var excluded: Int64
        var piece: Int
        /// Of the leased batch.
        var ordinals: Range<Int>
    }

    /// Carries out one settlement, inside `transact`.
    ///
    /// - Returns: a failure for a mistake of the caller, which must not take the group's commit with it.
    func end(_ settle: CommitQueue.Settle, _ database: Database) throws(SpoolError) -> Result<Void, SpoolError> {
        guard var record = leases[settle.lease.id],
            let index = ledger.backends.firstIndex(where: { $0.id == record.backendID })
        else { return .failure(SpoolError(.misuse, "the lease is not held any more")) }
        let endings: [Ending]
        do throws(SpoolError) {
            endings = try plan(settle, &record, ledger.backends[index])
        } catch {
            return .failure(error)
        }
        for ending in coalesced(endings) { try carryOut(ending, settle, record, backend: index, database) }
        try advance(settle.settlement.counters, backendID: record.backendID, database)
        leases[settle.lease.id] = record.remaining.isEmpty ? nil : record
        if record.isMerged, record.remaining.isEmpty, let piece = settle.lease.pieces.first {
            environment.merges.give(columnsOf: piece.batch)
        }
        return .success(())
    }

    /// Checks every part before anything is changed, and takes the parts out of what the lease holds.
    private func plan(
        _ settle: CommitQueue.Settle, _ record: inout LeaseRecord, _ backend: BackendState
    ) throws(SpoolError) -> [Ending] {
        var endings: [Ending] = []
        for part in settle.settlement.parts {
            guard record.pieces.indices.contains(part.run.piece),
                settle.lease.pieces.indices.contains(part.run.piece),
                let ordinals = part.run.ordinals.within(record.pieces[part.run.piece].leasedOrdinals)
            else { throw SpoolError(.misuse, "a settled run lies outside its lease") }
            let span = record.pieces[part.run.piece].span(leased: ordinals)
            guard span.points > 0 else { continue }
            guard record.holds(span.positions) else {
                throw SpoolError(.misuse, "points of a lease are settled twice")
            }
            record.remove(span.positions)
            if part.fate == .released { continue }
            guard !part.fate.isDead || settle.lease.pieces[part.run.piece].bodies.isEmpty else {
                throw SpoolError(.misuse, "a dead letter is made of points, and the lease has bodies")
            }
            guard part.hasPlausibleExclusions(by: settle.settlement.route) else {
                throw SpoolError(.misuse, "more points are excluded than there are, or by no rules")
            }
            if !backend.owes(span, upTo: ledger.end) {
                // The commit of unknown outcome did it.
                if record.hasUnknownSettle { continue }
                throw SpoolError(.misuse, "points of a lease are owed no more")
            }
            endings.append(
                Ending(
                    span: span, fate: part.fate, excluded: Int64(part.excluded), piece: part.run.piece,
                    ordinals: ordinals))
        }
        return endings
    }

    /// Joins neighbours of one fate: fewer rows. Dead ones stay apart, they need their points.
    private func coalesced(_ endings: [Ending]) -> [Ending] {
        var joined: [Ending] = []
        for ending in endings.sorted(by: { $0.span.start.position < $1.span.start.position }) {
            if let last = joined.last, last.fate == ending.fate, !ending.fate.isDead,
                last.span.end.position == ending.span.start.position
            {
                joined[joined.count - 1].span = Span(last.span.start, ending.span.end)
                joined[joined.count - 1].excluded += ending.excluded
            } else {
                joined.append(ending)
            }
        }
        return joined
    }

    private func carryOut(
        _ ending: Ending, _ settle: CommitQueue.Settle, _ lease: LeaseRecord, backend index: Int, _ database: Database
    ) throws(SpoolError) {
        let backendID = ledger.backends[index].id
        let edits = ledger.backends[index].end(ending.span)
        try checked { () throws(SQLiteError) in try apply(edits, backendID: backendID, database) }
        switch ending.fate {
        case .delivered:
            ledger.backends[index].deliveredPoints += ending.span.points - ending.excluded
            try record(ending, "confirmed", settle.settlement, backend: index, database)
        case .assumed:
            ledger.backends[index].assumedPoints += ending.span.points - ending.excluded
            try record(ending, "assumed", settle.settlement, backend: index, database)
        case .excluded(let reason):
            ledger.backends[index].excludedPoints += ending.span.points
            try record(ending.span, "excluded", reason, settle.settlement, backend: index, database)
        case .dead(let reason):
            ledger.backends[index].deadPoints += ending.span.points
            let batch = settle.lease.pieces[ending.piece].batch
            for ordinal in ending.ordinals {
                let piece = lease.pieces[ending.piece]
                let place = piece.start(ordinal - piece.shift).place
                try bury(batch, ordinal, place, reason, settle.settlement, backendID, database)
            }
        case .released: preconditionFailure("what is released stays owed")
        }
    }

    /// Deliveries this far apart get rows of their own, so that a row still tells when.
    private static let deliveryRowNanoseconds: Int64 = 60_000_000_000

    /// What was delivered, and what of it rules kept back.
    private func record(
        _ ending: Ending, _ outcome: String, _ settlement: Settlement, backend index: Int, _ database: Database
    ) throws(SpoolError) {
        if let route = settlement.route { try keep(route, database) }
        ledger.backends[index].excludedPoints += ending.excluded
        try record(
            ending.span, outcome, settlement.route?.reason, settlement, backend: index, database,
            excluded: ending.excluded)
    }

    /// Writes a `deliveries` row, or lets the one before it grow; with it the one over the same places of what rules kept back.
    func record(
        _ span: Span, _ outcome: String, _ reason: String?, _ settlement: Settlement, backend index: Int,
        _ database: Database, excluded: Int64 = 0
    ) throws(SpoolError) {
        var row = DeliveryRow(
            start: span.start, end: span.end, points: span.points - excluded, excludedPoints: excluded,
            outcome: outcome,
            reason: reason, firstAttemptWall: settlement.firstAttemptAt, attempts: settlement.attempts,
            status: settlement.status, settledAt: clock.at)
        if let last = ledger.backends[index].lastDelivery,
            last.isContinued(by: row, at: span.start, within: Spool.deliveryRowNanoseconds)
        {
            row.continues(last)
        }
        let backendID = ledger.backends[index].id
        try checked { () throws(SQLiteError) in
            if row.points > 0 || span.points == 0 {
                row.id = try write(row, row.id, row.points, row.outcome, backendID, database)
            }
            if row.excludedPoints > 0 {
                row.excludedID = try write(row, row.excludedID, row.excludedPoints, "excluded", backendID, database)
            }
        }
        ledger.backends[index].lastDelivery = row
    }

    /// - Parameter id: of the row that grows; nil for a new one.
    /// - Returns: its id.
    private func write(
        _ row: DeliveryRow, _ id: Int64?, _ points: Int64, _ outcome: String, _ backendID: Int64, _ database: Database
    ) throws(SQLiteError) -> Int64 {
        let end: [SQLValue] = [.integer(row.end.place.sequence), .integer(row.end.place.ordinal), .integer(points)]
        if let id {
            try database.statements.extendDelivery.run(
                .integer(id), end[0], end[1], end[2], .integer(clock.at), .integer(clock.wall))
            return id
        }
        try database.statements.insertDelivery.run(
            .integer(backendID), .integer(row.start.place.sequence), .integer(row.start.place.ordinal), end[0], end[1],
            end[2], .text(outcome), SQLValue(row.reason), .integer(row.firstAttemptWall), .integer(clock.at),
            .integer(clock.wall), .integer(Int64(row.attempts)), .integer(Int64(row.status)))
        return database.connection.lastInsertedID
    }
}

extension Settlement.Part {
    fileprivate func hasPlausibleExclusions(by route: StoredRoute?) -> Bool {
        guard excluded != 0 else { return true }
        return (0...run.ordinals.count).contains(excluded) && route != nil && (fate == .delivered || fate == .assumed)
    }
}

extension DeliveryRow {
    /// Takes over what `last` has: it is that row, grown.
    fileprivate mutating func continues(_ last: DeliveryRow) {
        (id, excludedID) = (last.id, last.excludedID)
        // By rules alone, without an answer.
        if points == 0 { (outcome, attempts, status) = (last.outcome, last.attempts, last.status) }
        start = last.start
        points += last.points
        excludedPoints += last.excludedPoints
        firstAttemptWall = last.firstAttemptWall
    }

    fileprivate func isContinued(by next: DeliveryRow, at start: Cut, within span: Int64) -> Bool {
        let isOfRules = points == 0 || next.points == 0
        return end.position == start.position && reason == next.reason
            && (isOfRules || outcome == next.outcome && attempts == next.attempts && status == next.status)
            && next.firstAttemptWall >= firstAttemptWall && next.firstAttemptWall - firstAttemptWall < span
    }
}

extension Fate {
    fileprivate var isDead: Bool { if case .dead = self { true } else { false } }
}

extension Range<Int> {
    /// Itself when it lies in `outer`.
    fileprivate func within(_ outer: Range<Int>) -> Range<Int>? {
        lowerBound >= outer.lowerBound && upperBound <= outer.upperBound ? self : nil
    }
}
