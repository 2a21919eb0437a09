import Metrics

/// What is asked of a re-drive.
public struct RedriveOrder: Sendable {
    public var filter = DeadLetterFilter()
    /// The backend that gets the points; another one than refused them, or the same.
    public var backend: String
    public var repair = PointRepair()
    /// The receipts of the points have it.
    public var requestID: String
    /// The address of who asks.
    public var peer: String
    /// By whom and for what: an event keeps it in the first transaction.
    public var asked: String

    public init(backend: String, requestID: String, peer: String, asked: String) {
        self.backend = backend
        self.requestID = requestID
        self.peer = peer
        self.asked = asked
    }
}

/// Letters that are sent again: the points are committed anew, owed by one backend, and the letters end in the same
/// transaction. See `docs/decisions/0032-a-redrive-is-a-commit.md`.
extension Spool {
    /// What a re-drive has come to.
    public struct Redrive: Sendable, Hashable {
        /// Letters that are owed as points again: exactly so many, whoever else ended some meanwhile.
        public var points: Int64 = 0
        /// Letters that stay what they are: they cannot be read, or a repair leaves labels that no series can have.
        public var unfit: Int64 = 0
        /// Where it goes on; nil: nothing that the filter lets through is left.
        public var next: Int64?
    }

    /// Letters of one transaction, which is as short as a commit's.
    private static let lettersARedrive = 256
    /// `AppendRequest.source` of what is sent again.
    static let redriveSource = "redrive"
    /// `deliveries.reason` of points that other backends are not owed.
    static let redriveReason = "redrive of another backend's dead letters"
    /// `deliveries.reason` of what was a letter.
    static func redrivenReason(_ sequence: Int64) -> String { "redriven as sequence \(sequence)" }

    /// Sends the dead letters that a filter lets through again, some hundred a transaction: after a kill each is a letter,
    /// or is owed again, and never both.
    ///
    /// Letters that come of it later are not among them when `filter.until` says so.
    ///
    /// - Parameters:
    ///   - after: `Redrive.next` of the part before; 0 to begin.
    ///   - nanoseconds: it ends after so long at the latest, and says where it goes on.
    /// - Throws: `.misuse` when the backend is not one of the tenant's; `.full` when the spool takes no new points;
    ///   `.unavailable` while the spool's former file is still carried over; `.unreadable` as `deadLetters`. Nothing was
    ///   sent again then.
    public func redriveDeadLetters(
        _ order: RedriveOrder, after: Int64 = 0, nanoseconds: Int64 = 2_000_000_000
    ) async throws(SpoolError) -> Redrive {
        var redrive = Redrive()
        let deadline = environment.scheduling.monotonic() + nanoseconds
        redrive.next = after
        // One part at least: whoever asks again and again comes to the end.
        repeat {
            guard let from = redrive.next else { break }
            do throws(SpoolError) {
                try checkRedrive(to: order.backend)
                let page = try await deadLetters(
                    order.filter, after: from, DeadLetterLimit(letters: Spool.lettersARedrive))
                let fit = page.letters.compactMap { FitLetter($0, order.repair) }
                redrive.points += try sendAgain(fit, order, isFirst: redrive.points == 0 && after == 0)
                redrive.unfit += Int64(page.letters.count - fit.count)
                redrive.next = page.next
            } catch {
                // What was sent again counts; whoever goes on meets the failure.
                guard redrive.points > 0 else { throw error }
                return redrive
            }
            // New points first.
            await letCommitsPass()
        } while environment.scheduling.monotonic() < deadline
        return redrive
    }

    /// What `redriveDeadLetters` would come to now, without its doing: the same letters, read and repaired.
    ///
    /// - Throws: as `redriveDeadLetters`, but `.full`.
    public func previewRedrive(
        _ order: RedriveOrder, after: Int64 = 0, nanoseconds: Int64 = 2_000_000_000
    ) async throws(SpoolError) -> Redrive {
        var preview = Redrive()
        let deadline = environment.scheduling.monotonic() + nanoseconds
        preview.next = after
        repeat {
            guard let from = preview.next else { break }
            try checkRedrive(to: order.backend)
            let page = try await deadLetters(order.filter, after: from, DeadLetterLimit(letters: Spool.lettersARedrive))
            let fit = Int64(page.letters.count { FitLetter($0, order.repair) != nil })
            preview.points += fit
            preview.unfit += Int64(page.letters.count) - fit
            preview.next = page.next
            await letCommitsPass()
        } while environment.scheduling.monotonic() < deadline
        return preview
    }

