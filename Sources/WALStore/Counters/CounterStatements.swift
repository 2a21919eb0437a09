/// Every query about running totals.
final class CounterStatements {
    let find: Statement
    let advance: Statement
    let insert: Statement
    let count: Statement
    private let walk: Statement
    let delete: Statement
    /// Of the row that holds a sequence.
    let receivedAt: Statement

    /// A row of a walk.
    struct Row: Sendable {
        /// As the statements take it.
        var key: [SQLValue]
        var backendID: Int64
        var settledAt: Int64
    }

    init(on connection: Connection) throws(SQLiteError) {
        let key = "backend_id = ?1 AND series_high = ?2 AND series_low = ?3 AND part = ?4"
        find = try Statement(
            "SELECT value, time, start_time, window_sum FROM counters WHERE \(key)", on: connection)
        // Never back: what was settled later may have been sent before.
        advance = try Statement(
            """
            UPDATE counters SET value = ?5, time = ?6, start_time = ?7, window_sum = ?8, settled_at = ?9
            WHERE \(key) AND time < ?6
            """, on: connection)
        insert = try Statement(
            """
            INSERT OR IGNORE INTO counters (backend_id, series_high, series_low, part, value, time, start_time, window_sum,
                settled_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
            """, on: connection)
        count = try Statement("SELECT count(*) FROM counters", on: connection)
        walk = try Statement(
            """
            SELECT backend_id, series_high, series_low, part, settled_at FROM counters
            WHERE (backend_id, series_high, series_low, part) > (?1, ?2, ?3, ?4)
            ORDER BY backend_id, series_high, series_low, part LIMIT ?5
            """, on: connection)
        delete = try Statement("DELETE FROM counters WHERE \(key)", on: connection)
        receivedAt = try Statement(
            "SELECT received_at FROM batches WHERE sequence <= ?1 ORDER BY sequence DESC LIMIT 1", on: connection)
    }

    /// The rows that come next, in the order of their keys.
    func page(after last: Row?, _ count: Int) throws(SQLiteError) -> [Row] {
        let key = last?.key ?? Array(repeating: .integer(.min), count: 4)
        var rows: [Row] = []
        try walk.rows(key[0], key[1], key[2], key[3], .integer(Int64(count))) { row in
            rows.append(
                Row(
                    key: (0..<4).map { .integer(row.integer($0)) }, backendID: row.integer(0), settledAt: row.integer(4)
                ))
            return true
        }
        return rows
    }
}

@available(*, unavailable)
extension CounterStatements: Sendable {}
