/// What a spool remembers between two rounds of its upkeep.
struct UpkeepState: Sendable {
    /// Pages the connection had written to the WAL at the last checkpoint.
    var pagesAtCheckpoint: Int64 = 0
    /// The last TRUNCATE met a reader that would not end.
    var isTruncateBlocked = false
    /// Highest size of the WAL before a gate closes; tests use a smaller one.
    var walCapBytes: Int64 = 64 << 20
    /// Spool clock, nanoseconds: age deletion waits until then.
    var agePausedUntil: Int64 = .min
    /// For the time-to-full estimate: bytes in use, and when that was.
    var usedBytes: Int64 = 0
    var usedAt: Int64 = .min
    /// Smoothed growth.
    var bytesPerSecond: Double = 0

    /// Takes a measurement; at most one a second counts.
    mutating func measured(_ bytes: Int64, at now: Int64) {
        defer { (usedBytes, usedAt) = (bytes, now) }
        guard usedAt != .min, now > usedAt else { return }
        let seconds = Double(now - usedAt) / 1_000_000_000
        let share = min(1, seconds / 60)
        bytesPerSecond += share * (Double(bytes - usedBytes) / seconds - bytesPerSecond)
    }
}
