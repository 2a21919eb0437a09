/// Points that count as delivered because of what their backend said later: an attempt had no answer, and the next one was
/// told that they are there already. Nobody has confirmed them.
public struct AssumedDelivery: Sendable, Hashable {
    public var id: Int64
    public var backend: String
    /// All points at these places.
    public var places: PlaceRange
    public var points: Int64
    public var attempts: Int
    /// Of the answer that said so.
    public var status: Int
    /// Wall clock, nanoseconds since the epoch.
    public var firstAttemptAt: Int64
    public var settledAt: Int64
}

/// Some of them, in the order in which they were settled.
public struct AssumedDeliveryPage: Sendable {
    public var deliveries: [AssumedDelivery] = []
    /// Where the next page begins; nil: there is none. A page that ends for its time may be empty and have a next one.
    public var next: Int64?
}

extension DeadLetterFilter {
    /// Of what is assumed only places are known: reasons, times of points and series let nothing through.
    func admits(_ delivery: AssumedDelivery) -> Bool {
        !asksPoint && reason == nil && (backend.map { $0 == delivery.backend } ?? true)
            && (buried?.contains(delivery.settledAt) ?? true)
    }
}

extension SpoolReader {
    /// Rows that are looked at in one transaction: most of them are confirmed, and short.
    private static let deliveriesAtOnce: Int64 = 2048

    /// The next deliveries that are assumed and that the filter lets through.
    ///
    /// - Parameter after: `AssumedDeliveryPage.next` of the page before; 0 to begin.
    func assumedDeliveries(
        _ filter: DeadLetterFilter, after: Int64, _ limit: DeadLetterLimit
    ) async throws(SpoolError) -> AssumedDeliveryPage {
        var page = AssumedDeliveryPage()
        var last = after
        let end = monotonic() + limit.nanoseconds
        while true {
            let start = last
            var rows: Int64 = 0
            try query { (connection) throws(SQLiteError) in
                let select = try Statement(
                    """
                    SELECT d.id, b.name, d.first_sequence, d.first_ordinal, d.end_sequence, d.end_ordinal, d.points,
                        d.attempts, d.status, d.first_attempt_wall, d.settled_wall, d.outcome = 'assumed'
                    FROM deliveries d JOIN backends b ON b.id = d.backend_id
                    WHERE d.id > ?1 ORDER BY d.id LIMIT ?2
                    """, on: connection)
                try select.rows(.integer(start), .integer(SpoolReader.deliveriesAtOnce)) { row in
                    rows += 1
                    last = row.integer(0)
                    guard row.integer(11) == 1, let delivery = AssumedDelivery(row), filter.admits(delivery) else {
                        return true
                    }
                    page.deliveries.append(delivery)
                    return page.deliveries.count < limit.letters
                }
            }
            let isFull = page.deliveries.count >= limit.letters
            if !isFull, rows < SpoolReader.deliveriesAtOnce { return page }
            if isFull || monotonic() >= end { break }
            // Leases have their turn between.
            await Task.yield()
        }
        page.next = last
        return page
    }
}

extension AssumedDelivery {
    /// nil: what a damaged row says of its places cannot be.
    fileprivate init?(_ row: Statement) {
        let (start, end) = (Place(row.integer(2), row.integer(3)), Place(row.integer(4), row.integer(5)))
        guard start <= end else { return nil }
        id = row.integer(0)
        backend = row.text(1)
        places = PlaceRange(start, end)
        points = row.integer(6)
        attempts = Int(row.integer(7))
        status = Int(row.integer(8))
        firstAttemptAt = row.integer(9)
        settledAt = row.integer(10)
    }
}
