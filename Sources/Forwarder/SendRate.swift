#if canImport(Glibc)
    import Glibc
#endif

/// How many points a second a lane gets through while anything of it is on its way, all its requests together.
///
/// On a link that is the bottleneck requests share it: how long one takes alone says nothing of what many take at once.
/// Time in which nothing is on its way does not count.
struct SendRate: Sendable, Hashable {
    /// What lies further back fades: so many seconds of sending count.
    static let memorySeconds = 2.0

    private var requests = 0
    /// Boot clock, nanoseconds.
    private var countedUpTo: Int64 = 0
    private var points = 0.0
    private var seconds = 0.0

    /// nil until something was taken.
    var pointsPerSecond: Double? { points > 0 ? points / max(seconds, 1e-6) : nil }

    mutating func begin(now: Int64) {
        if requests == 0 { countedUpTo = now }
        requests += 1
    }

    /// - Parameter taken: points of the request; nil when it failed, as who fails says nothing of the link: a refused
    ///   connection is quick.
    mutating func end(taken: Int?, now: Int64) {
        requests -= 1
        guard let taken else { return }
        let passed = Double(max(0, now - countedUpTo)) / 1e9
        countedUpTo = now
        let kept = exp(-passed / SendRate.memorySeconds)
        points = points * kept + Double(taken)
        seconds = seconds * kept + passed
    }

    /// What was before an outage says nothing of the time after it.
    mutating func forget() { (points, seconds) = (0, 0) }
}
