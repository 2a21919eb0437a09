/// Tables that are the spool's own, with the names of backends in place of numbers, and times that can be read: views in
/// the connection's temporary schema, which go before the tables of the file.
enum AuditViews {
    /// Makes them on a connection. Nothing is written: what is temporary is in memory.
    static func create(on connection: Connection) throws(SQLiteError) {
        for (name, query) in all { try connection.execute("CREATE TEMP VIEW \(name) AS \(query)") }
    }

    private static let backend = "(SELECT name FROM main.backends WHERE id = backend_id)"

    static let all: [(name: String, query: String)] = [
        (
            "batches",
            """
            SELECT sequence, last_sequence, utc(received_wall) AS at, received_wall AS received_time, points,
                length(block) AS bytes, first_time, last_time, position FROM main.batches
            """
        ),
        (
            "receipts",
            """
            SELECT id, utc(received_wall) AS at, received_wall AS received_time, sequence, first_ordinal, points,
                request_id, request_part, source, peer, body_bytes, refused_points, exemplars, trace_parent
            FROM main.receipts
            """
        ),
        (
            "refusals",
            """
            SELECT r.id, r.receipt_id, utc(c.received_wall) AS at, c.received_wall AS received_time, c.request_id,
                r.reason, r.points, r.line, r.detail FROM main.refusals r LEFT JOIN main.receipts c ON c.id = r.receipt_id
            """
        ),
        (
            "deliveries",
            """
            SELECT id, \(backend) AS backend, utc(settled_wall) AS at, settled_wall AS settled_time,
                first_attempt_wall AS first_attempt_time, first_sequence, first_ordinal, end_sequence, end_ordinal, points,
                outcome, reason, status, attempts FROM main.deliveries
            """
        ),
        ("routes", "SELECT id, utc(first_wall) AS at, first_wall AS first_time, rules FROM main.routes"),
        (
            "pending",
            """
            SELECT \(backend) AS backend, CASE lane WHEN 0 THEN 'live' WHEN 1 THEN 'backlog' ELSE 'replay' END AS lane,
                first_sequence, first_ordinal, end_sequence, end_ordinal, first_position, end_position,
                end_position - first_position AS points FROM main.ranges WHERE job_id = 0
            UNION ALL
            SELECT b.name, 'live', b.tail_sequence, b.tail_ordinal, s.next_sequence, 0, b.tail_position, s.next_position,
                s.next_position - b.tail_position FROM main.backends b, main.spool s WHERE b.tail_position < s.next_position
            """
        ),
        (
            "dead_letters",
            """
            SELECT id, \(backend) AS backend, utc(buried_wall) AS at, buried_wall AS buried_time,
                origin_sequence AS sequence, origin_ordinal AS ordinal, letter(block, 'time') AS time,
                letter(block, 'name') AS name, letter(block, 'field') AS field, letter(block, 'labels') AS labels,
                letter(block, 'value') AS value, letter(block, 'kind') AS kind, reason, status, excerpt, attempts,
                first_attempt_wall AS first_attempt_time, request_id FROM main.dead_letters
            """
        ),
        (
            "losses",
            """
            SELECT id, CASE WHEN backend_id IS NOT NULL THEN \(backend) END AS backend, utc(lost_wall) AS at,
                lost_wall AS lost_time, reason, first_sequence, first_ordinal, end_sequence, end_ordinal, first_time,
                last_time, points, detail FROM main.losses
            """
        ),
        (
            "streams",
            """
            SELECT name, committed_lines, utc(changed_wall) AS at, changed_wall AS changed_time,
                created_wall AS created_time FROM main.streams
            """
        ),
        (
            "request_keys",
            """
            SELECT id, utc(noted_wall) AS at, noted_wall AS noted_time, is_complete, committed_lines, stored_points,
                refused_points, dropped_points FROM main.request_keys
            """
        ),
        ("events", "SELECT id, utc(wall) AS at, wall AS time, kind, detail FROM main.events"),
        (
            "backends",
            """
            SELECT name, type, iif(detached_position IS NULL, 1, 0) AS attached, s.next_position AS owed,
                b.delivered_points AS delivered, b.assumed_points AS assumed,
                coalesce((SELECT sum(end_position - first_position) FROM main.ranges
                    WHERE backend_id = b.id AND job_id = 0), 0)
                    + iif(tail_position IS NULL, 0, s.next_position - tail_position) AS pending,
                b.dead_points AS dead, b.lost_points AS lost,
                b.excluded_points + iif(detached_position IS NULL, 0, s.next_position - detached_position) AS excluded,
                first_sequence FROM main.backends b, main.spool s
            """
        ),
    ]
}
