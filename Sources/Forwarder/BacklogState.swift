import WALStore

/// A backlog beside which fresh points go out: what is on its way of it, and what is wrong with it alone.
///
/// A request of it that fails, hangs or is looked into says nothing of fresh points. It has a retry clock of its own, and
/// they pass it.
struct BacklogState: Sendable {
    /// Deliveries that hold a lease of it and are not settling yet.
    private(set) var deliveries = 0
    /// When the last of them was leased, boot clock, nanoseconds.
    private(set) var leasedAt: Int64 = 0
    /// How many points that lease had.
    private(set) var leasedPoints = 0
    /// Where the backend keeps order, it is written down of all of them that fresh points may arrive before them.
    private(set) var mayBePassed = false
    /// Failed attempts since one was answered.
    private(set) var attempts = 0
    /// Boot clock, nanoseconds: no lease of it before.
    private(set) var resumeAt: Int64 = 0
    private(set) var reason = ""
    private var failedAt: Int64 = 0
    var suspicion: StuckRule.Suspicion?
    /// A fresh request was taken since the last attempt of what is under suspicion: the backend is up.
    var isBackendProven = false

    /// Its next request shows whether it is well again: that one goes out alone.
    var isInTrouble: Bool { attempts > 0 || suspicion != nil }

    mutating func leased(_ lease: Lease, keepsOrder: Bool, now: Int64) {
        mayBePassed = (deliveries == 0 || mayBePassed) && (!keepsOrder || lease.isOvertaken)
        deliveries += 1
        (leasedAt, leasedPoints) = (now, lease.points)
    }

    mutating func ended() {
        deliveries -= 1
        precondition(deliveries >= 0, "a delivery ends once")
    }

    /// None of it is owed any more.
    mutating func isGone() {
        answered()
        suspicion = nil
    }

    mutating func answered() {
        (attempts, resumeAt, reason) = (0, 0, "")
    }

    /// - Parameters:
    ///   - startedAt: boot clock. Requests that were on their way together fail once.
    ///   - delay: what to wait for the given number of failed attempts.
    /// - Returns: how long to wait from now.
    mutating func failed(
        _ reason: String, startedAt: Int64, now: Int64, delay: (_ attempts: Int) -> Duration
    ) -> Duration {
        self.reason = reason
        if startedAt >= failedAt {
            failedAt = now
            attempts += 1
            resumeAt = max(resumeAt, now + delay(attempts).wholeNanoseconds)
        }
        return .nanoseconds(max(0, resumeAt - now))
    }
}

extension Lease {
    /// The spool knows of all of it that later points may arrive before it.
    fileprivate var isOvertaken: Bool {
        pieces.allSatisfy { $0.ordinals.isEmpty || $0.overtaken.clamped(to: $0.ordinals) == $0.ordinals }
    }
}
