/// Keeps a spool inside its budget, its age and the node's disk.
///
/// The files cannot grow beyond their limits whatever is done here (`SpaceAccount`): this decides what goes, and what
/// new requests meet.
extension Spool {
    /// Bytes of the database's pages in use, with dead letters and ledger rows. Free pages are reused first.
    func usedBytes() throws(SpoolError) -> Int64 {
        let statements = try openDatabase().statements
        return try checked { () throws(SQLiteError) in
            (try statements.pageCount.integer() - statements.freePageCount.integer()) * FileBlocks.bytes
        }
    }

    /// Where the budget begins to act: below its end by what some commits may add, so that these find room.
    private var actingBytes: Int64? {
        configuration.spaceLimits.map { $0.databaseBytes - min(8 << 20, $0.databaseBytes / 8) }
    }

    private func isTight() throws(SpoolError) -> Bool {
        guard let actingBytes else { return false }
        return try usedBytes() >= actingBytes
    }

    /// Makes room if there is too little, and decides what the next requests meet.
    ///
    /// Retained delivered data goes first, whatever the policy. What then still has to go is the policy's: whole
    /// batches with their loss rows, or the new requests. The policy is about budgets: at the disk's free-space reserve,
    /// where the space may be anybody's, no backlog makes up for it, and new requests wait.
    func keepBudget() throws(SpoolError) {
        let pressure = environment.space?.pressure ?? NodeSpace.Pressure()
        if pressure.isAny { try giveBack(pressure) }
        // Rows are still on their way: what may go is not known yet.
        if salvage != nil, try isTight() {
            admission = .reject(fullReason(pressure))
            return
        }
        // One transaction's worth at a time: commits come between.
        while try isTight(), try makeRoomFromKept() {}
        guard try isTight() || pressure.isReserveReached || (pressure.isFull && !admission.isAccept) else {
            if hasRoomAgain { admission = .accept }
            return
        }
        switch configuration.whenFull {
        case .reject: admission = .reject(fullReason(pressure))
        case .dropNewest: admission = .dropNewest
        case .dropOldest:
            guard !pressure.isReserveReached else {
                admission = .reject(fullReason(pressure))
                return
            }
            while try isTight(), try dropOldest() > 0 {}
            admission = try isTight() ? .reject(fullReason(pressure)) : .accept
        }
    }

    /// The node is short of space: what is kept without need goes back to the file system, a step at a time.
    private func giveBack(_ pressure: NodeSpace.Pressure) throws(SpoolError) {
        if let connection = database?.connection { shortenLog(connection, isDiskFull: pressure.isReserveReached) }
        guard try makeRoomFromKept() else { return }
        _ = try vacuumStep(isDiskTight: true)
    }

    /// Deletes one transaction's worth of what is kept only for replay and audit.
    ///
    /// - Returns: false when there is nothing of it.
    private func makeRoomFromKept() throws(SpoolError) -> Bool {
        guard salvage == nil else { return false }
        if try prune(receivedBy: .max) > 0 { return true }
        if try pruneLedgerRows(before: .max) { return true }
        if try pruneBases() { return true }
        return try mergeLosses()
    }

    /// New points were refused their space: makes some, or decides that there is none to be made.
    ///
    /// - Parameter blockBytes: what they take stored.
    /// - Returns: whether they shall be tried again.
    func makeRoom(_ refusal: SpaceAccount.Refusal, for blockBytes: Int64) throws(SpoolError) -> Bool {
        let (before, beforeUsed) = (account.bytes, try usedBytes())
        if refusal == .disk {
            // Somebody else may have filled it: no more goes than gives something back, and no policy is carried out.
            guard try makeRoomFromKept(), try vacuumStep(isDiskTight: true) else { return false }
            return account.bytes < before
        }
        while try makeRoomFromKept() {
            // Pages for the tenant's budget, files for the node's.
            if refusal == .tenantPages, try usedBytes() < beforeUsed { return true }
            if refusal != .tenantPages, try vacuumStep(isDiskTight: true), account.bytes < before { return true }
        }
        upkeep.neededBytes = Spool.logBytes(ofBlocks: blockBytes)
        switch configuration.whenFull {
        case .reject: break
        case .dropNewest:
            admission = .dropNewest
            return true
        case .dropOldest:
            guard salvage == nil, refusal != .reserve else { break }
            // While the log cannot be emptied it is not the batches that take the space.
            guard refusal == .tenantPages || !upkeep.isTruncateBlocked, try dropOldest() > 0 else { break }
            if refusal != .tenantPages { _ = try vacuumStep(isDiskTight: true) }
            return true
        }
        admission = .reject(refusal.reason)
        return false
    }

