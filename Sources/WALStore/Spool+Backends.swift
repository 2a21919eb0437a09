extension Spool {
    /// Takes a configuration: registers its backends, closes the tail of those that are not in it any more. Called
    /// when the spool opens, before its first append, and by a reload.
    ///
    /// - Throws: `.misuse` when a backend's name is known with another type; nothing is changed then.
    func configure(_ new: SpoolConfiguration) throws(SpoolError) {
        for registration in new.backends { try checkType(registration) }
        let now = clock.read(environment.time)
        try transact { (database) throws(SpoolError) in
            for registration in new.backends { try register(registration, now: now, new.backends, database) }
            let names = Set(new.backends.map(\.name))
            for index in ledger.backends.indices where !names.contains(ledger.backends[index].name) {
                guard ledger.backends[index].isAttached else { continue }
                let edits = ledger.backends[index].detach(at: ledger.end)
                try checked { () throws(SQLiteError) in
                    try apply(edits, backendID: ledger.backends[index].id, database)
                }
                try record(event: "backend_detached", ledger.backends[index].name, database)
            }
        }
        configuration = new
        account.set(new.spaceLimits)
    }

    private func checkType(_ registration: BackendRegistration) throws(SpoolError) {
        for name in [registration.name, registration.renamedFrom] {
            guard let name, let index = ledger.index(of: name), ledger.backends[index].type != registration.type else {
                continue
            }
            throw SpoolError(
                .misuse,
                "backend \(name) of tenant \(tenant) is known as \(ledger.backends[index].type), not \(registration.type); "
                    + "give it another name")
        }
    }

    private func register(
        _ registration: BackendRegistration, now: Int64, _ all: [BackendRegistration], _ database: Database
    ) throws(SpoolError) {
        if let index = ledger.index(of: registration.name) ?? renamed(registration, all) {
            if ledger.backends[index].name != registration.name {
                ledger.backends[index].name = registration.name
                changedBackends.insert(ledger.backends[index].id)
            }
            guard let detached = ledger.backends[index].detachedPosition else { return }
            // The gap is excluded, but for what a backfill asks of it.
            let start = try backfillStart(registration.backfill, now: now, database)
            ledger.backends[index].attach(at: start.position < detached ? ledger.end : start)
            changedBackends.insert(ledger.backends[index].id)
            try record(event: "backend_attached", registration.name, database)
        } else {
            try add(registration, start: try backfillStart(registration.backfill, now: now, database), database)
        }
    }

    /// The backend that had this one's former name, unless the configuration still has one under that name.
    private func renamed(_ registration: BackendRegistration, _ all: [BackendRegistration]) -> Int? {
        guard let former = registration.renamedFrom, !all.contains(where: { $0.name == former }) else { return nil }
        return ledger.index(of: former)
    }

    private func add(_ registration: BackendRegistration, start: Cut, _ database: Database) throws(SpoolError) {
        try checked { () throws(SQLiteError) in
            try database.statements.insertBackend.run(
                .text(registration.name), .text(registration.type), .integer(start.place.sequence),
                .integer(clock.wall), .integer(start.place.sequence), .integer(start.place.ordinal),
                .integer(start.position), .integer(start.position))
        }
        var backend = BackendState(
            id: database.connection.lastInsertedID, name: registration.name, type: registration.type,
            firstSequence: start.place.sequence)
        backend.tail = start
        backend.excludedPoints = start.position
        ledger.backends.append(backend)
    }

    /// From where on a backend that comes is owed.
    private func backfillStart(
        _ backfill: BackendRegistration.Backfill, now: Int64, _ database: Database
    ) throws(SpoolError) -> Cut {
        let oldest: Int64
        switch backfill {
        case .none: return ledger.end
        case .all: oldest = .min
        case .seconds(let seconds):
            let (span, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
            oldest = overflow ? .min : now - span
        }
        let first = try checked { () throws(SQLiteError) in
            try database.statements.firstRowSince.first(.integer(oldest)) { row in
                Cut(Place(row.integer(0), 0), row.integer(1))
            }
        }
        return first ?? ledger.end
    }
}
