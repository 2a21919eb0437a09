/// Dead letters have a budget and an age of their own; what goes is lost, counted as such.
extension Spool {
    private static let lettersADeletion = 256

    /// - Returns: how many dead letters became losses; 0 when all may stay.
    func limitDeadLetters() throws(SpoolError) -> Int {
        let points = ledger.backends.reduce(0) { $0 + $1.deadPoints }
        guard points > 0 else { return 0 }
        let database = try openDatabase()
        let average = try checked { () throws(SQLiteError) in try database.statements.deadLetterBytes.integer() }
        // Never more than a quarter of the tenant's budget: they must leave room for what they come from.
        let share = configuration.maximumBytes.map { $0 / 4 } ?? .max
        // The count is the ledger's, and what a damaged file can make of that has no end but its own.
        let (bytes, isOver) = points.multipliedReportingOverflow(by: average)
        if isOver || bytes > min(configuration.deadLetterMaximumBytes, share) {
            return try loseLetters(buriedBy: .max, .deadLetterBudget)
        }
        guard clock.at >= upkeep.agePausedUntil else { return 0 }
        return try loseLetters(
            buriedBy: clock.at.subtractingSeconds(configuration.deadLetterMaximumAgeSeconds), .deadLetterAge)
    }

    /// Dead letters of one backend that go in one transaction.
    private struct Group {
        var ids: [Int64] = []
        /// From the first to behind the last; nil while none of them says a place that can be.
        var places: PlaceRange?

        mutating func add(_ id: Int64, _ place: Place) {
            ids.append(id)
            // What a damaged row says of its place is not said on.
            guard place.sequence >= 0, (0..<Int64(Block.maximumPoints)).contains(place.ordinal) else { return }
            let end = Place(place.sequence, place.ordinal + 1)
            places = PlaceRange(min(places?.start ?? place, place), max(places?.end ?? end, end))
        }
    }

    private func loseLetters(buriedBy cutoff: Int64, _ reason: LossReason) throws(SpoolError) -> Int {
        let database = try openDatabase()
        var groups: [Int64: Group] = [:]
        try checked { () throws(SQLiteError) in
            let limit = Int64(Spool.lettersADeletion)
            try database.statements.deadLettersBuriedBy.rows(.integer(cutoff), .integer(limit)) { row in
                let place = Place(row.integer(2), row.integer(3))
                groups[row.integer(1), default: Group()].add(row.integer(0), place)
                return true
            }
        }
        guard !groups.isEmpty else { return 0 }
        return try transact { (database) throws(SpoolError) in
            var count = 0
            for index in ledger.backends.indices {
                guard let group = groups[ledger.backends[index].id] else { continue }
                count += group.ids.count
                ledger.backends[index].deadPoints -= Int64(group.ids.count)
                ledger.backends[index].lostPoints += Int64(group.ids.count)
                changedBackends.insert(ledger.backends[index].id)
                try checked { () throws(SQLiteError) in
                    try delete(group, ledger.backends[index].id, reason, database)
                }
            }
            return count
        }
    }

    private func delete(
        _ group: Group, _ backendID: Int64, _ reason: LossReason, _ database: Database
    ) throws(SQLiteError) {
        for id in group.ids { try database.statements.deleteDeadLetter.runOnOne(.integer(id)) }
        try count(
            LossRow(
                backendID: backendID, reason: reason, places: group.places, points: Int64(group.ids.count),
                detail: "dead letters among these places", startedAt: clock.at),
            database)
    }
}
