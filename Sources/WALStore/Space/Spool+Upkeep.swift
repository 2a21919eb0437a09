import Synchronization

/// What is done to a spool between commits, and now and then.
extension Spool {
    /// After each commit, on the writer, when the answers have gone out.
    func afterCommit(isIdle: Bool) {
        wakeRenamed()
        upkeep.commitsSinceCheckpoint += 1
        checkpointIfDue(isIdle: isIdle)
        do throws(SpoolError) {
            if configuration.maximumBytes != nil || environment.space?.pressure.isAny == true { try keepBudget() }
        } catch {
            raise(.warning, "the budget of a spool could not be kept", ["error": error.description])
        }
    }

    /// One round of upkeep: ages, budgets, prune, vacuum. Each deletion is a short transaction; between two of them
    /// what has been queued is committed.
    func maintain() async throws(SpoolError) {
        try checkFiles()
        noticeClockSteps()
        upkeep.usedBytes = try usedBytes()
        upkeep.growth.measured(upkeep.usedBytes, at: clock.at)
        warnWhenFullSoon()
        try keepBudget()
        announceDropped()
        probeIntake()
        try inheritLate()
        if salvage != nil { try await carryOver() }
        while try dropAged() > 0 { await letCommitsPass() }
        while try limitDeadLetters() > 0 { await letCommitsPass() }
        if clock.at >= upkeep.agePausedUntil {
            let cutoff = clock.at.subtractingSeconds(configuration.retainSeconds)
            while try prune(receivedBy: cutoff) > 0 { await letCommitsPass() }
            while try pruneLedgerRows(before: cutoff) { await letCommitsPass() }
            while try forgetOldMarks() { await letCommitsPass() }
            while try forgetOldCounters() { await letCommitsPass() }
        }
        while try pruneBases() { await letCommitsPass() }
        releaseIdleBases()
        while try mergeLosses() { await letCommitsPass() }
        while try vacuumStep(isDiskTight: environment.space?.pressure.isAny ?? false) {
            await letCommitsPass()
        }
        checkpointIfDue(isIdle: queue.withLock { $0.isIdle })
    }

    func letCommitsPass() async {
        commitPending()
        // The other spools of this thread have their turn.
        await environment.writer.letOthersPass()
    }

    private static let agePauseSeconds: Int64 = 3600

    /// After the wall clock stepped, nobody knows yet which of its values was right: for an hour nothing is deleted for
    /// its age, so that someone can look (rule 9).
    private func noticeClockSteps() {
        _ = clock.read(environment.time)
        guard let step = clock.takeStep() else { return }
        upkeep.agePausedUntil = clock.at.addingSeconds(Spool.agePauseSeconds)
        raise(
            .warning, "the wall clock stepped: nothing is deleted for its age for an hour",
            ["clock.step_seconds": String(step / 1_000_000_000)])
    }

    /// Seconds until the budget is used up at the present growth; nil when it is not growing, or has no budget.
    func secondsToFull() -> Double? {
        guard let limits = configuration.spaceLimits else { return nil }
        // What it refuses or drops does not make it grow.
        guard admission.isAccept else { return 0 }
        return upkeep.growth.seconds(to: limits.databaseBytes - upkeep.usedBytes)
    }

    /// An hour is time to do something about it.
    private static let warningSeconds = 3600.0

    /// Said once; again only when the end was out of sight in between.
    private func warnWhenFullSoon() {
        // Of a full one its refusals tell.
        guard admission.isAccept, let seconds = secondsToFull(), seconds < 2 * Spool.warningSeconds else {
            upkeep.isFullSoon = false
            return
        }
        guard seconds < Spool.warningSeconds, !upkeep.isFullSoon else { return }
        upkeep.isFullSoon = true
        raise(
            .warning, "a spool's budget will be used up within an hour",
            ["spool.seconds_to_full": String(Int(seconds)), "spool.used_bytes": String(upkeep.usedBytes)])
    }

    /// What came of asking a spool to close.
    enum Closing: Sendable {
        /// Something is leased or queued.
        case staysOpen
        /// With its last status, where the disk still told it.
        case closed(SpoolStatus?)
    }

    /// Closes the spool unless something is leased or queued.
    func closeIfIdle() async -> Closing {
        guard leases.isEmpty, !replayPieces.values.contains(where: { $0.lease != nil }), readingReplays.isEmpty,
            salvage == nil, copy == nil, queue.withLock({ $0.refuseIfEmpty() })
        else { return .staysOpen }
        return .closed(await closeWithStatus())
    }

    /// Closes the spool; leases end.
    func closeWithStatus() async -> SpoolStatus? {
        commitPending()
        announceDropped(isLast: true)
        var last: SpoolStatus?
        do throws(SpoolError) { last = try status() } catch {
            raise(.warning, "a spool's last status is not known", ["error": error.description])
        }
        await close()
        last?.walBytes = 0
        // A closed spool does not grow; one that is full stays so.
        if last?.secondsToFull != 0 { last?.secondsToFull = nil }
        last?.databaseBytes = environment.files.size(path)
        return last
    }
}

extension CommitQueue {
    /// Takes nothing more, if nothing waits.
    fileprivate mutating func refuseIfEmpty() -> Bool {
        guard isEmpty else { return false }
        refusal = refusal ?? SpoolError(.closing, "the spool is closing")
        return true
    }
}
