import WALStore

/// What is left to do of one lease, and what each answer makes of it. Pure: it sends nothing and waits for nothing.
///
/// Parts are a stack, the earliest points on top, so halves go out in the order in which their points arrived: a backend
/// that wants each series in order never meets a later half first.
///
/// A refusal as already there is bisected like any other, down to single points: a request that a backend rolls back
/// whole for one point it holds (Prometheus does) says nothing about the others, and settling them unsent would lose
/// them. Only a single point that may have been sent before settles as assumed (rule 4), and only if no later
/// point was sent ahead of it: such a point is out of order whether or not it arrived.
struct Bisect {
    /// Points that go out in one request.
    struct Part: Sendable, Equatable {
        var runs: [LeasedRun]
        /// An attempt with these points ended without an answer, in this process.
        var isUncertain = false
        /// Requests that carried these points, of whatever size.
        var attempts = 0
        /// Wall clock, nanoseconds; 0 before the first attempt.
        var firstAttemptAt: Int64 = 0
        /// The spool knows that points behind it go out ahead of it.
        var isNoted = false
        /// Points behind it arrived before it, or may have: that a backend calls it out of order proves nothing.
        var isOvertaken = false
        /// Whether it failed on its own while other requests were known to succeed.
        var isSuspect = false
        /// Its points are like some that were refused (`RefusalHints`).
        var isLikeRefused = false
        var points: Int { runs.points }
    }

    /// Single points set aside before a probe for stuck bytes gives up.
    static let maximumSuspects = 8

    private let pieces: [LeasedPiece]
    /// The next one last.
    private var parts: [Part] = []
    /// Single points that keep failing, while nothing shows yet that the backend takes anything at all.
    private var suspects: [Part] = []
    /// Whether the same bytes failed for so long that the points themselves are under suspicion.
    private(set) var isProbing = false
    /// Whether a request was delivered since the probe began.
    private(set) var isBackendProven = false
    /// What was learned from refusals, in this lease and before it.
    private(set) var hints: RefusalHints

    /// - Parameters:
    ///   - runs: nil for all of the pieces.
    ///   - maximumPoints: of a part.
    ///   - hints: what earlier leases learned.
    init(
        _ pieces: [LeasedPiece], runs: [LeasedRun]? = nil, maximumPoints: Int, isUncertain: Bool = false,
        hints: RefusalHints = RefusalHints()
    ) {
        self.pieces = pieces
        self.hints = hints
        let runs = runs ?? pieces.indices.map { LeasedRun(piece: $0, ordinals: pieces[$0].ordinals) }
        begin(with: Part(runs: runs, isUncertain: isUncertain), maximumPoints: maximumPoints)
    }

    /// - Parameter cuts: what goes out in a request each, in order.
    init(_ pieces: [LeasedPiece], cuts: [[LeasedRun]], hints: RefusalHints) {
        self.pieces = pieces
        self.hints = hints
        for runs in cuts.reversed() { begin(with: Part(runs: runs), maximumPoints: .max) }
    }

    private mutating func begin(with part: Part, maximumPoints: Int) {
        if !sift(part, maximumPoints: maximumPoints) { push(part, maximumPoints: maximumPoints) }
    }

    // MARK: Taking

    /// The earliest part, which the caller then answers for with one of the calls below.
    mutating func next() -> Part? { parts.popLast() }

    /// Nothing is left to send.
    var isDone: Bool { parts.isEmpty && suspects.isEmpty }

    /// The stack is empty but single points are set aside: whether they or the backend are at fault needs a request with
    /// other points.
    var needsProof: Bool {
        isProbing && !isBackendProven && !suspects.isEmpty
            && (parts.isEmpty || suspects.count >= Bisect.maximumSuspects)
    }

    /// Back on top, as it is.
    mutating func putBack(_ part: Part) { if part.points > 0 { parts.append(part) } }

    /// Everything not settled yet, in order.
    var remainder: [LeasedRun] { suspects.flatMap(\.runs) + parts.reversed().flatMap(\.runs) }

    /// Whether any of what is left had an attempt without an answer.
    var hasUncertain: Bool { parts.contains(where: \.isUncertain) || suspects.contains(where: \.isUncertain) }

    // MARK: Answers

    mutating func delivered(_ part: Part) -> [Settlement.Part] {
        // The backend takes now what it did not, or they never were alike.
        if part.isLikeRefused { hints = RefusalHints() }
        overtook()
        proveBackend()
        return settle(part.runs, .delivered)
    }

    /// Too large for one request.
    mutating func tooLarge(_ part: Part, status: Int, excerpt: String) -> [Settlement.Part] {
        split(part) ?? settle(part.runs, .dead(DeadLetterReason(code: "too_large", excerpt: excerpt, status: status)))
    }

