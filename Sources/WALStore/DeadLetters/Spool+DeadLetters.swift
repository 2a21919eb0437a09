import Metrics

/// A point set aside, with reason and time.
public struct DeadLetter: Sendable, Hashable {
    public var id: Int64
    public var backend: String
    /// Where the point was accepted.
    public var origin: Place
    /// The request that brought it; empty when its receipt is gone.
    public var requestID: String
    public var reason: DeadLetterReason
    public var attempts: Int
    /// Wall clock, nanoseconds since the epoch.
    public var firstAttemptAt: Int64
    public var buriedAt: Int64
    /// As its row has it; what the ledger finds the backend by.
    var backendID: Int64 = 0
}

extension Spool {
    /// Writes one point as a dead letter: a block of one, unique for backend and place.
    func bury(
        _ batch: Batch, _ ordinal: Int, _ place: Place, _ reason: DeadLetterReason, _ settlement: Settlement,
        _ backendID: Int64, _ database: Database
    ) throws(SpoolError) {
        var point = Batch()
        point.merge(batch, ordinal..<ordinal + 1)
        // What travels with no point in particular stays with the rest of the batch.
        point.metadata = []
        point.exemplars.removeAll { $0.ordinal == nil }
        let origin = OriginRun(sequence: place.sequence, firstOrdinal: place.ordinal, count: 1)
        let block = Block.encode(point, origins: [origin], workspace: workspace)
        try checked { () throws(SQLiteError) in
            let statements = database.statements
            let request = try requestID(of: place, database)
            let excerpt = String(decoding: reason.excerpt.utf8.prefix(DeadLetterReason.excerptBytes), as: UTF8.self)
            try statements.insertDeadLetter.run(
                .integer(backendID), .integer(place.sequence), .integer(place.ordinal), .text(request ?? ""),
                .text(reason.code), .integer(Int64(reason.status)), .text(excerpt),
                .integer(Int64(settlement.attempts)), .integer(settlement.firstAttemptAt), .integer(clock.at),
                .integer(clock.wall), blob: block)
        }
    }

    /// Dead letters, oldest first.
    ///
    /// - Parameters:
    ///   - after: the id of the last one already seen; 0 to begin.
    ///   - limit: at most 1000 are returned.
    public func deadLetters(after: Int64 = 0, limit: Int = 100) throws(SpoolError) -> [DeadLetter] {
        let database = try openDatabase()
        var letters: [DeadLetter] = []
        try checked { () throws(SQLiteError) in
            let count = Int64(min(max(0, limit), 1000))
            try database.statements.listDeadLetters.rows(.integer(after), .integer(count)) { row in
                letters.append(DeadLetter(row))
                return true
            }
        }
        return letters
    }

    /// The point of a dead letter, as a batch of one; nil when there is no such letter.
    public func deadLetterPoint(_ id: Int64) throws(SpoolError) -> Batch? {
        let database = try openDatabase()
        let decoded = try checked { () throws(SQLiteError) in
            try database.statements.readDeadLetterBlock.first(.integer(id)) { row in
                row.withBlob(0) { bytes in Result { () throws(SpoolError) in try Block.decode(bytes) } }
            }
        }
        return try decoded?.get().batch
    }
}

extension DeadLetter {
    init(_ row: Statement) {
        id = row.integer(0)
        backend = row.text(1)
        origin = Place(row.integer(2), row.integer(3))
        requestID = row.text(4)
        reason = DeadLetterReason(code: row.text(5), excerpt: row.text(7), status: Int(row.integer(6)))
        attempts = Int(row.integer(8))
        firstAttemptAt = row.integer(9)
        buriedAt = row.integer(10)
    }
}
