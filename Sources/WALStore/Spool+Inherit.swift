/// What a backend takes over of one that has left the config, when a rename is told late.
///
/// `renamed_from` hands a ledger on as a whole only where the new name is not known yet. A tenant that was out of the config
/// meanwhile has both: the former one, detached with its backlog, and the new one, which began when the tenant came back.
/// What the former one is still owed from before that beginning the new one has as excluded, all of it: it moves, as ranges
/// and as counts, and both keep their equation. See `docs/decisions/0030-a-rename-told-late.md`.
extension Spool {
    /// A backend, one that it follows, and what it can take over of it: whole ranges from before its own first point.
    private struct Inheritance {
        var heir: Int
        var former: Int
        var ranges: [OwedRange]
        var points: Int64 { ranges.reduce(0) { $0 + $1.end.position - $1.start.position } }
    }

    /// Something that was taken over, to be told of when it is committed.
    struct Inherited {
        var backend: String
        var former: String
        var points: Int64
    }

    /// Takes over what can be; called with each configuration.
    ///
    /// To be called inside `transact`.
    func inherit(_ registrations: [BackendRegistration], _ database: Database) throws(SpoolError) -> [Inherited] {
        var all: [Inherited] = []
        for registration in registrations {
            guard let found = inheritance(of: registration) else { continue }
            all.append(try takeOver(found, database))
        }
        return all
    }

    /// What was leased when the configuration came, by upkeep.
    func inheritLate() throws(SpoolError) {
        guard configuration.backends.contains(where: { inheritance(of: $0) != nil }) else { return }
        announce(
            try transact { (database) throws(SpoolError) in try inherit(configuration.backends, database) })
    }

    func announce(_ inherited: [Inherited]) {
        for one in inherited {
            raise(
                .info, "a backend takes over the backlog of its former name",
                ["backend": one.backend, "backend.former": one.former, "backlog.points": String(one.points)])
        }
        if !inherited.isEmpty { environment.onWork() }
    }

    private func inheritance(of registration: BackendRegistration) -> Inheritance? {
        guard let name = registration.renamedFrom, let heir = ledger.index(of: registration.name),
            let former = ledger.index(of: name), former != heir, !ledger.backends[former].isAttached
        else { return nil }
        let (new, old) = (ledger.backends[heir], ledger.backends[former])
        // Who still sends some of it ends first; so does who may take a note of overtaken points back.
        let isBusy = leases.values.contains {
            $0.backendID == old.id || ($0.backendID == new.id && $0.overtakenBefore != nil)
        }
        guard !isBusy else { return nil }
        let beginning = Place(new.firstSequence, 0)
        let ranges = old.ranges.filter {
            $0.end.place <= beginning && new.owed(in: Span($0.start, $0.end), upTo: ledger.end).isEmpty
        }
        let found = Inheritance(heir: heir, former: former, ranges: ranges)
        return found.points > 0 && found.points <= new.excludedPoints ? found : nil
    }

    private func takeOver(_ found: Inheritance, _ database: Database) throws(SpoolError) -> Inherited {
        let former = ledger.backends[found.former]
        let name = ledger.backends[found.heir].name
        ledger.backends[found.former].give(found.ranges)
        let taken = ledger.backends[found.heir].take(found.ranges, of: former)
        let heir = ledger.backends[found.heir]
        try checked { () throws(SQLiteError) in
            try apply(found.ranges.map { .delete($0) }, backendID: former.id, database)
            try apply(taken.map { .insert($0) }, backendID: heir.id, database)
            try database.statements.renameBackend.run(
                .integer(heir.id), .text(heir.name), .integer(heir.firstSequence))
        }
        try record(event: "backend_inherited", "\(name) from \(former.name): \(found.points) points", database)
        return Inherited(backend: name, former: former.name, points: found.points)
    }

    /// Says of backends that nobody sends for any more that they are still owed points.
    func warnOfBacklog(of names: [String]) {
        for backend in ledger.backends where names.contains(backend.name) && !backend.isAttached {
            let points = backend.pendingPoints(upTo: ledger.nextPosition)
            guard points > 0 else { continue }
            raise(
                .warning, "a backend that is not in the config is still owed points, which nothing sends",
                ["backend": backend.name, "backlog.points": String(points)])
        }
    }
}

extension BackendState {
    /// Another backend is owed `ranges` instead: they are excluded here.
    fileprivate mutating func give(_ given: [OwedRange]) {
        ranges.removeAll { given.contains($0) }
        for range in given { excludedPoints += range.end.position - range.start.position }
    }

    /// Is owed what `former` was; all of it was excluded, and lies before everything that was ever owed here.
    ///
    /// - Returns: the ranges as they are here.
    fileprivate mutating func take(_ given: [OwedRange], of former: BackendState) -> [OwedRange] {
        guard let first = given.first, let last = given.last else { return [] }
        let taken = given.map { OwedRange(lane: .backlog, start: $0.start, end: $0.end) }
        // It has not sent these; what it has sent is later.
        let isOvertaken = sentBefore > firstSequence
        for range in taken { excludedPoints -= range.end.position - range.start.position }
        ranges = taken + ranges
        firstSequence = first.start.place.sequence
        // An attempt of the former one may have arrived.
        sentBefore = max(sentBefore, former.sentBefore)
        unknownBefore = max(unknownBefore, former.unknownBefore)
        if let positions = former.overtaken { overtake(positions) }
        if isOvertaken { overtake(first.start.position..<last.end.position) }
        return taken
    }
}
