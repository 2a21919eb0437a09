/// What a spool remembers between two rounds of its upkeep.
struct UpkeepState: Sendable {
    /// Pages the connection had written to the WAL at the last checkpoint.
    var pagesAtCheckpoint: Int64 = 0
    /// Commits since then.
    var commitsSinceCheckpoint = 0
    /// What is left of the log when it begins anew, as the connection was told last; nil: all of it.
    var logLimit: Int64?
    /// How many attempts in a row to empty the log met a reader that would not end.
    var truncateRefusals = 0
    var isTruncateBlocked: Bool { truncateRefusals > 0 }
    /// Highest size of the WAL before a gate closes; tests use a smaller one, as of the next two.
    var walCapBytes: Int64 = 64 << 20
    /// Pages of WAL for a checkpoint, about a mebibyte: one then takes two milliseconds or less.
    var checkpointPages: Int64 = 256
    /// A checkpoint syncs two times. While requests wait it is put off until as many commits share them, so that a slow disk
    /// with big commits does not spend its time on it, and no further than eight times its pages.
    private static let commitsForCheckpoint = 16
    /// With fewer free pages a file is not worth shrinking.
    var smallestVacuumPages: Int64 = 256
    /// Spool clock, nanoseconds: age deletion waits until then.
    var agePausedUntil: Int64 = .min
    /// What new points that were refused would have needed.
    var neededBytes: Int64 = 0
    /// Pages in use, for the time until the budget is used up.
    var growth = GrowthMeter()
    var usedBytes: Int64 = 0
    var repack = RepackState()
    /// Bases up to this id were looked at last, whether a row stands on them.
    var basesLookedAt: Int64 = 0
    /// The next row's sequence, and since when it is that: spool clock.
    var basesIdle: (sequence: Int64, since: Int64)?
    /// An operator has been told that the budget will soon be used up.
    var isFullSoon = false
    var dropped = Dropped()
    /// Running totals that are kept, all backends together: about 70 bytes each on disk. Of those beyond the next point finds
    /// nothing to be counted from. Tests use fewer.
    var maximumCounters: Int64 = 1_000_000
    /// Running totals in the file; nil: not counted yet.
    var counters: Int64?
    /// Spool clock, nanoseconds: old ones are looked for again then.
    var countersAt: Int64 = .min
    var counterSweep: CounterSweep?

    /// - Parameters:
    ///   - pages: what the log has more than at the last checkpoint.
    ///   - isIdle: no request waits.
    func isCheckpointDue(after pages: Int64, isIdle: Bool) -> Bool {
        guard pages >= checkpointPages else { return false }
        return isIdle || commitsSinceCheckpoint >= UpkeepState.commitsForCheckpoint || pages >= checkpointPages * 8
    }

    /// A checkpoint was made, or tried.
    ///
    /// - Parameter pages: what the connection has written.
    mutating func checkpointed(at pages: Int64) {
        pagesAtCheckpoint = pages
        commitsSinceCheckpoint = 0
    }

    /// What `drop_oldest` ended, as far as no event has told of it.
    struct Dropped: Sendable {
        /// Of each backend that was owed them.
        var points: Int64 = 0
        /// Spool clock, nanoseconds, of the last event; nil: there was none.
        var announcedAt: Int64?
    }
}
