/// Receipts by place. They are written in the order of their sequences, so that a sequence is found by halving, some twenty
/// of them being looked at, however many there are: an index would be a further page in every commit.
extension Spool {
    /// The request that brought a point; nil when its receipt is gone.
    func requestID(of place: Place, _ database: Database) throws(SQLiteError) -> String? {
        if let last = lastReceipt, last.holds(place) { return last.requestID }
        let first = try firstReceipt(of: place.sequence, database)
        let end = try firstReceipt(of: place.sequence + 1, database)
        lastReceipt = try database.statements.receiptOfPlace.first(
            .integer(first), .integer(end), .integer(place.sequence), .integer(place.ordinal)
        ) { row in
            ReceiptRun(
                sequence: place.sequence, firstOrdinal: row.integer(0), points: row.integer(1), requestID: row.text(2))
        }
        return lastReceipt?.requestID
    }

    /// When the first request of `sequence` or of a later one came, spool clock; nil when there is no such receipt.
    func received(since sequence: Int64, _ database: Database) throws(SQLiteError) -> Int64? {
        let first = try firstReceipt(of: sequence, database)
        let found = try database.statements.receiptFrom.first(.integer(first)) { ($0.integer(1), $0.integer(2)) }
        // After a salvage that could not read all of them the order may have a flaw; a later one came no earlier.
        return found.flatMap { $0.0 >= sequence ? $0.1 : nil }
    }

    /// The sequence of the first request that came at `time` or later, spool clock; nil when none did.
    func firstSequence(receivedAt time: Int64, _ database: Database) throws(SQLiteError) -> Int64? {
        let statements = database.statements
        guard let oldest = try statements.oldestReceipt.first(read: { $0.integer(0) }) else { return nil }
        let newest = try statements.newestReceipt.integer()
        guard oldest >= 0, newest < .max else { throw SQLiteError.corrupt("a receipt has an id that none was given") }
        var (low, high) = (oldest, newest + 1)
        while low < high {
            let middle = low + (high - low) / 2
            let found = try statements.receiptFrom.first(.integer(middle)) { ($0.integer(0), $0.integer(2)) }
            if let found, found.1 < time { low = found.0 + 1 } else { high = middle }
        }
        return try statements.receiptFrom.first(.integer(low)) { $0.integer(1) }
    }

    /// The lowest id that a receipt of `sequence` or of a later one may have.
    private func firstReceipt(of sequence: Int64, _ database: Database) throws(SQLiteError) -> Int64 {
        let statements = database.statements
        guard let oldest = try statements.oldestReceipt.first(read: { $0.integer(0) }) else { return 0 }
        let newest = try statements.newestReceipt.integer()
        guard oldest >= 0, newest < .max else { throw SQLiteError.corrupt("a receipt has an id that none was given") }
        var (low, high) = (oldest, newest + 1)
        while low < high {
            let middle = low + (high - low) / 2
            let found = try statements.receiptFrom.first(.integer(middle)) { ($0.integer(0), $0.integer(1)) }
            if let found, found.1 < sequence {
                low = found.0 + 1
            } else {
                high = middle
            }
        }
        return low
    }
}

/// The part of a batch that one request brought.
struct ReceiptRun: Sendable, Hashable {
    var sequence: Int64
    var firstOrdinal: Int64
    var points: Int64
    var requestID: String

    func holds(_ place: Place) -> Bool {
        // Without an overflow: what was stored is input.
        place.sequence == sequence && place.ordinal >= firstOrdinal
            && !firstOrdinal.addingReportingOverflow(points).overflow && place.ordinal < firstOrdinal + points
    }
}
