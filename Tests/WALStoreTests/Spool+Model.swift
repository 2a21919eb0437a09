@testable import WALStore

/// What a model of a spool asks the real one.
extension Spool {
    /// Of the first point of each piece of a lease.
    func starts(of lease: Lease) -> [Int] {
        leases[lease.id]?.pieces.map { Int($0.row.position) + $0.ordinals.lowerBound } ?? []
    }

    /// Loses what is owed of the oldest rows that are owed at all; their positions.
    func loseOldest(_ count: Int) throws -> [Range<Int64>] {
        let database = try openDatabase()
        var rows: [StoredRow] = []
        try eachRow(from: Place(1, 0), database) { row in
            if ledger.backends.contains(where: { !$0.owed(in: row.span, upTo: ledger.end).isEmpty }) {
                rows.append(row)
            }
            return rows.count < count
        }
        return try transact { (database) throws(SpoolError) in try lose(rows, .quota, database).map(\.positions) }
    }

    /// What the rows say is what memory says.
    func checkStoredLedger() throws {
        struct Differs: Error { var what: String }
        let connection = try openDatabase().connection
        for backend in ledger.backends {
            let stored =
                try connection.integer(
                    "SELECT total(end_position - first_position) FROM ranges WHERE backend_id = \(backend.id)") ?? 0
            let held = backend.ranges.reduce(0) { $0 + $1.end.position - $1.start.position }
            guard stored == held else {
                throw Differs(what: "ranges of \(backend.name): \(stored) stored, \(held) held")
            }
            let dead = try connection.integer("SELECT count(*) FROM dead_letters WHERE backend_id = \(backend.id)") ?? 0
            guard dead == backend.deadPoints else { throw Differs(what: "dead letters of \(backend.name)") }
            let settled =
                try connection.integer(
                    "SELECT total(points) FROM deliveries WHERE backend_id = \(backend.id) AND outcome <> 'excluded'")
                ?? 0
            guard settled == backend.deliveredPoints + backend.assumedPoints else {
                throw Differs(what: "deliveries of \(backend.name): \(settled)")
            }
            let keptBack =
                try connection.integer(
                    "SELECT total(points) FROM deliveries WHERE backend_id = \(backend.id) AND outcome = 'excluded'")
                ?? 0
            guard keptBack <= backend.excludedPoints else {
                throw Differs(what: "excluded of \(backend.name): \(keptBack), \(backend.excludedPoints) counted")
            }
            let lost =
                try connection.integer(
                    "SELECT total(points) FROM losses WHERE backend_id = \(backend.id)") ?? 0
            guard lost == backend.lostPoints else { throw Differs(what: "losses of \(backend.name): \(lost)") }
        }
    }
}
