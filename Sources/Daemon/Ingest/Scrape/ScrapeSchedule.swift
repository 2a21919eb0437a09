/// When a target is scraped: on a grid of its interval, shifted by its hash, so that the targets of a job are spread
/// evenly and a target keeps its place.
struct ScrapeSchedule: Sendable {
    let intervalNanoseconds: Int64
    let offsetNanoseconds: Int64

    init(interval: Duration, hash: UInt64) {
        intervalNanoseconds = max(1, interval.nanoseconds)
        offsetNanoseconds = Int64(hash % UInt64(intervalNanoseconds))
    }

    /// How long a new target waits for its first scrape: a second at most, so that a node shows life at once.
    var firstDelay: Duration { .nanoseconds(offsetNanoseconds % min(intervalNanoseconds, 1_000_000_000)) }

    /// From `now` (nanoseconds since the epoch) to the next point of the grid; scrapes that took longer than their
    /// interval skip points instead of piling up.
    func delay(after now: Int64) -> Duration {
        let sinceGrid = (now - offsetNanoseconds) % intervalNanoseconds
        let passed = sinceGrid < 0 ? sinceGrid + intervalNanoseconds : sinceGrid
        return .nanoseconds(intervalNanoseconds - passed)
    }
}