    /// - Returns: the place of the backend among the ledger's.
    @discardableResult
    private func checkRedrive(to backend: String) throws(SpoolError) -> Int {
        guard salvage == nil else {
            throw SpoolError(
                .unavailable, "the spool's former file is still being carried over: its letters can be sent again then")
        }
        guard let index = ledger.index(of: backend), ledger.backends[index].isAttached else {
            throw SpoolError(.misuse, "tenant \(tenant) has no backend \"\(backend)\"")
        }
        return index
    }

    /// One transaction.
    ///
    /// - Returns: how many of the letters were still there.
    func sendAgain(_ found: [FitLetter], _ order: RedriveOrder, isFirst: Bool = true) throws(SpoolError) -> Int64 {
        // Whoever waited for the page may find it, and the configuration, changed: nothing waits from here on.
        let target = try checkRedrive(to: order.backend)
        let letters = try stillThere(found)
        guard !letters.isEmpty else { return 0 }
        guard admission.isAccept else {
            throw SpoolError(.full, refusal ?? "the budget is used up, and drops what is new")
        }
        _ = clock.read(environment.time)
        let append = CommitQueue.Append(order, letters)
        let rows = try pack([append])
        try transact(storesPoints: true) { (database) throws(SpoolError) in
            for run in RedrivenRun.runs(of: letters, in: rows) { try end(run, database) }
            let start = ledger.end
            _ = try insert(rows, [append], database)
            try exclude(Span(start, ledger.end), from: ledger.backends.indices.filter { $0 != target }, database)
            if isFirst { try record(event: "dead_letters_redriven", order.asked, database) }
        }
        noteCommit()
        noteIntake(nil)
        environment.onWork()
        return Int64(letters.count)
    }

    private func stillThere(_ found: [FitLetter]) throws(SpoolError) -> [FitLetter] {
        let database = try openDatabase()
        let known = Set(ledger.backends.map(\.id))
        var letters: [FitLetter] = []
        for one in found where known.contains(one.letter.backendID) {
            let isThere = try checked { () throws(SQLiteError) in
                try database.statements.deadLetterOfPlace.first(
                    .integer(one.letter.id), .integer(one.letter.backendID), .integer(one.letter.origin.sequence),
                    .integer(one.letter.origin.ordinal)
                ) { _ in true }
            }
            if isThere == true { letters.append(one) }
        }
        return letters
    }

    /// Letters become excluded: the points that they hold are owed at another place from now on.
    private func end(_ run: RedrivenRun, _ database: Database) throws(SpoolError) {
        guard let index = ledger.backends.firstIndex(where: { $0.id == run.backendID }) else { return }
        ledger.backends[index].deadPoints -= Int64(run.letters.count)
        ledger.backends[index].excludedPoints += Int64(run.letters.count)
        changedBackends.insert(run.backendID)
        try checked { () throws(SQLiteError) in
            for letter in run.letters {
                try database.statements.deleteDeadLetterOfPlace.runOnOne(
                    .integer(letter.id), .integer(run.backendID), .integer(letter.origin.sequence),
                    .integer(letter.origin.ordinal))
            }
            let places = run.places
            try database.statements.insertDelivery.run(
                .integer(run.backendID), .integer(places.start.sequence), .integer(places.start.ordinal),
                .integer(places.end.sequence), .integer(places.end.ordinal), .integer(Int64(run.letters.count)),
                .text("excluded"), .text(Spool.redrivenReason(run.sequence)), .integer(run.letters[0].firstAttemptAt),
                .integer(clock.at), .integer(clock.wall), .integer(Int64(run.letters[0].attempts)),
                .integer(Int64(run.letters[0].reason.status)))
        }
    }

    /// Others are not owed what is sent again to one. Who is detached has it excluded as all that comes meanwhile.
    private func exclude(_ span: Span, from backends: [Int], _ database: Database) throws(SpoolError) {
        let settlement = Settlement(parts: [], attempts: 0, status: 0, firstAttemptAt: clock.wall)
        for index in backends where ledger.backends[index].isAttached {
            let edits = ledger.backends[index].end(span)
            try checked { () throws(SQLiteError) in
                try apply(edits, backendID: ledger.backends[index].id, database)
            }
            ledger.backends[index].excludedPoints += span.points
            try record(span, "excluded", Spool.redriveReason, settlement, backend: index, database)
        }
    }
}
