/// Keeps a spool inside its budget, its age and the node's disk (design section 5, Budget).
extension Spool {
    /// Bytes that count: pages in use, with dead letters and ledger rows, and the WAL. Free pages are reused first.
    func usedBytes() throws(SpoolError) -> Int64 {
        let statements = try openDatabase().statements
        return try checked { () throws(SQLiteError) in
            (try statements.pageCount.integer() - statements.freePageCount.integer()) * 4096
        } + walBytes()
    }

    /// Where the budget begins to act: below its end by what one commit may add, so that the file stays inside.
    private var actingBytes: Int64? {
        configuration.maximumBytes.map { $0 - min(8 << 20, $0 / 8) }
    }

    private func isTight(_ pressure: NodeSpace.Pressure) throws(SpoolError) -> Bool {
        if pressure.isAny { return true }
        guard let actingBytes else { return false }
        return try usedBytes() >= actingBytes
    }

    /// Makes room if there is too little, and decides what the next requests meet.
    ///
    /// Retained delivered data goes first, whatever the policy. What then still has to go is the policy's: whole
    /// batches with their loss rows, or the new requests.
    func keepBudget() throws(SpoolError) {
        let pressure = environment.space?.pressure ?? NodeSpace.Pressure()
        guard try isTight(pressure) else {
            admission = .accept
            return
        }
        // Rows are still on their way: what may go is not known yet.
        guard salvage == nil else {
            admission = .reject(fullReason(pressure))
            return
        }
        if walBytes() >= 1 << 20, let connection = database?.connection { truncateWAL(connection) }
        // Under the node's pressure one transaction's worth a round: others make room too.
        while try isTight(pressure), try prune(receivedBy: .max) > 0, !pressure.isAny {}
        guard try isTight(pressure) else {
            admission = .accept
            return
        }
        switch configuration.whenFull {
        case .reject: admission = .reject(fullReason(pressure))
        case .dropNewest: admission = .dropNewest
        case .dropOldest:
            var hasDropped = false
            while try isTight(pressure), try dropOldest() > 0 {
                hasDropped = true
                if pressure.isAny { break }
            }
            let isStillTight = try isTight(pressure)
            let mayGoOn = !isStillTight || (hasDropped && pressure.isAny)
            admission = mayGoOn ? .accept : .reject(fullReason(pressure))
        }
    }

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
        if pressure.isReserveReached { return "the disk's free-space reserve is reached" }
        if pressure.isOverBudget { return "the node's spools have used up their budget" }
        return "the tenant's spool has used up its budget"
    }

    /// Drops the oldest rows, with a loss row for each backend still owed; leased ones are skipped.
    ///
    /// - Returns: how many rows went.
    private func dropOldest() throws(SpoolError) -> Int {
        let database = try openDatabase()
        let rows = try storedRows(from: 0, receivedBy: .max, database).filter { !isLeased($0.row) }
        let taken = firstDeletion(of: rows)
        guard !taken.isEmpty else { return 0 }
        return try transact { (database) throws(SpoolError) in
            let gone = try lose(taken.map(\.row), .quota, detail: "drop_oldest", database)
            try delete(gone, database)
            return gone.count
        }
    }

    /// Turns points that waited longer than the configured age into loss rows; their rows go with the retained ones.
    ///
    /// - Returns: how many rows were ended; 0 when nothing is too old, or while ages cannot be trusted.
    func dropAged() throws(SpoolError) -> Int {
        guard let maximum = configuration.maximumAgeSeconds, clock.at >= upkeep.agePausedUntil else { return 0 }
        let first = ledger.backends.compactMap { $0.owedInOrder(upTo: ledger.end).map(\.start.place.sequence).min() }
        guard let oldest = first.min() else { return 0 }
        let cutoff = clock.at.subtractingSeconds(maximum)
        let database = try openDatabase()
        // The row that holds `oldest` may begin before it.
        let rows = try storedRows(from: oldest, receivedBy: cutoff, database).map(\.row).filter { row in
            !isLeased(row) && isHeld(row) && row.points > 0
        }
        guard !rows.isEmpty else { return 0 }
        return try transact { (database) throws(SpoolError) in
            try lose(rows, .age, detail: "older than \(maximum) s", database).count
        }
    }
}

extension Int64 {
    /// A time this many seconds earlier; the earliest there is when that cannot be said.
    func subtractingSeconds(_ seconds: Int64) -> Int64 {
        let (span, isTooLong) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (time, isTooEarly) = subtractingReportingOverflow(span)
        return isTooLong || isTooEarly ? .min : time
    }
}
