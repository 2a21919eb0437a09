/// When the same points, answered 500 again and again, come under suspicion themselves.
///
/// Prometheus 2.42 says 500 for ever to a sample older than its out-of-order window, which looks like an outage. Only
/// status 500 with a body counts, because a process that is down, starting or behind a broken proxy gives none, or 502,
/// 503 or 504. Suspicion alone buries nothing: see `Bisect.stuck`.
struct StuckRule: Sendable, Hashable {
    var tries = 5
    var overAtLeast: Duration = .seconds(120)

    /// The points at the head of a lane, and how long they have been answered like that.
    struct Suspicion: Sendable, Hashable {
        /// Where the points begin, and how many: what is leased again must be the same.
        var firstSequence: Int64
        var firstOrdinal: Int64
        var points: Int
        var tries: Int
        /// Boot clock, nanoseconds.
        var since: Int64

        func isOf(_ other: Suspicion) -> Bool {
            firstSequence == other.firstSequence && firstOrdinal == other.firstOrdinal && points == other.points
        }

        mutating func startAnew(now: Int64) { (tries, since) = (0, now) }
    }

    static func counts(_ answer: Answer) -> Bool {
        if case .response(let response) = answer { return response.status == 500 && !response.body.isEmpty }
        return false
    }

    func isStuck(_ suspicion: Suspicion, now: Int64) -> Bool {
        suspicion.tries >= tries && .nanoseconds(now - suspicion.since) >= overAtLeast
    }
}