    /// Refused for good, for some of its points.
    mutating func refused(
        _ part: Part, _ reason: DeadLetterReason, meansAlreadyThere: Bool
    ) -> [Settlement.Part] {
        if part.points > 1, !part.isLikeRefused, sift(part, maximumPoints: part.points) { return [] }
        if let settled = split(part) { return settled }
        let maybeSent = part.isUncertain || part.runs.contains { !$0.ordinals.isEmpty && pieces[$0.piece].maybeSent }
        let isOvertaken =
            part.isOvertaken || part.runs.contains { $0.ordinals.overlaps(pieces[$0.piece].overtaken) }
        if meansAlreadyThere, maybeSent, !isOvertaken { return settle(part.runs, .assumed) }
        if let run = part.runs.first(where: { !$0.ordinals.isEmpty }) {
            hints.learn(reason.excerpt, pieces[run.piece].batch, run.ordinals.lowerBound)
        }
        return settle(part.runs, .dead(reason))
    }

    /// The answer named items; what it did not name was delivered. `retry`, `hold` and `again` go back on top as one part.
    ///
    /// - Parameter wasSent: whether any of these points was in the request.
    mutating func partly(
        _ part: Part, _ items: [ItemOutcome], wasSent: ([LeasedRun]) -> Bool = { $0.points > 0 }
    ) -> [Settlement.Part] {
        var settled: [Settlement.Part] = []
        var again: [LeasedRun] = []
        for item in items {
            switch item.verdict {
            case .dead(let reason): settled += settle(item.runs, .dead(reason))
            case .alreadyThere, .assumed: settled += settle(item.runs, .assumed)
            case .retry, .hold, .again: again += item.runs
            }
        }
        let named = items.flatMap(\.runs)
        let rest = part.runs.subtracting(named)
        if wasSent(rest) {
            overtook()
            proveBackend()
        }
        var remaining = part
        // In arrival order, whatever the order of the items was; never more than the part had.
        remaining.runs = part.runs.subtracting(part.runs.subtracting(again))
        putBack(remaining)
        return settle(rest, .delivered) + settled
    }

    // MARK: Stuck bytes

    /// The same points were answered 500 for long: from now on `stuck` narrows them down.
    mutating func beginProbe() { isProbing = true }

    /// Answered 500 during a probe.
    ///
    /// A half that fails is halved again. A single point that fails is set aside until some other request is delivered;
    /// then it gets one more attempt, and is dead if that fails too. While everything fails alike, nothing is buried:
    /// that is an outage.
    mutating func stuck(_ part: Part, _ reason: DeadLetterReason) -> [Settlement.Part] {
        if let settled = split(part) { return settled }
        if isBackendProven, part.isSuspect { return settle(part.runs, .dead(reason)) }
        var suspect = part
        suspect.isSuspect = true
        if isBackendProven { parts.append(suspect) } else { suspects.append(suspect) }
        return []
    }

    /// The points set aside since it was last asked: whatever is sent next is sent ahead of them.
    mutating func takeNewSuspects() -> [LeasedRun] {
        var runs: [LeasedRun] = []
        for index in suspects.indices where !suspects[index].isNoted {
            suspects[index].isNoted = true
            runs += suspects[index].runs
        }
        return runs
    }

    /// Whether anything that is left, or was, has been overtaken.
    private(set) var hasOvertaken = false

    /// A part of this lease arrived, or may have: ahead of what is set aside.
    mutating func overtook() {
        if !suspects.isEmpty { hasOvertaken = true }
        for index in suspects.indices { suspects[index].isOvertaken = true }
    }

    /// Points behind this lease arrived, or may have: ahead of all that is left of it.
    mutating func overtookAll() {
        overtook()
        hasOvertaken = true
        for index in parts.indices { parts[index].isOvertaken = true }
    }

    /// A request with other points was delivered: the backend is up.
    mutating func proveBackend() {
        guard isProbing, !isBackendProven else { return }
        isBackendProven = true
        // They were on top before they were set aside.
        parts.append(contentsOf: suspects.reversed())
        suspects = []
    }

    // MARK: Parts

    private func settle(_ runs: [LeasedRun], _ fate: Fate) -> [Settlement.Part] {
        runs.filter { !$0.ordinals.isEmpty }.map { Settlement.Part($0, fate) }
    }

    /// - Returns: nil when a single point cannot be halved; else nothing is settled yet.
    private mutating func split(_ part: Part) -> [Settlement.Part]? {
        let points = part.points
        guard points > 1 else { return nil }
        push(part, maximumPoints: (points + 1) / 2)
        return []
    }

    /// Puts the points that are like refused ones on top, apart from the others: old ones come first in their series, and of
    /// any other kind a series has all or none.
    ///
    /// - Returns: false where all are alike.
    private mutating func sift(_ part: Part, maximumPoints: Int) -> Bool {
        guard let (alike, rest) = hints.sift(part.runs, pieces) else { return false }
        var (suspects, others) = (part, part)
        (suspects.runs, suspects.isLikeRefused, others.runs) = (alike, true, rest)
        push(others, maximumPoints: maximumPoints)
        push(suspects, maximumPoints: maximumPoints)
        return true
    }

    private mutating func push(_ part: Part, maximumPoints: Int) {
        var cut: [Part] = []
        var rest = part.runs
        while !rest.isEmpty {
            var piece = part
            (piece.runs, rest) = rest.split(at: max(1, maximumPoints))
            cut.append(piece)
        }
        parts.append(contentsOf: cut.reversed())
    }
}
