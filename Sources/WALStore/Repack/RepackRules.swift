/// What a repack merges, and how much of the node it may take (rule 7).
///
/// A point is written anew at most once for each doubling of its row (`largestPercent`).
struct RepackRules: Sendable, Hashable {
    /// Points of a merged row. Decoded it has to fit into the cache beside others, or each lease of a part of it would
    /// decode it again.
    var targetPoints = 262_144
    /// What a merged row may take in memory, decoded.
    var memoryBytes = 12 << 20
    /// Fewer rows are not worth a transaction.
    var smallestRun = 4
    /// What the largest row may have of the points of a run.
    var largestPercent = 50
    /// Rows younger than this are left to live delivery. Nanoseconds, as all of these.
    var rest: Int64 = 10 * 1_000_000_000
    /// The same for what nobody is owed any more: kept for replay and audit, it has time.
    var keptRest: Int64 = 600 * 1_000_000_000
    /// How long a run that is not full yet waits for more.
    var patience: Int64 = 600 * 1_000_000_000
    /// Between the first point of a run and its last: a merged row is as young as the youngest of it, so ages, `retain`
    /// and backfill see no finer than this. Never more than a 24th of the ages that are configured.
    var span: Int64 = 3600 * 1_000_000_000
    /// What was passed over may be free of its lease, or have gone, after this.
    var secondLook: Int64 = 300 * 1_000_000_000
}

/// One round over the spools of a node; it comes each second.
struct RepackRound: Sendable {
    /// What may still be merged: about a sixth of a core, and as much of the disk as that writes. The last run may go
    /// beyond it.
    var points = 524_288
    /// What may still be looked at, without blocks.
    var rows = 16_384
    var tally = RepackTally()
    var isUsedUp: Bool { points <= 0 || rows <= 0 }
}

/// What a spool remembers of its repacks.
struct RepackState: Sendable {
    var rules = RepackRules()
    /// Rows before this sequence have been looked at: merged, or not to be.
    var doneBefore: Int64 = 0
    /// Spool clock: all rows are looked at again then.
    var secondLookAt: Int64 = .min
    /// Nothing is to be found before this time on the spool clock, unless this much has been accepted.
    var waitsUntil: Int64 = .min
    var waitsForPosition: Int64 = .max
}

/// What repacks have done.
public struct RepackTally: Sendable, Hashable {
    /// Rows that were merged, and what became of them.
    public var rows: Int64 = 0
    public var mergedRows: Int64 = 0
    public var points: Int64 = 0
    /// Of the blocks, before and after.
    public var bytesBefore: Int64 = 0
    public var bytesAfter: Int64 = 0

    public init() {}

    static func += (sum: inout RepackTally, other: RepackTally) {
        sum.rows += other.rows
        sum.mergedRows += other.mergedRows
        sum.points += other.points
        sum.bytesBefore += other.bytesBefore
        sum.bytesAfter += other.bytesAfter
    }
}
