/// How fast something grows, smoothed over about a minute, for the time until it is full; forgotten when nothing has grown
/// for two.
struct GrowthMeter: Sendable {
    private static let windowSeconds = 60.0
    /// A sender that comes once a minute still makes it grow; an average alone would fade for hours and never end.
    private static let silenceNanoseconds: Int64 = 120_000_000_000

    private var bytes: Int64 = 0
    private var at: Int64 = .min
    private var grewAt: Int64 = 0
    private(set) var bytesPerSecond = 0.0

    /// - Parameter now: of a clock that never goes back, nanoseconds; a second look at the same time changes nothing.
    mutating func measured(_ new: Int64, at now: Int64) {
        guard at != .min else {
            (bytes, at, grewAt) = (new, now, now)
            return
        }
        guard now > at else { return }
        let seconds = Double(now - at) / 1_000_000_000
        let share = min(1, seconds / GrowthMeter.windowSeconds)
        bytesPerSecond += share * (Double(new - bytes) / seconds - bytesPerSecond)
        if new > bytes { grewAt = now }
        if now - grewAt > GrowthMeter.silenceNanoseconds { bytesPerSecond = 0 }
        (bytes, at) = (new, now)
    }

    /// Until `room` is used up; nil while nothing grows.
    func seconds(to room: Int64) -> Double? {
        guard bytesPerSecond > 0 else { return nil }
        return max(0, Double(room)) / bytesPerSecond
    }
}
