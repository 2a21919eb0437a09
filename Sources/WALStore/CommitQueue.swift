import Metrics

/// What waits for the next commit. Kept in a mutex: filled from any thread, emptied by the spool's.
struct CommitQueue: Sendable {
    struct Append: Sendable {
        var request: AppendRequest
        var bytes: Int
        var completion: @Sendable (Result<AppendReceipt, SpoolError>) -> Void
    }
    struct Settle: Sendable {
        var lease: Lease
        var settlement: Settlement
        var completion: @Sendable (Result<Void, SpoolError>) -> Void
    }

    private(set) var appends: [Append] = []
    private(set) var settles: [Settle] = []
    private(set) var bytes = 0
    /// A commit has been asked for and has not begun: for appends, which may linger, and for settles, which wait less.
    private var isScheduledForAppends = false
    private var isScheduledForSettles = false
    var refusal: SpoolError?

    enum Admission {
        /// Queued; `schedulesCommit` when nobody has asked for a commit yet.
        case queued(schedulesCommit: Bool)
        case refused(SpoolError)
    }

    mutating func add(_ append: Append, maximumBytes: Int) -> Admission {
        if let refusal { return .refused(refusal) }
        // One request is always let in, so that the bound does not forbid what the limits of a request allow.
        guard appends.isEmpty || bytes + append.bytes <= maximumBytes else {
            return .refused(SpoolError(.full, "too much waits for the next commit; try again"))
        }
        bytes += append.bytes
        appends.append(append)
        defer { isScheduledForAppends = true }
        return .queued(schedulesCommit: !isScheduledForAppends)
    }

    mutating func add(_ settle: Settle) -> Admission {
        if let refusal { return .refused(refusal) }
        settles.append(settle)
        defer { isScheduledForSettles = true }
        return .queued(schedulesCommit: !isScheduledForSettles)
    }

    /// Takes all that waits; the next arrival schedules a commit again.
    mutating func take() -> (appends: [Append], settles: [Settle]) {
        defer {
            appends = []
            settles = []
            bytes = 0
            isScheduledForAppends = false
            isScheduledForSettles = false
        }
        return (appends, settles)
    }

    var isEmpty: Bool { appends.isEmpty && settles.isEmpty }
}
