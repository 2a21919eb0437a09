import Metrics
import Synchronization

extension Spool {
    /// Claims the next piece of what `backend` is owed, oldest first or in the limit's order (`FreshFirst`), up to `limit`
    /// points; nil when nothing is owed or all is leased. A lease is of one lane.
    ///
    /// A large row is leased in pieces, small ones several at once. Rows without points (metadata alone) ride along,
    /// as empty pieces, with the points that follow them. Blocks are decoded on a reader's thread, or come from the
    /// cache; a damaged one becomes a loss row of each backend still owed, and the lease goes on behind it.
    ///
    /// - Throws: `.misuse` for a backend the spool does not know, `.commitFailed` or `.full` when the reservation of
    ///   what is about to be sent cannot be made durable.
    public func lease(backend: String, limit: LeaseLimit) async throws(SpoolError) -> Lease? {
        // In order: what is still being carried over comes first.
        if salvage != nil { return nil }
        while let plan = try planLease(backend, limit) {
            if let lease = passed(plan, limit) { return lease }
            // Metadata that rides along is a piece of its own.
            if limit.isMerged, plan.record.pieces.count > 1 {
                if let lease = try await merged(plan) { return lease }
                continue
            }
            var pieces: [LeasedPiece] = []
            var damaged: (row: StoredRow, error: SpoolError)?
            for index in plan.record.pieces.indices {
                do throws(SpoolError) {
                    pieces.append(try await load(index, of: plan))
                } catch {
                    damaged = (plan.record.pieces[index].row, error)
                    break
                }
            }
            guard leases[plan.id] != nil else { throw SpoolError(.closing, "the spool closed during the lease") }
            guard let damaged else { return Lease(id: plan.id, backend: backend, lane: plan.lane, pieces: pieces) }
            leases[plan.id] = nil
            guard damaged.error.code == .unreadable else { throw damaged.error }
            try await loseDamaged(damaged.row, damaged.error)
        }
        return nil
    }

    /// Gives back whatever of the lease is not settled yet.
    ///
    /// - Parameter maybeHaveArrived: a request with its points was sent and had no answer: whoever gets them next is
    ///   told so, also after a restart.
    public func release(_ lease: Lease, maybeHaveArrived: Bool = false) {
        guard let record = leases.removeValue(forKey: lease.id) else { return }
        if maybeHaveArrived { markUnknown(record) }
        wakeRenamed()
    }

    /// Calls whoever waited for the leases of a backend's former name, when they have ended.
    func wakeRenamed() {
        guard hasRenamedWaiter else { return }
        let isWaiting = leases.values.contains { record in
            ledger.backends.contains { $0.id == record.backendID && $0.name != record.name }
        }
        if isWaiting { return }
        hasRenamedWaiter = false
        environment.onWork()
    }

    /// Remembers that what is left of a lease may have been sent; durable with the next transaction, which is the
    /// closing one at the latest.
    func markUnknown(_ record: LeaseRecord) {
        guard let index = ledger.backends.firstIndex(where: { $0.id == record.backendID }),
            let last = record.pieces.last?.row.lastSequence
        else { return }
        ledger.backends[index].unknownBefore = max(ledger.backends[index].unknownBefore, last + 1)
        changedBackends.insert(record.backendID)
    }

    /// Writes down, durably, that points behind these are about to be sent ahead of them, to a backend that keeps each
    /// series in order: if it then refuses these as out of order, that does not mean that it has them.
    public func overtake(_ lease: Lease, _ runs: [LeasedRun]) throws(SpoolError) {
        guard let record = leases[lease.id],
            let index = ledger.backends.firstIndex(where: { $0.id == record.backendID })
        else { throw SpoolError(.misuse, "the lease is not held any more") }
        let positions = runs.filter { !$0.ordinals.isEmpty && record.pieces.indices.contains($0.piece) }
            .map { record.pieces[$0.piece].span(leased: $0.ordinals).positions }
        guard let first = positions.map(\.lowerBound).min(),
            let end = positions.map(\.upperBound).max()
        else { return }
        if leases[lease.id]?.overtakenBefore == nil {
            leases[lease.id]?.overtakenBefore = .some(ledger.backends[index].overtaken)
        }
        try transact { _ throws(SpoolError) in
            ledger.backends[index].overtake(first..<end)
            changedBackends.insert(record.backendID)
        }
    }

