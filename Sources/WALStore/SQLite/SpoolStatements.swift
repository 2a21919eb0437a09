/// Every query of a spool's writer: the list of queries is the list of things a spool can do.
final class SpoolStatements {
    let begin: Statement
    let commit: Statement
    let rollback: Statement

    let insertBase: Statement
    let insertBaseCopy: Statement
    let insertBaseLife: Statement
    let basesFrom: Statement
    let nextBaseLife: Statement
    let standingRow: Statement
    let deleteBase: Statement
    let deleteBaseCopy: Statement
    let deleteBaseLives: Statement
    let insertBatch: Statement
    let rowsFrom: Statement
    let timedRowsFrom: Statement
    let receivedFrom: Statement
    let timesOfRow: Statement
    let timesOfRows: Statement
    let insertMergedBatch: Statement
    let deleteBatches: Statement
    let holdingSequence: Statement
    let insertReceipt: Statement
    let insertRefusal: Statement
    let oldestReceipt: Statement
    let newestReceipt: Statement
    let receiptFrom: Statement
    let receiptOfPlace: Statement
    let updateSpool: Statement
    let readLedgerVersion: Statement

    let insertBackend: Statement
    let updateBackend: Statement
    let renameBackend: Statement
    let insertRange: Statement
    let deleteRange: Statement
    let insertDelivery: Statement
    let extendDelivery: Statement
    let insertDeadLetter: Statement
    let listDeadLetters: Statement
    let readDeadLetterBlock: Statement
    let insertLoss: Statement
    let extendLoss: Statement
    let oldestLosses: Statement
    let rewriteLoss: Statement
    let deleteLoss: Statement
    let listLosses: Statement
    let insertEvent: Statement
    let pruneEvents: Statement

    let sizedRows: Statement
    let deleteBatch: Statement
    let oldestSequence: Statement
    let oldestRow: Statement
    let expiredRows: Statement
    let deleteExpiredRefusals: Statement
    let deleteExpiredReceipts: Statement
    let deleteExpiredDeliveries: Statement
    let deadLetterBytes: Statement
    let deadLettersBuriedBy: Statement
    let deleteDeadLetter: Statement
    let deadLetterOfPlace: Statement
    let deleteDeadLetterOfPlace: Statement
    let lossRows: Statement
    let pageCount: Statement
    let freePageCount: Statement

