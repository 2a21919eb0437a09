/// Every query about streams and keys.
final class ResendStatements {
    let findStream: Statement
    let countStreams: Statement
    let extendStream: Statement
    let insertStream: Statement
    let findKey: Statement
    let extendKey: Statement
    let insertKey: Statement
    let limitKeys: Statement
    let hasOldMarks: Statement
    let deleteOldStreams: Statement
    let deleteOldKeys: Statement

    init(on connection: Connection) throws(SQLiteError) {
        findStream = try Statement("SELECT committed_lines FROM streams WHERE name = ?1", on: connection)
        countStreams = try Statement("SELECT count(*) FROM streams", on: connection)
        extendStream = try Statement(
            """
            UPDATE streams SET committed_lines = ?3, changed_at = ?4, changed_wall = ?5
            WHERE name = ?1 AND committed_lines = ?2
            """, on: connection)
        insertStream = try Statement(
            """
            INSERT INTO streams (name, committed_lines, created_wall, changed_at, changed_wall)
            VALUES (?1, ?2, ?4, ?3, ?4)
            """, on: connection)
        findKey = try Statement(
            """
            SELECT committed_lines, body, is_complete, stored_points, refused_points, dropped_points FROM request_keys
            WHERE key = ?1
            """, on: connection)
        extendKey = try Statement(
            """
            UPDATE request_keys SET committed_lines = ?3, body = ?4, is_complete = ?5,
                stored_points = stored_points + ?6, refused_points = refused_points + ?7,
                dropped_points = dropped_points + ?8
            WHERE key = ?1 AND committed_lines = ?2 AND is_complete = 0
            """, on: connection)
        insertKey = try Statement(
            """
            INSERT INTO request_keys (key, committed_lines, body, is_complete, stored_points, refused_points,
                dropped_points, noted_at, noted_wall) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
            """, on: connection)
        limitKeys = try Statement("DELETE FROM request_keys WHERE id <= ?1", on: connection)
        let streams = "SELECT name FROM streams WHERE changed_at <= ?1 LIMIT ?2"
        // Of the oldest: they were noted in the order of their ids.
        let keys = "SELECT id FROM (SELECT id, noted_at FROM request_keys ORDER BY id LIMIT ?2) WHERE noted_at <= ?1"
        hasOldMarks = try Statement(
            """
            SELECT EXISTS (SELECT 1 FROM streams WHERE changed_at <= ?1)
                OR EXISTS (SELECT 1 FROM (SELECT noted_at FROM request_keys ORDER BY id LIMIT 1) WHERE noted_at <= ?2)
            """, on: connection)
        deleteOldStreams = try Statement("DELETE FROM streams WHERE name IN (\(streams))", on: connection)
        deleteOldKeys = try Statement("DELETE FROM request_keys WHERE id IN (\(keys))", on: connection)
    }
}

@available(*, unavailable)
extension ResendStatements: Sendable {}

extension Connection {
    func hasMarks() throws(SQLiteError) -> Bool {
        try integer("SELECT EXISTS (SELECT 1 FROM streams) OR EXISTS (SELECT 1 FROM request_keys)") == 1
    }
}