    /// Nothing that was to be sent ahead of a lease's points arrived: what was written down for it no longer holds.
    public func forgetOvertaking(_ lease: Lease) {
        guard let record = leases[lease.id], let before = record.overtakenBefore,
            let index = ledger.backends.firstIndex(where: { $0.id == record.backendID })
        else { return }
        leases[lease.id]?.overtakenBefore = nil
        ledger.backends[index].overtaken = before
        changedBackends.insert(record.backendID)
    }

    // MARK: Planning

    struct Plan {
        var id: LeaseID
        var lane: Lane
        var record: LeaseRecord
        var unknownBefore: Int64
        var overtaken: Range<Int64>?
    }

    /// At most this many rows in one lease, whatever its points.
    private static let maximumPieces = 256
    /// Rows without points before them ride along, the newest so many: metadata is said again and again, and a sender
    /// of nothing else must not keep a lease from ever reaching a point.
    static let maximumEmptyPieces = 64

    func nextLeaseID() -> LeaseID {
        leasesGiven += 1
        return LeaseID(life: cacheID, number: leasesGiven)
    }

    /// Finds and claims the places; reads no block.
    private func planLease(_ backend: String, _ limit: LeaseLimit) throws(SpoolError) -> Plan? {
        let database = try openDatabase()
        if let refusal = queue.withLock({ $0.refusal }) { throw refusal }
        guard let index = ledger.index(of: backend) else {
            throw SpoolError(.misuse, "tenant \(tenant) has no backend \(backend)")
        }
        precondition(limit.points > 0, "a lease asks for at least one point")
        let taken = leases.values.filter { $0.backendID == ledger.backends[index].id }
        // Whoever sends under the former name is to end first: two at once would break the order of a series.
        guard taken.allSatisfy({ $0.name == backend }) else {
            hasRenamedWaiter = true
            return nil
        }
        let leased = taken.flatMap(\.remaining)
        let owed = try limit.freshFirst.map { (order) throws(SpoolError) in try owedInTurn(index, order) }
        var record = LeaseRecord(backendID: ledger.backends[index].id, pieces: [], remaining: [])
        var lane = Lane.live
        var room = limit.points
        for range in owed?.ranges ?? ledger.backends[index].owedInOrder(upTo: ledger.end) {
            if !record.pieces.isEmpty, range.lane != lane { break }
            lane = range.lane
            try gather(range, leased, limit, &record, &room, database)
            if room == 0 || record.pieces.count(where: { !$0.isEmpty }) >= Spool.maximumPieces { break }
        }
        guard let last = record.pieces.last, !record.remaining.isEmpty else { return nil }
        if let owed, owed.isAhead, limit.freshFirst?.keepsOrder == true { try noteOvertaking(index) }
        try reserveSending(last.row.lastSequence, backend: index)
        let id = nextLeaseID()
        record.name = backend
        leases[id] = record
        let state = ledger.backends[index]
        return Plan(
            id: id, lane: lane, record: record, unknownBefore: state.unknownBefore, overtaken: state.overtaken)
    }

    /// Adds pieces of one owed range, around what is leased, until the room is used up.
    private func gather(
        _ range: OwedRange, _ leased: [Range<Int64>], _ limit: LeaseLimit, _ record: inout LeaseRecord,
        _ room: inout Int, _ database: Database
    ) throws(SpoolError) {
        var free = [range.positions]
        for taken in leased { free = free.flatMap { $0.subtracting(taken) } }
        var pieces: [LeaseRecord.Piece] = []
        var remaining: [Range<Int64>] = []
        var left = room
        let space = Spool.maximumPieces - record.pieces.count(where: { !$0.isEmpty })
        var emptyPieces = 0
        var next = range.start.position
        var isWhole = true
        try checked { () throws(SQLiteError) in
            try eachRow(from: range.start.place, database) { row in
                if next >= range.end.position || row.position >= range.end.position { return false }
                // What is owed is stored, row by row without a gap: anything else is a damaged number.
                if row.points > 0, row.positions.upperBound > next {
                    isWhole = row.position <= next && (next == range.start.position || row.position == next)
                    next = row.positions.upperBound
                    if !isWhole { return false }
                }
                if row.points == 0, free.contains(where: { $0.contains(row.position) }) {
                    pieces.append(LeaseRecord.Piece(row: row, origins: [], ordinals: 0..<0))
                    emptyPieces += 1
                    if emptyPieces > Spool.maximumEmptyPieces, let oldest = pieces.firstIndex(where: \.isEmpty) {
                        pieces.remove(at: oldest)
                        emptyPieces -= 1
                    }
                }
                for part in free {
                    let shared = part.clamped(to: row.positions)
                    guard !shared.isEmpty, left > 0, pieces.count - emptyPieces < space else { continue }
                    if limit.leavesForNext(shared.count, room: left) {
                        left = 0
                        continue
                    }
                    let first = Int(shared.lowerBound - row.position)
                    let count = min(left, shared.count)
                    pieces.append(LeaseRecord.Piece(row: row, origins: [], ordinals: first..<first + count))
                    remaining.append(shared.lowerBound..<shared.lowerBound + Int64(count))
                    left -= count
                }
                return left > 0 && pieces.count - emptyPieces < space
            }
        }
        guard isWhole, next >= range.end.position || left == 0 || pieces.count - emptyPieces >= space else {
            let error = SpoolError(.unreadable, "rows that are owed are not where they should be")
            declareDamaged(error)
            throw error
        }
        room = left
        record.pieces += pieces
        record.remaining += remaining
    }

