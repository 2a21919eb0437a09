/// A stored row without its block.
struct AuditRow {
    var sequence: Int64 = 0
    var lastSequence: Int64 = 0
    var position: Int64 = 0
    var points = 0
    var firstTime: Int64 = 0
    var lastTime: Int64 = 0

    var isMerged: Bool { sequence != lastSequence }

    /// Numbers of a damaged file may be any.
    fileprivate var isPossible: Bool {
        (0...Block.maximumPoints).contains(points) && lastSequence >= sequence
            && (0...Int64.max - Int64(Block.maximumPoints)).contains(position)
    }
}

/// Goes through the stored rows that a filter can be about, by sequence. Blocks are read one by one, when they are asked
/// for: of a row that is passed over nothing but its head is.
final class AuditRows {
    private let source: AuditSource
    private let isReversed: Bool
    private let heads: Statement
    private let start: Statement
    private let block: Statement
    private(set) var row = AuditRow()

    init(_ source: AuditSource, isReversed: Bool) throws(AuditError) {
        self.source = source
        self.isReversed = isReversed
        do throws(SQLiteError) {
            heads = try Statement(
                """
                SELECT sequence, last_sequence, position, points, first_time, last_time FROM main.batches
                WHERE sequence >= ?1 AND sequence <= ?2 AND last_sequence >= ?3 AND last_time >= ?4 AND first_time <= ?5
                    AND position > ?6 - points AND position <= ?7 ORDER BY sequence \(isReversed ? "DESC" : "ASC")
                """, on: source.connection)
            // A merged row that begins before may reach in.
            start = try Statement("SELECT max(sequence) FROM main.batches WHERE sequence <= ?1", on: source.connection)
            block = try Statement("SELECT block FROM main.batches WHERE sequence = ?1", on: source.connection)
        } catch { throw AuditError(error) }
    }

    func begin(_ filter: AuditFilter) throws(AuditError) {
        heads.reset()
        do throws(SQLiteError) {
            let lower = filter.sequences.lower
            let reaching: Int64? =
                lower == .min ? nil : try start.first(.integer(lower)) { $0.optionalInteger(0) } ?? nil
            try heads.begin(
                .integer(reaching ?? lower), .integer(filter.sequences.upper), .integer(lower),
                .integer(max(filter.times.lower, filter.lastTimes.lower)),
                .integer(min(filter.times.upper, filter.firstTimes.upper)),
                .integer(max(0, filter.positions.lower)), .integer(filter.positions.upper))
        } catch { throw AuditError(error) }
    }

    /// - Returns: false when there is no further row.
    func next() throws(AuditError) -> Bool {
        while true {
            do throws(SQLiteError) {
                guard try heads.step() else { return false }
            } catch { throw AuditError(error) }
            row = AuditRow(
                sequence: heads.integer(0), lastSequence: heads.integer(1), position: heads.integer(2),
                points: Int(clamping: heads.integer(3)), firstTime: heads.integer(4), lastTime: heads.integer(5))
            if row.isPossible { return true }
            row.points = 0
            try source.meetDamage(row, SpoolError(.unreadable, "its numbers cannot be a row's"))
        }
    }

    func end() {
        heads.reset()
        block.reset()
    }

    /// Lends the row's block to `body`.
    ///
    /// - Returns: false when it cannot be read, and is to be left out.
    func withBlock(
        _ body: (UnsafeRawBufferPointer) -> Result<Void, AuditBlock.Failure>
    ) throws(AuditError) -> Bool {
        let found: Result<Void, AuditBlock.Failure>?
        do throws(SQLiteError) {
            found = try block.first(.integer(row.sequence)) { statement in statement.withBlob(0, body) }
        } catch {
            guard error.isCorrupt || error.isInputOutput else { throw AuditError(error) }
            try source.meetDamage(row, error.asSpoolError)
            return false
        }
        switch found {
        case .success: return true
        case .failure(.database(let error)):
            guard error.isCorrupt || error.isInputOutput else { throw AuditError(error) }
            try source.meetDamage(row, error.asSpoolError)
        case .failure(.block(let error)): try source.meetDamage(row, error)
        case nil: try source.meetDamage(row, SpoolError(.unreadable, "it is not stored"))
        }
        return false
    }
}
