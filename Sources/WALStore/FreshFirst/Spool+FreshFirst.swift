import Metrics

/// Leases where what is fresh goes ahead of what has waited.
extension Spool {
    /// Backlogs that lie apart, with something delivered between them: beyond so many no further one is made until one of
    /// them is drained, and what waits in the tail goes out in order. A link that comes and goes all day must not make the
    /// ledger grow, which is held in memory and looked through with each settlement.
    static let maximumBacklogRanges = 128

    /// What is owed, in the order in which it is to be leased: of the lane whose turn it is first, each lane oldest first.
    ///
    /// Sets apart what has waited too long to be fresh, in a transaction of its own.
    ///
    /// - Returns: also whether what is fresh goes ahead of a backlog; not where that is too old.
    func owedInTurn(_ index: Int, _ order: FreshFirst) throws(SpoolError) -> (ranges: [OwedRange], isAhead: Bool) {
        try setBacklogApart(index, order)
        let owed = ledger.backends[index].owedInOrder(upTo: ledger.end)
        let (backlog, fresh) = (owed.filter { $0.lane == .backlog }, owed.filter { $0.lane != .backlog })
        guard let first = backlog.first else { return (order.isAlone && order.turn == .backlog ? [] : owed, false) }
        if !isOvertaken(index), try isTooOld(first.start, order) {
            // Whoever asks for what is fresh alone has to wait.
            return (!order.isAlone ? owed : order.turn == .fresh ? [] : backlog, false)
        }
        let (inTurn, others) = order.turn == .fresh ? (fresh, backlog) : (backlog, fresh)
        return (order.isAlone ? inTurn : inTurn + others, true)
    }

    /// What is fresh goes ahead of the backlog, also of what is leased of it: to a backend that keeps order this has to be known before it is sent, since
    /// that "out of order" is no proof then that the points are there.
    func noteOvertaking(_ index: Int) throws(SpoolError) {
        let backend = ledger.backends[index]
        guard let first = backend.backlog.first, let last = backend.backlog.last, !isOvertaken(index) else { return }
        try transact { _ throws(SpoolError) in
            ledger.backends[index].overtake(first.start.position..<last.end.position)
            changedBackends.insert(backend.id)
            // Whoever would take an older note back would take this one along.
            for id in leases.keys where leases[id]?.backendID == backend.id { leases[id]?.overtakenBefore = nil }
        }
    }

    /// Whether the whole backlog is known to be overtaken.
    private func isOvertaken(_ index: Int) -> Bool {
        let backend = ledger.backends[index]
        guard let overtaken = backend.overtaken, let first = backend.backlog.first, let last = backend.backlog.last
        else { return false }
        return overtaken.lowerBound <= first.start.position && last.end.position <= overtaken.upperBound
    }

    private func isTooOld(_ start: Cut, _ order: FreshFirst) throws(SpoolError) -> Bool {
        guard let maximum = order.maximumBacklogSeconds else { return false }
        let database = try openDatabase()
        let now = clock.read(environment.time)
        return try checked { () throws(SQLiteError) in
            try age(at: start, now, database).map { $0 > Double(maximum) } ?? false
        }
    }

    /// Makes a backlog of what is not fresh any more, once something has waited for twice as long as that.
    private func setBacklogApart(_ index: Int, _ order: FreshFirst) throws(SpoolError) {
        let backend = ledger.backends[index]
        guard let oldest = backend.oldestFresh(upTo: ledger.end), backend.isAttached,
            backend.backlog.count < Spool.maximumBacklogRanges
        else { return }
        let now = clock.read(environment.time)
        let database = try openDatabase()
        let cut = try checked { () throws(SQLiteError) -> Cut? in
            guard let waited = try age(at: oldest, now, database), waited > 2 * Double(order.freshSeconds),
                waited <= order.maximumBacklogSeconds.map(Double.init) ?? .infinity
            else { return nil }
            let cut = try firstCut(receivedSince: now.subtractingSeconds(order.freshSeconds), database)
            return try beforeMetadata(cut, database)
        }
        guard let cut, cut.position > oldest.position else { return }
        let pending = try transact { (database) throws(SpoolError) in
            let edits = ledger.backends[index].setBacklogApart(before: cut)
            try checked { () throws(SQLiteError) in try apply(edits, backendID: backend.id, database) }
            return ledger.backends[index].backlog.reduce(0) { $0 + $1.end.position - $1.start.position }
        }
        raise(
            .info, "what has waited becomes a backlog, and fresh points go ahead of it",
            ["backend": backend.name, "backlog.points": String(pending)])
    }

    /// Before the first row of which all came at `time` or later; the end, when there is none.
    ///
    /// A merged row spans up to an hour: one that began earlier is left out whole.
    private func firstCut(receivedSince time: Int64, _ database: Database) throws(SQLiteError) -> Cut {
        guard let sequence = try firstRow(receivedSince: time, database) else { return ledger.end }
        var found: StoredRow?
        try eachRow(from: Place(sequence, 0), database) { row in
            found = row
            return false
        }
        guard let found else { return ledger.end }
        return try firstReceived(of: found, database) < time ? found.span.end : found.span.start
    }

    /// Moves a cut before the rows without points that lie in front of it: metadata rides along with the points behind it.
    private func beforeMetadata(_ cut: Cut, _ database: Database) throws(SQLiteError) -> Cut {
        var cut = cut
        for _ in 0..<Spool.maximumEmptyPieces {
            var found: StoredRow?
            try eachRow(from: Place(cut.place.sequence - 1, 0), database) { row in
                found = row
                return false
            }
            guard let found, found.points == 0, found.lastSequence < cut.place.sequence else { break }
            cut = found.span.start
        }
        return cut
    }
}