    /// Before points at or beyond `sentBefore` go out for the first time, a commit says that they may have: an unclean
    /// start then knows what could have been in flight (rule 4).
    private func reserveSending(_ sequence: Int64, backend index: Int) throws(SpoolError) {
        guard sequence >= ledger.backends[index].sentBefore else { return }
        try transact { _ throws(SpoolError) in
            ledger.backends[index].sentBefore = sequence + Spool.sendingReserve
            changedBackends.insert(ledger.backends[index].id)
        }
    }

    /// Sequences a reservation reaches ahead, so that it is rare.
    static let sendingReserve: Int64 = 64

    // MARK: Blocks

    private func load(_ index: Int, of plan: Plan) async throws(SpoolError) -> LeasedPiece {
        var piece = plan.record.pieces[index]
        let block = try await block(of: piece.row)
        guard block.batch.points.count == piece.row.points, piece.row.isRow(of: block.origins) else {
            // The block is checked, its row is not.
            let error = SpoolError(.unavailable, "the row \(piece.row.sequence) is not that of its block")
            declareDamaged(error)
            throw error
        }
        piece.origins = block.origins
        leases[plan.id]?.pieces[index].origins = block.origins
        let span = piece.span(piece.ordinals)
        return LeasedPiece(
            places: PlaceRange(span.start.place, span.end.place), batch: block.batch, ordinals: piece.ordinals,
            maybeSent: piece.row.sequence < plan.unknownBefore,
            overtaken: plan.overtaken.map { piece.row.ordinals(of: $0) } ?? 0..<0)
    }

    private func block(of row: StoredRow) async throws(SpoolError) -> DecodedBlock {
        if let cached = environment.cache.block(cacheID, row.sequence) { return cached }
        let block = try await reader.block(row.sequence)
        environment.cache.insert(block, cacheID, row.sequence)
        return block
    }

    /// Where the way to a row that cannot be read is damaged, a page of the tree or the first one of the file, others are
    /// there behind it: the file is set aside, and what its pages hold is carried over.
    func checkWay(to row: StoredRow, _ error: SpoolError) async throws(SpoolError) {
        if await reader.canReach(row.sequence) { return }
        declareDamaged(error)
        throw SpoolError(.unavailable, "the spool is damaged", cause: error.description)
    }

    /// Ends what is owed of a row that cannot be read.
    func loseDamaged(_ row: StoredRow, _ error: SpoolError) async throws(SpoolError) {
        try await checkWay(to: row, error)
        raise(
            .error, "a stored block cannot be read; its points are lost",
            ["batch.sequence": "\(row.sequence)", "batch.points": "\(row.points)", "error": error.description])
        try transact { (database) throws(SpoolError) in
            let lost = try lose([row], .corruption, detail: error.message, database)
            guard !lost.isEmpty else {
                throw SpoolError(.unreadable, "a damaged row is leased elsewhere; try again", cause: error.description)
            }
        }
    }
}

extension BackendState {
    /// What is owed, oldest first: explicit ranges lie before the tail.
    func owedInOrder(upTo end: Cut) -> [OwedRange] {
        guard let tail, tail.position < end.position else { return ranges }
        return ranges + [OwedRange(lane: .live, start: tail, end: end)]
    }
}
