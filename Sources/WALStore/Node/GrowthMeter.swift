/// How fast something grows, smoothed over about a minute, for the time until it is full.
struct GrowthMeter: Sendable {
    private static let windowSeconds = 60.0

    private var bytes: Int64 = 0
    private var at: Int64 = .min
    private(set) var bytesPerSecond = 0.0

    /// - Parameter now: of a clock that never goes back, nanoseconds; a second look at the same time changes nothing.
    mutating func measured(_ new: Int64, at now: Int64) {
        guard at != .min else {
            (bytes, at) = (new, now)
            return
        }
        guard now > at else { return }
        let seconds = Double(now - at) / 1_000_000_000
        let share = min(1, seconds / GrowthMeter.windowSeconds)
        bytesPerSecond += share * (Double(new - bytes) / seconds - bytesPerSecond)
        (bytes, at) = (new, now)
    }

    /// Until `room` is used up; nil while nothing grows.
    func seconds(to room: Int64) -> Double? {
        guard bytesPerSecond > 0 else { return nil }
        return max(0, Double(room)) / bytesPerSecond
    }
}
