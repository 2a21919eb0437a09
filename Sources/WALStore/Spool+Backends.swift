extension Spool {
    /// Takes a configuration: registers its backends, closes the tail of those that are not in it any more. Called
    /// when the spool opens, before its first append, and by a reload.
    ///
    /// - Throws: `.misuse` when a backend's name is known with another type; nothing is changed then.
    func configure(_ new: SpoolConfiguration, asked: String? = nil) throws(SpoolError) {
        for registration in new.backends { try checkType(registration) }
        let now = clock.read(environment.time)
        var detached: [String] = []
        let inherited = try transact { (database) throws(SpoolError) in
            detached = []
            if let asked, new != configuration { try record(event: "reloaded", asked, database) }
            for registration in new.backends { try register(registration, now: now, new.backends, database) }
            let names = Set(new.backends.map(\.name))
            for index in ledger.backends.indices where !names.contains(ledger.backends[index].name) {
                guard ledger.backends[index].isAttached else { continue }
                let edits = ledger.backends[index].detach(at: ledger.end)
                try checked { () throws(SQLiteError) in
                    try apply(edits, backendID: ledger.backends[index].id, database)
                }
                try record(event: "backend_detached", ledger.backends[index].name, database)
                detached.append(ledger.backends[index].name)
            }
            return try inherit(new.backends, database)
        }
        configuration = new
        account.set(new.spaceLimits)
        announce(inherited)
        // A reload that was to mend it has done what it could.
        if isServing { detached += new.backends.compactMap(\.renamedFrom) }
        warnOfBacklog(of: detached)
    }

    private func checkType(_ registration: BackendRegistration) throws(SpoolError) {
        for name in [registration.name, registration.renamedFrom] {
            guard let name, let index = ledger.index(of: name), ledger.backends[index].type != registration.type else {
                continue
            }
            throw SpoolError(
                .misuse,
                "backend \(name) of tenant \(tenant) is known as \(ledger.backends[index].type), not \(registration.type); "
                    + "give the new one another name, or this one type \(ledger.backends[index].type) again")
        }
    }

    private func register(
        _ registration: BackendRegistration, now: Int64, _ all: [BackendRegistration], _ database: Database
    ) throws(SpoolError) {
        if let index = ledger.index(of: registration.name) ?? renamed(registration, all) {
            if ledger.backends[index].name != registration.name {
                ledger.backends[index].name = registration.name
                try checked { () throws(SQLiteError) in
                    try database.statements.renameBackend.run(
                        .integer(ledger.backends[index].id), .text(registration.name),
                        .integer(ledger.backends[index].firstSequence))
                }
            }
            guard let detached = ledger.backends[index].detachedPosition else { return }
            // The gap is excluded, but for what a backfill asks of it.
            let stretches = try stored(registration.backfill, from: detached, now: now, database)
            let edits = ledger.backends[index].attach(stretches, end: ledger.end)
            try checked { () throws(SQLiteError) in
                try apply(edits, backendID: ledger.backends[index].id, database)
            }
            try record(event: "backend_attached", registration.name, database)
        } else {
            try add(registration, try stored(registration.backfill, from: 0, now: now, database), database)
        }
    }

    /// The backend that had this one's former name, unless the configuration still has one under that name.
    private func renamed(_ registration: BackendRegistration, _ all: [BackendRegistration]) -> Int? {
        guard let former = registration.renamedFrom, !all.contains(where: { $0.name == former }) else { return nil }
        return ledger.index(of: former)
    }

    private func add(
        _ registration: BackendRegistration, _ stretches: [Span], _ database: Database
    ) throws(SpoolError) {
        let start = ledger.end
        let first = stretches.first?.start.place ?? start.place
        try checked { () throws(SQLiteError) in
            try database.statements.insertBackend.run(
                .text(registration.name), .text(registration.type), .integer(first.sequence),
                .integer(clock.wall), .integer(start.place.sequence), .integer(start.place.ordinal),
                .integer(start.position), .integer(start.position))
        }
        var backend = BackendState(
            id: database.connection.lastInsertedID, name: registration.name, type: registration.type,
            firstSequence: first.sequence)
        // As if it had been away since the first point.
        backend.detachedPosition = 0
        let edits = backend.attach(stretches, end: start)
        ledger.backends.append(backend)
        try checked { () throws(SQLiteError) in try apply(edits, backendID: backend.id, database) }
    }

    /// What a backend that comes is owed of the past: runs of stored points, oldest first.
    ///
    /// Runs, because rows in the middle may be gone: those that were delivered are deleted around those that were not. A
    /// point that is owed and not stored could never be sent, nor end in any other way. What a re-drive stored for another
    /// backend is left out.
    private func stored(
        _ backfill: BackendRegistration.Backfill, from position: Int64, now: Int64, _ database: Database
    ) throws(SpoolError) -> [Span] {
        let oldest: Int64
        switch backfill {
        case .none: return []
        case .all: oldest = .min
        case .seconds(let seconds):
            let (span, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
            oldest = overflow ? .min : now - span
        }
        var runs: [Span] = []
        try checked { () throws(SQLiteError) in
            guard let first = try firstRow(receivedSince: oldest, database) else { return }
            try eachRow(from: Place(first, 0), database) { row in
                guard row.points > 0, row.position >= position else { return true }
                if let last = runs.last, last.end.position == row.position {
                    runs[runs.count - 1].end = row.span.end
                } else {
                    runs.append(row.span)
                }
                return true
            }
            runs = try withoutRedriven(runs, database)
        }
        return runs
    }

    /// The first row that came at `oldest` or later, spool clock: it never falls from row to row, so that some twenty of
    /// them are looked at, however many there are.
    func firstRow(receivedSince oldest: Int64, _ database: Database) throws(SQLiteError) -> Int64? {
        var (low, high) = (Int64(0), ledger.nextSequence)
        while low < high {
            let middle = low + (high - low) / 2
            let row = try database.statements.receivedFrom.first(.integer(middle)) { ($0.integer(0), $0.integer(1)) }
            if let row, row.1 < oldest {
                low = row.0 + 1
            } else {
                high = middle
            }
        }
        return try database.statements.receivedFrom.first(.integer(low)) { $0.integer(0) }
    }
}
