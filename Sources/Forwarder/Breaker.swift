/// Stops a lane from spending requests on a backend that keeps failing.
///
/// Closed, a lane sends as many requests at once as its backend allows. After `threshold` failures in a row it opens:
/// then one request at a time, each after a backoff, until one succeeds.
struct Breaker: Sendable, Hashable {
    static let threshold = 3

    /// Failures since the last success.
    private(set) var failures = 0
    /// How often it opened.
    private(set) var openings: UInt64 = 0

    var isOpen: Bool { failures >= Breaker.threshold }

    mutating func succeeded() { failures = 0 }

    mutating func failed() {
        failures += 1
        if failures == Breaker.threshold { openings += 1 }
    }

    /// How many requests may be in flight, of the `allowed` ones.
    func concurrency(allowed: Int) -> Int { isOpen ? 1 : allowed }
}
