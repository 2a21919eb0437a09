import Metrics

/// Where running totals stand at backends that are sent increments (`CounterState`).
extension Spool {
    /// A total that a backend was told nothing of for so long is forgotten, once the backend is owed nothing.
    static let counterLifeNanoseconds: Int64 = 7 * 86_400 * 1_000_000_000
    private static let counterUpkeepNanoseconds: Int64 = 3600 * 1_000_000_000
    /// In one transaction.
    private static let forgottenCounters: Int64 = 5000

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

    /// Forgets totals of series that are gone, now and then.
    ///
    /// - Returns: whether there may be more.
    func forgetOldCounters() throws(SpoolError) -> Bool {
        guard clock.at >= upkeep.agePausedUntil, clock.at >= upkeep.countersAt else { return false }
        let cutoff = clock.at - Spool.counterLifeNanoseconds
        upkeep.countersAt = clock.at + Spool.counterUpkeepNanoseconds
        let database = try openDatabase()
        let known = try checked { () throws(SQLiteError) in
            try database.connection.integer(CounterStatements.counting) ?? 0
        }
        upkeep.counters = known
        warnOfManyCounters(known)
        guard known > 0 else { return false }
        // An outage may last longer than any series is silent.
        let idle = ledger.backends.filter { $0.pendingPoints(upTo: ledger.end.position) == 0 }
        for backend in idle where try hasCounters(of: backend, before: cutoff, database) {
            let forgotten = try transact { (database) throws(SpoolError) in
                try checked { () throws(SQLiteError) in
                    try database.counters().deleteOld.run(
                        .integer(backend.id), .integer(cutoff), .integer(Spool.forgottenCounters))
                    return database.connection.changes
                }
            }
            guard forgotten == Spool.forgottenCounters else { continue }
            // Soon again.
            upkeep.countersAt = clock.at
            return true
        }
        return false
    }

    private func hasCounters(
        of backend: BackendState, before cutoff: Int64, _ database: Database
    ) throws(SpoolError) -> Bool {
        try checked { () throws(SQLiteError) in
            try database.counters().hasOld.integer(.integer(backend.id), .integer(cutoff)) == 1
        }
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