    /// After a refusal: whether what was refused would fit now.
    private var hasRoomAgain: Bool {
        if admission.isAccept { return true }
        guard let limits = configuration.spaceLimits else { return true }
        if walBytes() > 0, let connection = database?.connection { emptyWAL(connection) }
        let needed = min(upkeep.neededBytes, limits.commitBytes)
        return account.bytes + needed <= limits.maximumBytes - limits.headroomBytes
    }

    /// What a commit of new points writes to the log at most, nearly: their blocks, and the pages of the ledger.
    static func logBytes(ofBlocks bytes: Int64) -> Int64 { bytes + bytes / 50 + (64 << 10) }

    /// An operator hears when a spool begins to turn requests away, and when it takes them again; not in between.
    func announceAdmission(after old: Admission) {
        switch (old, admission) {
        case (.reject, .reject), (.dropNewest, .dropNewest), (.accept, .accept): break
        case (_, .accept): raise(.info, "a spool has room again and takes requests")
        case (_, .reject(let reason)):
            raise(.warning, "a spool has no room and refuses requests until it has", ["reason": reason])
        case (_, .dropNewest):
            raise(.warning, "a spool has no room and drops new points, as its policy says")
        }
    }

    private func fullReason(_ pressure: NodeSpace.Pressure) -> String {
        let refusal: SpaceAccount.Refusal =
            pressure.isReserveReached ? .reserve : pressure.isFull ? .node : .tenantPages
        return refusal.reason
    }

    /// Drops the oldest rows, with a loss row for each backend still owed; leased ones are skipped.
    ///
    /// - Returns: how many rows went.
    private func dropOldest() throws(SpoolError) -> Int {
        let database = try openDatabase()
        let rows = try storedRows(from: 0, receivedBy: .max, database).filter { !isLeased($0.row) }
        let taken = firstDeletion(of: rows)
        guard !taken.isEmpty else { return 0 }
        let before = lostPoints
        let count = try transact { (database) throws(SpoolError) in
            let gone = try lose(taken.map(\.row), .quota, detail: "drop_oldest", database)
            try delete(gone, database)
            return gone.count
        }
        upkeep.dropped.points += lostPoints - before
        announceDropped()
        try pruneBases(limit: Spool.basesADrop)
        return count
    }

    private var lostPoints: Int64 { ledger.backends.reduce(0) { $0 + $1.lostPoints } }

    /// A policy that goes on dropping says so once in a while, with what it dropped since.
    private static let droppedSeconds: Int64 = 60

    /// Says what `drop_oldest` ended and nobody has been told of.
    ///
    /// - Parameter isLast: also a moment after the last time.
    func announceDropped(isLast: Bool = false) {
        let dropped = upkeep.dropped
        guard dropped.points > 0 else { return }
        if let last = dropped.announcedAt, clock.at < last.addingSeconds(Spool.droppedSeconds), !isLast { return }
        upkeep.dropped = UpkeepState.Dropped(announcedAt: clock.at)
        raise(
            .warning, "a spool has no room and dropped its oldest points, as its policy says",
            ["points.lost": String(dropped.points)])
    }
}

extension Int64 {
    /// A time this many seconds later; the latest there is when that cannot be said.
    func addingSeconds(_ seconds: Int64) -> Int64 {
        let (span, isTooLong) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (time, isTooLate) = addingReportingOverflow(span)
        return isTooLong || isTooLate ? .max : time
    }

    /// A time this many seconds earlier; the earliest there is when that cannot be said.
    func subtractingSeconds(_ seconds: Int64) -> Int64 {
        let (span, isTooLong) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (time, isTooEarly) = subtractingReportingOverflow(span)
        return isTooLong || isTooEarly ? .min : time
    }
}