    init(on connection: Connection) throws(SQLiteError) {
        let isChained = connection.isChained
        /// The words of two lists, columns and their values.
        func insertion(_ table: ChainTable, _ columns: String, _ values: String, verb: String = "INSERT") -> String {
            func words(_ list: String) -> [String] { list.split(separator: " ").map { String($0) } }
            return table.insertion(words(columns), words(values), verb: verb, isChained: isChained)
        }
        begin = try Statement("BEGIN IMMEDIATE", on: connection)
        commit = try Statement("COMMIT", on: connection)
        rollback = try Statement("ROLLBACK", on: connection)

        insertBase = try Statement(
            insertion(.bases, "id block", "?1 ?2", verb: "INSERT OR REPLACE"), on: connection)
        insertBaseCopy = try Statement(
            insertion(.baseCopies, "id block", "?1 ?2", verb: "INSERT OR REPLACE"), on: connection)
        insertBaseLife = try Statement("INSERT OR IGNORE INTO base_lives VALUES (?1)", on: connection)
        // In either table: one of both rows may be gone.
        basesFrom = try Statement(
            """
            SELECT id FROM (SELECT id FROM bases WHERE id >= ?1 ORDER BY id LIMIT ?2)
            UNION SELECT id FROM (SELECT id FROM base_copies WHERE id >= ?1 ORDER BY id LIMIT ?2) ORDER BY 1 LIMIT ?2
            """, on: connection)
        nextBaseLife = try Statement(
            "SELECT min(first_sequence) FROM base_lives WHERE first_sequence > ?1", on: connection)
        standingRow = try Statement(
            """
            SELECT EXISTS (
                SELECT 1 FROM (SELECT last_sequence FROM batches WHERE sequence < ?2 ORDER BY sequence DESC LIMIT 1)
                WHERE last_sequence >= ?1)
            """, on: connection)
        deleteBase = try Statement("DELETE FROM bases WHERE id = ?1", on: connection)
        deleteBaseCopy = try Statement("DELETE FROM base_copies WHERE id = ?1", on: connection)
        deleteBaseLives = try Statement(
            """
            DELETE FROM base_lives WHERE first_sequence <= (
                SELECT min(id) FROM (SELECT min(id) AS id FROM bases UNION ALL SELECT min(id) FROM base_copies))
            """, on: connection)
        insertBatch = try Statement(
            insertion(
                .batches,
                "sequence last_sequence position points received_at received_wall first_time last_time key_id block",
                "?1 ?1 ?2 ?3 ?4 ?5 ?6 ?7 0 ?8"), on: connection)
        rowsFrom = try Statement(
            """
            SELECT sequence, last_sequence, position, points, received_at FROM batches
            WHERE sequence >= coalesce((SELECT max(sequence) FROM batches WHERE sequence <= ?1), ?1) ORDER BY sequence
            """, on: connection)
        timedRowsFrom = try Statement(
            """
            SELECT sequence, last_sequence, position, points, received_at, first_time, last_time FROM batches
            WHERE sequence >= coalesce((SELECT max(sequence) FROM batches WHERE sequence <= ?1), ?1) ORDER BY sequence
            """, on: connection)
        receivedFrom = try Statement(
            "SELECT sequence, received_at FROM batches WHERE sequence >= ?1 ORDER BY sequence LIMIT 1", on: connection)
        timesOfRow = try Statement(
            "SELECT first_time, last_time FROM batches WHERE sequence = ?1", on: connection)
        // Times of points; a row without any has none.
        timesOfRows = try Statement(
            """
            SELECT max(received_at), (SELECT received_wall FROM batches WHERE sequence = ?2),
                coalesce(min(first_time) FILTER (WHERE points > 0), 0),
                coalesce(max(last_time) FILTER (WHERE points > 0), 0)
            FROM batches WHERE sequence BETWEEN ?1 AND ?2
            """, on: connection)
        insertMergedBatch = try Statement(
            insertion(
                .batches,
                "sequence last_sequence position points received_at received_wall first_time last_time key_id block",
                "?1 ?2 ?3 ?4 ?5 ?6 ?7 ?8 0 ?9"), on: connection)
        deleteBatches = try Statement("DELETE FROM batches WHERE sequence BETWEEN ?1 AND ?2", on: connection)
        holdingSequence = try Statement(
            "SELECT coalesce((SELECT max(sequence) FROM batches WHERE sequence <= ?1), ?1)", on: connection)
        insertReceipt = try Statement(
            insertion(
                .receipts,
                """
                sequence first_ordinal points request_id request_part trace_parent source peer body_bytes \
                refused_points exemplars received_at received_wall
                """, "?1 ?2 ?3 ?4 ?5 ?6 ?7 ?8 ?9 ?10 ?11 ?12 ?13"), on: connection)
        insertRefusal = try Statement(
            "INSERT INTO refusals (receipt_id, reason, points, line, detail) VALUES (?1, ?2, ?3, ?4, ?5)",
            on: connection)
        oldestReceipt = try Statement("SELECT id FROM receipts ORDER BY id LIMIT 1", on: connection)
        newestReceipt = try Statement("SELECT id FROM receipts ORDER BY id DESC LIMIT 1", on: connection)
        receiptFrom = try Statement(
            "SELECT id, sequence, received_at FROM receipts WHERE id >= ?1 ORDER BY id LIMIT 1", on: connection)
        receiptOfPlace = try Statement(
            """
            SELECT first_ordinal, points, request_id FROM receipts WHERE id >= ?1 AND id < ?2 AND sequence = ?3
                AND first_ordinal <= ?4 AND points > 0 ORDER BY id DESC LIMIT 1
            """, on: connection)
        updateSpool = try Statement(
            ChainRow.update(
                [
                    ("next_sequence", "?1"), ("next_position", "?2"), ("accepted_requests", "?3"),
                    ("refused_points", "?4"), ("dropped_points", "?5"), ("ledger_version", "?6"), ("clock_at", "?7"),
                    ("clock_boot", "?8"), ("clock_boot_id", "?9"), ("clock_wall", "?10"), ("closed_cleanly", "?11"),
                ], isChained: isChained), on: connection)
        readLedgerVersion = try Statement("SELECT ledger_version FROM spool", on: connection)

        insertBackend = try Statement(
            """
            INSERT INTO backends (name, type, first_sequence, created_wall, tail_sequence, tail_ordinal, tail_position,
                excluded_points) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
            """, on: connection)
        // Without the name: the page of its index would be written with each settle.
        updateBackend = try Statement(
            """
            UPDATE backends SET detached_wall = CASE WHEN ?2 IS NULL THEN NULL ELSE coalesce(detached_wall, ?3) END,
                detached_position = ?2, tail_sequence = ?4, tail_ordinal = ?5, tail_position = ?6,
                delivered_points = ?7, assumed_points = ?8, dead_points = ?9, lost_points = ?10, excluded_points = ?11,
                sent_before = ?12, unknown_before = ?13, limits = ?14,
                retry = json_object('mode', ?15, 'attempts', ?16, 'next_attempt_at', ?17, 'reason', ?18)
            WHERE id = ?1
            """, on: connection)
        renameBackend = try Statement(
            "UPDATE backends SET name = ?2, first_sequence = ?3 WHERE id = ?1", on: connection)
        insertRange = try Statement(
            """
            INSERT INTO ranges (backend_id, lane, first_sequence, first_ordinal, first_position, end_sequence,
                end_ordinal, end_position) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
            """, on: connection)
        deleteRange = try Statement(
            "DELETE FROM ranges WHERE backend_id = ?1 AND job_id = 0 AND first_sequence = ?2 AND first_ordinal = ?3",
            on: connection)
        insertDelivery = try Statement(
            insertion(
                .deliveries,
                """
                backend_id first_sequence first_ordinal end_sequence end_ordinal points outcome reason \
                first_attempt_wall settled_at settled_wall attempts status
                """, "?1 ?2 ?3 ?4 ?5 ?6 ?7 ?8 ?9 ?10 ?11 ?12 ?13"), on: connection)
        extendDelivery = try Statement(
            ChainTable.deliveries.update(
                [
                    ("end_sequence", "?2"), ("end_ordinal", "?3"), ("points", "?4"), ("settled_at", "?5"),
                    ("settled_wall", "?6"),
                ], where: "id = ?1", isChained: isChained), on: connection)
        insertDeadLetter = try Statement(
            insertion(
                .deadLetters,
                """
                backend_id origin_sequence origin_ordinal request_id reason status excerpt attempts \
                first_attempt_wall buried_at buried_wall key_id block
                """, "?1 ?2 ?3 ?4 ?5 ?6 ?7 ?8 ?9 ?10 ?11 0 ?12"), on: connection)
        listDeadLetters = try Statement(
            """
            SELECT d.id, b.name, d.origin_sequence, d.origin_ordinal, d.request_id, d.reason, d.status, d.excerpt,
                d.attempts, d.first_attempt_wall, d.buried_wall
            FROM dead_letters d JOIN backends b ON b.id = d.backend_id WHERE d.id > ?1 ORDER BY d.id LIMIT ?2
            """, on: connection)
        readDeadLetterBlock = try Statement("SELECT block FROM dead_letters WHERE id = ?1", on: connection)
        insertLoss = try Statement(
            insertion(
                .losses,
                """
                backend_id reason first_sequence first_ordinal end_sequence end_ordinal first_time last_time points \
                lost_at lost_wall detail
                """, "?1 ?2 ?3 ?4 ?5 ?6 ?7 ?8 ?9 ?10 ?11 ?12"), on: connection)
        extendLoss = try Statement(
            ChainTable.losses.update(
                [
                    ("first_sequence", "?3"), ("first_ordinal", "?4"), ("end_sequence", "?5"), ("end_ordinal", "?6"),
                    ("first_time", "?7"), ("last_time", "?8"), ("points", "?9"), ("detail", "?10"),
                ], where: "id = ?1 AND lost_at = ?2", isChained: isChained), on: connection)
        oldestLosses = try Statement(
            """
            SELECT id, backend_id, reason, first_sequence, first_ordinal, end_sequence, end_ordinal, first_time,
                last_time, points, lost_at, lost_wall
            FROM losses WHERE points IS NOT NULL ORDER BY id LIMIT ?1
            """, on: connection)
        rewriteLoss = try Statement(
            ChainTable.losses.update(
                [
                    ("first_sequence", "?2"), ("first_ordinal", "?3"), ("end_sequence", "?4"), ("end_ordinal", "?5"),
                    ("first_time", "?6"), ("last_time", "?7"), ("points", "?8"), ("lost_at", "?9"),
                    ("lost_wall", "?10"), ("detail", "?11"),
                ], where: "id = ?1", isChained: isChained), on: connection)
        deleteLoss = try Statement("DELETE FROM losses WHERE id = ?1", on: connection)
        listLosses = try Statement(
            """
            SELECT l.id, b.name, l.reason, l.first_sequence, l.first_ordinal, l.end_sequence, l.end_ordinal,
                l.first_time, l.last_time, l.points, l.lost_wall, l.detail
            FROM losses l LEFT JOIN backends b ON b.id = l.backend_id WHERE l.id > ?1 ORDER BY l.id LIMIT ?2
            """, on: connection)
        insertEvent = try Statement(
            insertion(.events, "kind at wall detail", "?1 ?2 ?3 ?4"), on: connection)
        pruneEvents = try Statement(
            "DELETE FROM events WHERE id <= (SELECT max(id) FROM events) - ?1", on: connection)

        // Never the newest row: it carries the spool's end.
        sizedRows = try Statement(
            """
            SELECT sequence, last_sequence, position, points, received_at, length(block) FROM batches
            WHERE sequence >= ?1 AND sequence < (SELECT max(sequence) FROM batches) ORDER BY sequence LIMIT ?2
            """, on: connection)
        deleteBatch = try Statement("DELETE FROM batches WHERE sequence = ?1", on: connection)
        oldestSequence = try Statement("SELECT min(sequence) FROM batches", on: connection)
        oldestRow = try Statement(
            "SELECT sequence, position, (SELECT max(sequence) FROM batches) FROM batches ORDER BY sequence LIMIT 1",
            on: connection)
        // Of the oldest, so that the many that must stay are not walked over each time.
        let receipts = """
            SELECT id FROM (SELECT id, received_at, sequence FROM receipts ORDER BY id LIMIT ?3)
            WHERE received_at <= ?1 AND sequence < ?2
            """
        let deliveries = """
            SELECT id FROM (SELECT id, settled_at, end_sequence FROM deliveries ORDER BY id LIMIT ?3)
            WHERE settled_at <= ?1 AND end_sequence < ?2
            """
        expiredRows = try Statement("SELECT EXISTS (\(receipts)) OR EXISTS (\(deliveries))", on: connection)
        deleteExpiredRefusals = try Statement("DELETE FROM refusals WHERE receipt_id IN (\(receipts))", on: connection)
        deleteExpiredReceipts = try Statement("DELETE FROM receipts WHERE id IN (\(receipts))", on: connection)
        deleteExpiredDeliveries = try Statement("DELETE FROM deliveries WHERE id IN (\(deliveries))", on: connection)
        // Measured on the newest, as they are many.
        deadLetterBytes = try Statement(
            "SELECT avg(length(block) + 200) FROM (SELECT block FROM dead_letters ORDER BY id DESC LIMIT 64)",
            on: connection)
        deadLettersBuriedBy = try Statement(
            """
            SELECT id, backend_id, origin_sequence, origin_ordinal FROM dead_letters WHERE buried_at <= ?1
            ORDER BY buried_at LIMIT ?2
            """, on: connection)
        deleteDeadLetter = try Statement("DELETE FROM dead_letters WHERE id = ?1", on: connection)
        // Ids come back, places do not: what was seen a moment ago may be another letter now.
        let letterOfPlace = """
            FROM dead_letters WHERE id = ?1 AND backend_id = ?2 AND origin_sequence = ?3 AND origin_ordinal = ?4
            """
        deadLetterOfPlace = try Statement("SELECT 1 \(letterOfPlace)", on: connection)
        deleteDeadLetterOfPlace = try Statement("DELETE \(letterOfPlace)", on: connection)
        // They are few: `Spool.mergeLosses`.
        lossRows = try Statement("SELECT count(*) FROM losses", on: connection)
        pageCount = try Statement("PRAGMA page_count", on: connection)
        freePageCount = try Statement("PRAGMA freelist_count", on: connection)
    }
}
