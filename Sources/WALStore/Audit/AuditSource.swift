import CXXHash

/// What the tables of one connection read through: the connection itself, so that a question has one snapshot, the bases
/// that blocks stand on, and the names that have come up.
final class AuditSource {
    let connection: Connection
    let bases: StoredBases
    let names = AuditNames()
    let routes = KnownRoutes()
    /// Goes on without rows whose blocks cannot be read.
    let skipsDamage: Bool
    private(set) var damage = AuditDamage()
    /// For whoever wants to know what a question cost.
    private(set) var cost = AuditCost()

    /// Of one spool.
    private static let baseBytes = 16 << 20

    /// - Parameter connection: must outlive this value.
    init(_ connection: Connection, skipsDamage: Bool) {
        self.connection = connection
        self.skipsDamage = skipsDamage
        let cache = BlockCache(maximumBytes: AuditSource.baseBytes, maximumSpoolBytes: AuditSource.baseBytes)
        bases = StoredBases(connection: connection, cache: cache, spool: cache.admitSpool())
    }

    /// Series were held against a filter.
    func countMatched(_ series: Int) { cost.matchedSeries += series }

    func countBlock(hasPoints: Bool) {
        cost.blocks += 1
        if hasPoints { cost.pointBlocks += 1 }
    }

    /// A row whose block cannot be read.
    ///
    /// - Throws: what is wrong with it, and how to go on without it, unless rows may be left out.
    func meetDamage(_ row: AuditRow, _ error: SpoolError) throws(AuditError) {
        damage.rows += 1
        damage.points += Int64(row.points)
        if skipsDamage { return }
        let which =
            row.sequence == row.lastSequence
            ? "the row of sequence \(row.sequence)" : "the row of sequences \(row.sequence) to \(row.lastSequence)"
        throw AuditError(.damaged, "\(which), with \(row.points) points, cannot be read: \(error)")
    }
}

/// Rows that were left out of an answer.
public struct AuditDamage: Sendable, Hashable {
    public var rows = 0
    public var points: Int64 = 0
}

/// What was decoded for answers.
struct AuditCost: Sendable, Hashable {
    /// Whose series were looked at.
    var blocks = 0
    /// Whose points were.
    var pointBlocks = 0
    /// Series that were held against what was asked for.
    var matchedSeries = 0
}
