import WALStore

/// What one attempt's answer asks the worker to do next.
public enum DeliveryOutcome: Equatable, Sendable {
    /// The backend's full success.
    case delivered
    /// The answer speaks of items: what is not named in it was delivered.
    case partly([ItemOutcome])
    /// The same bytes again, later; `after` is what Retry-After asked for.
    case retry(after: Duration?, reason: String)
    /// 413 and kin: split; `limitBytes` when the answer named one.
    case tooLarge(limitBytes: Int?)
    /// Permanent, culprit unknown: bisect. `meansAlreadyThere` when a refusal of these words can also mean that the
    /// points are held (duplicate, out of order, version conflict): after an unknown attempt it settles as assumed.
    case refused(DeadLetterReason, meansAlreadyThere: Bool)
    /// Nothing of it is stored, as the form that it has is not known there, and the backend has another one: encode the same
    /// points again. Never said of the form that it then has.
    case encodeAnew(reason: String)
    /// An operator must act: stop this lane, keep everything, probe now and then.
    case hold(reason: String)

    /// What to do next depends on which points the request has.
    var isAboutPoints: Bool {
        switch self {
        case .partly, .tooLarge, .refused: true
        case .delivered, .retry, .encodeAnew, .hold: false
        }
    }
}

/// A verdict on some of a request's points.
public struct ItemOutcome: Equatable, Sendable {
    public enum Verdict: Equatable, Sendable {
        case dead(DeadLetterReason)
        /// A create conflict: it is there.
        case alreadyThere
        /// Some of it is there, some is not and never will be, and which is not said.
        case assumed(reason: String)
        case retry(reason: String)
        /// Nothing is wrong with it, nor with the backend: it was refused for another item, which is dead. It goes out again
        /// at once.
        case again
        case hold(reason: String)
    }
    public var runs: [LeasedRun]
    public var verdict: Verdict
    public init(runs: [LeasedRun], verdict: Verdict) {
        self.runs = runs
        self.verdict = verdict
    }
}
