import WALStore

/// How long to wait before the next attempt: exponential with full jitter, so that lanes that failed together do not
/// come back together. <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>
struct Backoff: Sendable, Hashable {
    var base: Duration = .milliseconds(100)
    var cap: Duration = .seconds(60)
    /// What a backend may ask for at most: a Retry-After of a year is a mistake, not a wish.
    var retryAfterBound: Duration = .seconds(3600)

    /// At most, to what a backend asked for.
    private static let addedShare = 0.1

    /// - Parameters:
    ///   - attempts: failed attempts in a row, counted from 1.
    ///   - retryAfter: what the backend asked for. It wins over the exponential wait, also beyond `cap`; up to a tenth is
    ///     added, because everybody was told the same.
    func delay(attempts: Int, retryAfter: Duration?, using random: inout some RandomNumberGenerator) -> Duration {
        if let retryAfter, retryAfter > .zero {
            let asked = min(retryAfter, retryAfterBound)
            return asked + asked * Double.random(in: 0...Backoff.addedShare, using: &random)
        }
        // 2^20 times the base is beyond any cap; the shift must not overflow.
        let doublings = min(max(attempts - 1, 0), 20)
        let ceiling = min(cap, base * Double(1 << doublings))
        return ceiling * Double.random(in: 0...1, using: &random)
    }

    /// What is left of a wait that an earlier process noted by the wall clock. More than any wait takes is a clock that went
    /// back since: then it is the longest that nobody asked for.
    ///
    /// - Parameter noted: nanoseconds; below 0 when it is over.
    func left(of noted: Int64) -> Duration {
        let longest = retryAfterBound + retryAfterBound * Backoff.addedShare
        return noted > longest.wholeNanoseconds ? cap : .nanoseconds(max(0, noted))
    }
}
