import Metrics

/// Dead letters, read beside the commits. Memory is that of one page, however many there are.
extension SpoolReader {
    private static let columns = """
        SELECT d.id, b.name, d.origin_sequence, d.origin_ordinal, d.request_id, d.reason, d.status, d.excerpt,
            d.attempts, d.first_attempt_wall, d.buried_wall, d.backend_id, d.block
        FROM dead_letters d JOIN backends b ON b.id = d.backend_id
        """

    /// The next letters that the filter lets through.
    ///
    /// - Parameter after: the id of the last one already seen; 0 to begin.
    func deadLetters(
        _ filter: DeadLetterFilter, after: Int64, _ limit: DeadLetterLimit
    ) async throws(SpoolError) -> DeadLetterPage {
        var page = DeadLetterPage()
        var (last, bytes) = (after, 0)
        let end = monotonic() + limit.nanoseconds
        var isFull = false
        while !isFull {
            let start = last
            var rows: Int64 = 0
            try query { (connection) throws(SQLiteError) in
                let select = try Statement(
                    SpoolReader.columns + " WHERE d.id > ?1 AND d.id <= ?2 ORDER BY d.id LIMIT ?3", on: connection)
                try select.rows(
                    .integer(start), .integer(filter.until ?? .max), .integer(DeadLetterLimit.rowsAtOnce)
                ) { row in
                    rows += 1
                    last = row.integer(0)
                    guard let found = SpoolReader.letter(row, filter) else { return true }
                    bytes += found.point?.memoryBytes ?? 0
                    page.letters.append(found)
                    isFull = page.letters.count >= limit.letters || bytes >= DeadLetterLimit.pointBytes
                    return !isFull
                }
            }
            if !isFull, rows < DeadLetterLimit.rowsAtOnce { return page }
            isFull = isFull || monotonic() >= end
            // Leases have their turn between.
            if !isFull { await Task.yield() }
        }
        page.next = last
        return page
    }

    /// nil when there is none with this id.
    func deadLetter(_ id: Int64) throws(SpoolError) -> DeadLetterWithPoint? {
        try query { (connection) throws(SQLiteError) in
            try Statement(SpoolReader.columns + " WHERE d.id = ?1", on: connection).first(.integer(id)) { row in
                SpoolReader.letter(row, DeadLetterFilter())
            } ?? nil
        }
    }

    /// The highest id that a letter has now; nil when there is none.
    func newestDeadLetter() throws(SpoolError) -> Int64? {
        try query { (connection) throws(SQLiteError) in
            try Statement("SELECT id FROM dead_letters ORDER BY id DESC LIMIT 1", on: connection).first { row in
                row.integer(0)
            }
        }
    }

    /// nil when the filter does not let it through.
    private static func letter(_ row: Statement, _ filter: DeadLetterFilter) -> DeadLetterWithPoint? {
        var letter = DeadLetter(row)
        letter.backendID = row.integer(11)
        guard filter.admits(letter) else { return nil }
        let decoded = row.withBlob(12) { bytes in Result { () throws(SpoolError) in try Block.decode(bytes) } }
        let point: Batch? = if case .success(let block) = decoded { block.batch } else { nil }
        guard filter.admits(point: point) else { return nil }
        return DeadLetterWithPoint(letter: letter, point: point)
    }
}
