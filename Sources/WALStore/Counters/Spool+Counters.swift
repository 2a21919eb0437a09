import Metrics

/// Where running totals stand at backends that are sent increments (`CounterState`).
extension Spool {
    /// A total that a backend was told nothing of for so long is forgotten, once the backend is owed nothing.
    static let counterLifeSeconds: Int64 = 7 * 86_400
    private static let counterUpkeepSeconds: Int64 = 3600
    /// Looked at in one step: some milliseconds, with commits between two of them.
    private static let sweptCounters = 5000

    /// Where these totals stand; those that are not known are left out.
    ///
    /// - Parameter keys: few enough that commits may wait for them: a thousand take about a millisecond.
    /// - Throws: `.misuse` for a backend that the tenant does not have.
    public func counters(
        backend: String, _ keys: some Collection<CounterKey> & Sendable
    ) throws(SpoolError) -> [CounterKey: CounterState] {
        guard let index = ledger.index(of: backend) else {
            throw SpoolError(.misuse, "tenant \(tenant) has no backend \(backend)")
        }
        let backendID = ledger.backends[index].id
        let database = try openDatabase()
        return try checked { () throws(SQLiteError) in
            let statements = try database.counters()
            var found: [CounterKey: CounterState] = [:]
            found.reserveCapacity(keys.count)
            for key in keys {
                found[key] = try statements.find.first(
                    .integer(backendID), .integer(Int64(bitPattern: key.series.high)),
                    .integer(Int64(bitPattern: key.series.low)), .integer(Int64(key.part))
                ) { row in
                    CounterState(
                        value: row.real(0), time: row.integer(1), startTime: row.integer(2), windowSum: row.real(3))
                }
            }
            return found
        }
    }

    /// Writes what a settlement says of them, inside `transact`.
    func advance(
        _ counters: [CounterKey: CounterState], backendID: Int64, _ database: Database
    ) throws(SpoolError) {
        if counters.isEmpty { return }
        try checked { () throws(SQLiteError) in
            let statements = try database.counters()
            var known: Int64 = if let known = upkeep.counters { known } else { try statements.count.integer() }
            // In the order of the table: neighbours are on one page.
            for (key, state) in counters.sorted(by: { $0.key.isBefore($1.key) }) {
                let values: [SQLValue] = [
                    .integer(backendID), .integer(Int64(bitPattern: key.series.high)),
                    .integer(Int64(bitPattern: key.series.low)), .integer(Int64(key.part)), .real(state.value),
                    .integer(state.time), .integer(state.startTime), .real(state.windowSum), .integer(clock.at),
                ]
                try statements.advance.run(values: values)
                guard database.connection.changes == 0, known < upkeep.maximumCounters else { continue }
                try statements.insert.run(values: values)
                known += database.connection.changes
            }
            // Where the transaction comes to nothing it is too much, until the next round of upkeep.
            upkeep.counters = known
        }
    }

    /// One step of a walk over all totals, now and then, that forgets those of series that are gone.
    ///
    /// - Returns: whether there is more of it.
    func forgetOldCounters() throws(SpoolError) -> Bool {
        guard clock.at >= upkeep.agePausedUntil, clock.at >= upkeep.countersAt else { return false }
        let database = try openDatabase()
        var sweep = if let begun = upkeep.counterSweep { begun } else { try beginSweep(database) }
        let rows = try checked { () throws(SQLiteError) in
            try database.counters().page(after: sweep.last, Spool.sweptCounters)
        }
        let old = rows.filter { sweep.forgetful.contains($0.backendID) && $0.settledAt < sweep.cutoff }
        if !old.isEmpty {
            try transact { (database) throws(SpoolError) in
                try checked { () throws(SQLiteError) in
                    for row in old { try database.counters().delete.run(values: row.key) }
                }
            }
        }
        sweep.kept += Int64(rows.count - old.count)
        sweep.last = rows.last ?? sweep.last
        guard rows.count < Spool.sweptCounters else {
            upkeep.counterSweep = sweep
            return true
        }
        upkeep.counterSweep = nil
        upkeep.counters = sweep.kept
        upkeep.countersAt = clock.at.addingSeconds(Spool.counterUpkeepSeconds)
        warnOfManyCounters(sweep.kept)
        return false
    }

    /// Only of backends that are owed nothing as old as what is forgotten: an outage may last longer than any series is silent.
    private func beginSweep(_ database: Database) throws(SpoolError) -> CounterSweep {
        let cutoff = clock.at.subtractingSeconds(Spool.counterLifeSeconds)
        var forgetful: Set<Int64> = []
        for backend in ledger.backends {
            let owed = backend.owedInOrder(upTo: ledger.end).map(\.start.place.sequence).min()
            let oldest = try checked { () throws(SQLiteError) in
                try database.counters().receivedAt.integer(.integer(owed ?? .max))
            }
            let owesNothing = backend.pendingPoints(upTo: ledger.end.position) == 0
            if owesNothing || oldest >= cutoff { forgetful.insert(backend.id) }
        }
        return CounterSweep(cutoff: cutoff, forgetful: forgetful)
    }

    private func warnOfManyCounters(_ known: Int64) {
        guard known >= upkeep.maximumCounters else { return }
        raise(
            .warning, "a tenant has more running totals than are kept: no increments of the others are sent",
            ["counters": String(known)])
    }
}

extension CounterKey {
    /// In the order of the table.
    fileprivate func isBefore(_ other: CounterKey) -> Bool {
        (Int64(bitPattern: series.high), Int64(bitPattern: series.low), part)
            < (Int64(bitPattern: other.series.high), Int64(bitPattern: other.series.low), other.part)
    }
}
