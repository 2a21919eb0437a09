/// Every query about running totals.
final class CounterStatements {
    let find: Statement
    let advance: Statement
    let insert: Statement
    let count: Statement
    let hasOld: Statement
    let deleteOld: Statement

    static let counting = "SELECT count(*) FROM counters"

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
        count = try Statement(CounterStatements.counting, on: connection)
        hasOld = try Statement(
            "SELECT EXISTS (SELECT 1 FROM counters WHERE backend_id = ?1 AND settled_at < ?2)", on: connection)
        deleteOld = try Statement(
            """
            DELETE FROM counters WHERE (backend_id, series_high, series_low, part) IN
                (SELECT backend_id, series_high, series_low, part FROM counters
                    WHERE backend_id = ?1 AND settled_at < ?2 LIMIT ?3)
            """, on: connection)
    }
}

@available(*, unavailable)
extension CounterStatements: Sendable {}
