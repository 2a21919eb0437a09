import Metrics
import Synchronization

@testable import WALStore

/// All that a spool's file says, read row by row: what the oracle compares with what clients and backends were told.
struct StoredTruth: Sendable {
    /// One commit; a merged row counts as those that it holds.
    struct Row: Sendable {
        var sequence: Int64
        var position: Int64
        /// The numbers of its points, from the decoded block.
        var values: [Int]
    }
    struct Receipt: Sendable {
        var sequence: Int64
        var first: Int64
        var points: Int64
    }
    /// Places that came to an end.
    struct Ending: Sendable {
        var backend: Int64
        var places: PlaceRange
        var points: Int64
        var standing: Standing
        /// Some of the points at these places did, not all.
        var isAmong = false
        /// Rules were asked: of the places it is those points that they let through, or those that they kept back.
        var isRouted = false
        /// Letters that were sent again: the sequence of their points since.
        var redrivenAs: Int64?
    }
    struct Backend: Sendable {
        var id: Int64
        var name: String
        /// Owed positions, the open tail included.
        var pending: [Range<Int64>]
        var books: BackendLedger
    }

    var rows: [Row] = []
    /// By request id.
    var receipts: [String: [Receipt]] = [:]
    var endings: [Ending] = []
    /// By backend, the points that a running total was settled with.
    var counted: [Int64: Set<Int>] = [:]
    var backends: [Backend] = []
    var nextSequence: Int64 = 0
    var nextPosition: Int64 = 0
    var acceptedRequests: Int64 = 0
    /// SQLite's own check of the file: `ok`.
    var integrity = ""
    var setAsideLosses = 0
}

/// What has become of one point for one backend. Raw values are bits of a mask.
enum Standing: UInt8, Sendable, CaseIterable {
    case pending = 1
    case delivered = 2
    case assumed = 4
    case dead = 8
    case lost = 16
    case excluded = 32
}

extension Spool {
    /// What its chain says of all that is stored; rows without a tag count too.
    func chainFindings(_ key: ChainKey) throws(SpoolError) -> [ChainFinding] {
        let answer = try chainAnswer(key)
        guard answer.uncoveredRows == 0, answer.formerRows == 0 else {
            throw SpoolError(
                .unreadable, "\(answer.uncoveredRows) rows have no tag, \(answer.formerRows) another life's")
        }
        return answer.findings
    }

    func chainAnswer(_ key: ChainKey) throws(SpoolError) -> ChainAnswer {
        let connection = try openDatabase().connection
        let watch = AuditWatch(AuditLimits(time: .seconds(3600)), path: path, isStopped: { false })
        var expected = ChainExpectation(tenant: tenant)
        if case .record(let record)? = environment.chainMemory?.recall(tenant, key) { expected.record = record }
        return try checked { () throws(SQLiteError) in try ChainVerifier.verify(connection, key, watch, expected) }
    }

    func truth() throws(SpoolError) -> StoredTruth {
        let connection = try openDatabase().connection
        var truth = StoredTruth()
        try checked { () throws(SQLiteError) in
            try read(connection, &truth)
        }
        let status = try status()
        truth.acceptedRequests = status.acceptedRequests
        (truth.nextSequence, truth.nextPosition) = (ledger.nextSequence, ledger.nextPosition)
        truth.backends = ledger.backends.map { backend in
            StoredTruth.Backend(
                id: backend.id, name: backend.name,
                pending: backend.owedInOrder(upTo: ledger.end).map(\.positions),
                books: status.backends.first { $0.name == backend.name } ?? BackendLedger())
        }
        return truth
    }

