import Metrics

@testable import WALStore

/// Everything a spool says of itself, read in one go on its own thread.
struct SpoolAudit: Sendable {
    /// One commit; a merged row counts as those that it holds.
    struct Row: Sendable {
        var sequence: Int64
        var position: Int64
        var numbers: [Int]
    }
    struct Backend: Sendable {
        var id: Int64
        var name: String
        var isAttached: Bool
        var ledger: BackendLedger
    }
    struct Stretch: Sendable {
        var backend: Int64
        var start: Place
        var end: Place
        var points: Int64
        /// A delivery's outcome, a loss's reason.
        var kind: String
    }
    struct Receipt: Sendable {
        var request: String
        var sequence: Int64
        var firstOrdinal: Int
        var points: Int
    }

    var tenant = ""
    var incarnation: [UInt8] = []
    var nextSequence: Int64 = 0
    var nextPosition: Int64 = 0
    var droppedPoints: Int64 = 0
    var droppedInLosses: Int64 = 0
    var hasSetAside = false
    var leases = 0
    var backends: [Backend] = []
    /// Positions owed, by backend.
    var owed: [(backend: Int64, positions: Range<Int64>)] = []
    var storedSequences: Set<Int64> = []
    /// Rows that the oracle has not seen yet.
    var rows: [Row] = []
    var receipts: [Receipt] = []
    var deliveries: [Stretch] = []
    var losses: [Stretch] = []
    var deadLetters: [(backend: Int64, place: Place)] = []
    /// nil for a tenant that keeps no chain.
    var chainFindings: [ChainFinding]?
}

extension Spool {
    /// - Parameters:
    ///   - after: rows and receipts up to this sequence are known already.
    ///   - key: of its chain, which is verified.
    func audit(after: Int64, _ key: ChainKey?) throws(SpoolError) -> SpoolAudit {
        let database = try openDatabase()
        var audit = SpoolAudit()
        if let key { audit.chainFindings = try chainAnswer(key).findings }
        audit.tenant = tenant
        audit.incarnation = incarnation
        audit.nextSequence = ledger.nextSequence
        audit.nextPosition = ledger.nextPosition
        audit.droppedPoints = ledger.droppedPoints
        audit.leases = leases.count
        let status = try status()
        for (index, backend) in ledger.backends.enumerated() {
            audit.backends.append(
                SpoolAudit.Backend(
                    id: backend.id, name: backend.name, isAttached: backend.isAttached, ledger: status.backends[index]))
            if let tail = backend.tail, tail.position < ledger.nextPosition {
                audit.owed.append((backend.id, tail.position..<ledger.nextPosition))
            }
        }
        do throws(SQLiteError) { try read(database.connection, after: after, into: &audit) } catch {
            throw error.asSpoolError
        }
        return audit
    }

    private func read(
        _ connection: Connection, after: Int64, into audit: inout SpoolAudit
    ) throws(SQLiteError) {
        try Statement(
            """
            SELECT sequence, position, iif(last_sequence > ?1 OR last_sequence > sequence, block, NULL) FROM batches
            ORDER BY sequence
            """, on: connection
        ).rows(.integer(after)) { row in
            let (sequence, position) = (row.integer(0), row.integer(1))
            audit.storedSequences.insert(sequence)
            if row.isNull(2) { return true }
            let block = row.withBlob(2) { bytes in try? Block.stored(bytes, connection) }
            for commit in block?.commits(row: sequence) ?? [] {
                audit.storedSequences.insert(commit.sequence)
                guard commit.sequence > after else { continue }
                audit.rows.append(
                    SpoolAudit.Row(
                        sequence: commit.sequence, position: position + Int64(commit.offset),
                        numbers: commit.bits.map(SimulatedPoint.number)))
            }
            return true
        }
        try Statement(
            "SELECT request_id, sequence, first_ordinal, points FROM receipts WHERE sequence > ?1", on: connection
        ).rows(.integer(after)) { row in
            audit.receipts.append(
                SpoolAudit.Receipt(
                    request: row.text(0), sequence: row.integer(1), firstOrdinal: Int(row.integer(2)),
                    points: Int(row.integer(3))))
            return true
        }
        try Statement("SELECT backend_id, first_position, end_position FROM ranges", on: connection).rows { row in
            audit.owed.append((row.integer(0), row.integer(1)..<row.integer(2)))
            return true
        }
        try Statement(
            """
            SELECT backend_id, first_sequence, first_ordinal, end_sequence, end_ordinal, points, outcome FROM deliveries
            """, on: connection
        ).rows { row in
            audit.deliveries.append(SpoolAudit.Stretch(row))
            return true
        }
        try Statement(
            """
            SELECT backend_id, first_sequence, first_ordinal, end_sequence, end_ordinal, points, reason FROM losses
            """, on: connection
        ).rows { row in
            if !row.isNull(0) {
                audit.losses.append(SpoolAudit.Stretch(row))
            } else if row.text(6) == LossReason.dropNewest.rawValue {
                audit.droppedInLosses += row.integer(5)
            }
            return true
        }
        // Also where all of it could be carried over.
        audit.hasSetAside = try connection.integer("SELECT 1 FROM incarnations WHERE reason = 'salvaged'") != nil
        try Statement("SELECT backend_id, origin_sequence, origin_ordinal FROM dead_letters", on: connection).rows {
            row in
            audit.deadLetters.append((row.integer(0), Place(row.integer(1), row.integer(2))))
            return true
        }
    }
}

extension SpoolAudit.Stretch {
    fileprivate init(_ row: Statement) {
        backend = row.integer(0)
        start = Place(row.integer(1), row.integer(2))
        end = Place(row.integer(3), row.integer(4))
        points = row.integer(5)
        kind = row.text(6)
    }
}
