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

    /// The two things that wait, each for a commit of its own kind.
    enum Kind: Sendable { case appends, settles }

    /// A commit that somebody has to ask for.
    struct Call: Sendable {
        var kind: Kind
        /// Which group of that kind: a call that comes when its group has gone with another commit is void.
        var group: UInt64
        /// False: without waiting for company.
        var mayWait: Bool
    }

    enum Admission {
        /// Queued; with the call to make, when nobody has made it yet.
        case queued(Call?)
        case refused(SpoolError)
    }

    /// How soon the present group of a kind has been asked for.
    private enum Haste { case notAtAll, inTime, now }
    private struct Group {
        var number: UInt64 = 0
        private(set) var haste = Haste.notAtAll

        mutating func call(_ kind: Kind, mayWait: Bool) -> Call? {
            guard haste != .now, !mayWait || haste == .notAtAll else { return nil }
            haste = mayWait ? .inTime : .now
            return Call(kind: kind, group: number, mayWait: mayWait)
        }

        mutating func taken() { self = Group(number: number + 1) }
    }

    private(set) var appends: [Append] = []
    private(set) var settles: [Settle] = []
    private(set) var bytes = 0
    private var settlingPoints = 0
    /// Commits of new points that went by without the settles that wait.
    private(set) var passed = 0
    /// One of the appends may have been sent before.
    private(set) var hasMarks = false
    private var appendGroup = Group()
    private var settleGroup = Group()
    var refusal: SpoolError?

    /// More than this does not wait for company: it fills a row by itself.
    static let lingeringBytes = 8 << 20
    /// So many settles do not wait any longer: a lane goes on beside some that are not durable, and must not stand still for
    /// them (`LaneState.maximumSettling`).
    static let waitingSettles = 12
    /// Nor with so many points, which are kept for them.
    static let waitingPoints = 100_000
    /// So many commits go by without settles that may wait: what these write would be a third of each.
    static let passes = 8

    mutating func add(_ append: Append, maximumBytes: Int) -> Admission {
        if let refusal { return .refused(refusal) }
        // One request is always let in, so that the bound does not forbid what the limits of a request allow.
        guard appends.isEmpty || bytes + append.bytes <= maximumBytes else {
            return .refused(SpoolError(.full, "too much waits for the next commit; try again"))
        }
        bytes += append.bytes
        appends.append(append)
        if append.request.mark != nil { hasMarks = true }
        return .queued(appendGroup.call(.appends, mayWait: bytes <= CommitQueue.lingeringBytes))
    }

    mutating func add(_ settle: Settle, mayWait: Bool) -> Admission {
        if let refusal { return .refused(refusal) }
        settles.append(settle)
        settlingPoints += settle.lease.points
        let isFew = settles.count < CommitQueue.waitingSettles && settlingPoints < CommitQueue.waitingPoints
        return .queued(settleGroup.call(.settles, mayWait: mayWait && isFew))
    }

    /// Whether what the call was made for still waits.
    func awaits(_ call: Call) -> Bool {
        switch call.kind {
        case .appends: call.group == appendGroup.number && !appends.isEmpty
        case .settles: call.group == settleGroup.number && !settles.isEmpty
        }
    }

    /// What a commit is of.
    enum Share: Sendable {
        case all
        /// Appends linger on.
        case settles
        /// Settles that may wait let it pass, a few times.
        case appends
    }

    /// Takes what a commit is of; the next arrival calls for a commit again.
    mutating func take(_ share: Share = .all) -> (appends: [Append], settles: [Settle], hasMarks: Bool) {
        var taken: (appends: [Append], settles: [Settle], hasMarks: Bool) = ([], [], false)
        if share != .settles {
            (taken.appends, taken.hasMarks) = (appends, hasMarks)
            (appends, hasMarks) = ([], false)
            bytes = 0
            appendGroup.taken()
        }
        if share == .appends, settleGroup.haste == .inTime, passed < CommitQueue.passes {
            passed += 1
        } else {
            taken.settles = settles
            settles = []
            settlingPoints = 0
            passed = 0
            settleGroup.taken()
        }
        return taken
    }

    /// Nobody waits for a commit: settles may be there that have time.
    var isIdle: Bool { appends.isEmpty && settleGroup.haste != .now }
    var isEmpty: Bool { appends.isEmpty && settles.isEmpty }
}