    private func read(_ connection: Connection, _ truth: inout StoredTruth) throws(SQLiteError) {
        truth.integrity = try Statement("PRAGMA integrity_check(1)", on: connection).first { $0.text(0) } ?? "none"
        try Statement("SELECT sequence, position, block FROM batches ORDER BY sequence", on: connection).rows { row in
            let (sequence, position) = (row.integer(0), row.integer(1))
            row.withBlob(2) { bytes in
                do throws(SpoolError) {
                    for commit in try Block.stored(bytes, connection).commits(row: sequence) {
                        truth.rows.append(
                            .init(
                                sequence: commit.sequence, position: position + Int64(commit.offset),
                                values: commit.bits.map { Int($0) }))
                    }
                } catch {
                    truth.rows.append(.init(sequence: sequence, position: position, values: [-1]))
                }
            }
            return true
        }
        try Statement("SELECT request_id, sequence, first_ordinal, points FROM receipts ORDER BY id", on: connection)
            .rows { row in
                truth.receipts[row.text(0), default: []].append(
                    .init(sequence: row.integer(1), first: row.integer(2), points: row.integer(3)))
                return true
            }
        try Statement("SELECT backend_id, series_low FROM counters", on: connection).rows { row in
            truth.counted[row.integer(0), default: []].insert(Int(row.integer(1)))
            return true
        }
        let standings: [String: Standing] = [
            "confirmed": .delivered, "assumed": .assumed, "excluded": .excluded, "lost": .lost, "dead": .dead,
        ]
        try Statement(
            """
            SELECT backend_id, first_sequence, first_ordinal, end_sequence, end_ordinal, points, outcome, 0,
                    iif(reason LIKE 'redriven as sequence %', substr(reason, 22), NULL),
                    reason = '\(TenantModel.route.reason)'
                FROM deliveries
            UNION ALL SELECT backend_id, first_sequence, first_ordinal, end_sequence, end_ordinal, points, 'lost',
                reason = 'purge', NULL, 0 FROM losses WHERE backend_id IS NOT NULL
            UNION ALL SELECT backend_id, origin_sequence, origin_ordinal, origin_sequence, origin_ordinal + 1, 1, 'dead',
                0, NULL, 0 FROM dead_letters
            """, on: connection
        ).rows { row in
            truth.endings.append(
                .init(
                    backend: row.integer(0),
                    places: PlaceRange(
                        Place(row.integer(1), row.integer(2)), Place(row.integer(3), row.integer(4))),
                    points: row.integer(5), standing: standings[row.text(6)] ?? .pending,
                    isAmong: row.integer(7) == 1, isRouted: row.integer(9) == 1, redrivenAs: Int64(row.text(8))))
            return true
        }
        truth.setAsideLosses = Int(
            try connection.integer("SELECT count(*) FROM losses WHERE reason = 'spool_set_aside'") ?? 0)
    }

    /// Ends like a killed process: nothing is written any more.
    func abandon() async {
        queue.withLock { $0.refusal = $0.refusal ?? SpoolError(.closing, "the process is gone") }
        await reader.close()
        database?.connection.close()
        database = nil
    }

    /// Checkpoints, emptied logs, vacuums and repacks that real spools see once in a long while.
    func hurryUpkeep(checkpointPages: Int64, walCapBytes: Int64, vacuumPages: Int64) {
        upkeep.checkpointPages = checkpointPages
        upkeep.walCapBytes = walCapBytes
        upkeep.smallestVacuumPages = vacuumPages
        upkeep.repack.rules.targetPoints = 600
        upkeep.repack.rules.smallestRun = 2
        upkeep.repack.rules.largestPercent = 100
        upkeep.repack.rules.rest = 1_000_000_000
        upkeep.repack.rules.keptRest = 1_000_000_000
        upkeep.repack.rules.patience = 2_000_000_000
        upkeep.repack.rules.secondLook = 5_000_000_000
    }
}

extension WALStore {
    /// Ends like a killed process: nothing is closed, nothing is written.
    func abandon() async {
        let open = state.withLock { state in
            state.isClosing = true
            return state.open
        }
        for (_, spool) in open { await spool.abandon() }
    }

    func append(_ request: AppendRequest, tenant: String) async -> Result<AppendReceipt, SpoolError> {
        await withCheckedContinuation { continuation in
            append(request, tenant: tenant) { continuation.resume(returning: $0) }
        }
    }

    /// Returns when the tenant's writer has done all that it was asked.
    func settleDown(_ tenant: String) async { await writers[tenant].letOthersPass() }
}
