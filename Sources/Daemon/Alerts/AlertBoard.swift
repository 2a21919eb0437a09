import Forwarder

/// Which alerts fire, and since when. In memory: a node that starts begins with what is wrong then.
struct AlertBoard: Sendable {
    /// So many at most. Those that fire already go first, then what is critical: a disk that takes all spools down is told by
    /// the first thousand of its tenants.
    static let maximum = 1000

    private var startedAt: [Alert.ID: Int64] = [:]
    /// How many there was no place for the last time.
    private(set) var leftOut = 0
    var firing: Int { startedAt.count }

    /// - Parameters:
    ///   - alerts: what is wrong now, in any order; the first of one identity counts.
    ///   - wall: nanoseconds since the epoch.
    mutating func update(_ alerts: [Alert], wall: Int64) -> AlertSnapshot {
        var unique = Dictionary(alerts.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        leftOut = max(0, unique.count - AlertBoard.maximum)
        if leftOut > 0 {
            let chosen = unique.values.sorted { rank($0) < rank($1) }.prefix(AlertBoard.maximum)
            unique = Dictionary(uniqueKeysWithValues: chosen.map { ($0.id, $0) })
        }
        // A clock that was set back: it did not begin in the future.
        startedAt = unique.mapValues { min(startedAt[$0.id] ?? wall, wall) }
        let firing = unique.values.sorted { $0.id < $1.id }.map {
            AlertSnapshot.Firing($0, startedAt: startedAt[$0.id] ?? wall)
        }
        return AlertSnapshot(firing, madeAt: wall)
    }

    private func rank(_ alert: Alert) -> (Int, Int, Alert.ID) {
        (startedAt[alert.id] == nil ? 1 : 0, alert.severity == .critical ? 0 : 1, alert.id)
    }
}
