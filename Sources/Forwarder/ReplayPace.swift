/// How fast a replay may go: each request begins when those before it are paid for.
struct ReplayPace: Sendable {
    /// nil: as fast as the backend takes them.
    var pointsPerSecond: Int?
    /// Boot clock, nanoseconds: no lease before.
    private(set) var nextAt: Int64 = 0
    private var beganAt: Int64 = 0

    init(pointsPerSecond: Int?) { self.pointsPerSecond = pointsPerSecond }

    /// Points of a request: a second's worth, so that a slow replay is slow at each moment.
    var maximumPoints: Int { pointsPerSecond.map { max(1, $0) } ?? .max }

    mutating func begins(at now: Int64) { beganAt = now }

    mutating func took(points: Int) {
        guard let pointsPerSecond else { return }
        nextAt = max(nextAt, beganAt) + Int64(Double(points) / Double(max(1, pointsPerSecond)) * 1e9)
    }
}
