/// What a `FaultProxy` does to one connection.
///
/// Positions are bytes of one direction, counted from 0 at the start of the connection. A fault happens when a byte at or
/// after its position arrives: that byte is the first one it concerns.
public struct FaultPlan: Sendable {
    public enum Fault: Sendable, Hashable {
        /// RST to both ends (`SO_LINGER` 0). As the first fault of a reply, it is the answer lost on its way.
        case reset
        /// An orderly end of both directions, after what came before has been passed on.
        case close
        /// An orderly end of this direction; the other one goes on: a half-closed connection.
        case end
        /// Nothing more passes in this direction and nobody is told: a half-open connection.
        case stall
        /// What follows is taken and thrown away.
        case lose
        /// What follows arrives with its bits turned by `mask`.
        case garble(mask: UInt8)
        /// These bytes in place of what follows, then the end of both directions.
        case replace([UInt8])
        /// What follows is held back once for so long.
        case delay(milliseconds: Int)
        /// From here on, so many bytes each interval.
        case slow(bytes: Int, everyMilliseconds: Int)

        public var name: String {
            switch self {
            case .reset: "reset"
            case .close: "close"
            case .end: "end"
            case .stall: "stall"
            case .lose: "lose"
            case .garble: "garble"
            case .replace: "replace"
            case .delay: "delay"
            case .slow: "slow"
            }
        }
    }

    public struct Stage: Sendable, Hashable {
        public var position: Int
        public var fault: Fault
        public init(_ position: Int, _ fault: Fault) {
            self.position = position
            self.fault = fault
        }
    }

    public enum Admission: Sendable, Hashable {
        case pass
        /// RST at once.
        case reset
        /// Accepted, and never a word: nothing is read, nothing goes on to the target.
        case silence
    }

    public var admission: Admission
    /// From the client to the target, by position.
    public var request: [Stage]
    /// From the target to the client.
    public var reply: [Stage]

    public init(_ admission: Admission = .pass, request: [Stage] = [], reply: [Stage] = []) {
        self.admission = admission
        self.request = request.sorted { $0.position < $1.position }
        self.reply = reply.sorted { $0.position < $1.position }
    }

    public static let clean = FaultPlan()
    /// The request arrives, its answer does not.
    public static let replyLost = FaultPlan(reply: [Stage(0, .reset)])
}

/// Plans from a seed: each connection with one fault of any kind at any place, or, with some probability, with none.
/// Every connection ends after a while, so that a sender that keeps its connections soon meets the next plan.
public struct FaultMix: Sendable {
    /// How many of a hundred connections have a fault.
    public var faultsPerHundred: Int
    /// Positions of faults, in bytes.
    public var requestBytes: Int
    public var replyBytes: Int
    /// Delays at most, milliseconds.
    public var delayMilliseconds: Int
    private var random: SeededGenerator

    public init(
        using random: SeededGenerator, faultsPerHundred: Int = 50, requestBytes: Int = 3000, replyBytes: Int = 150,
        delayMilliseconds: Int = 40
    ) {
        self.random = random
        self.faultsPerHundred = faultsPerHundred
        self.requestBytes = requestBytes
        self.replyBytes = replyBytes
        self.delayMilliseconds = delayMilliseconds
    }

    public mutating func next() -> FaultPlan {
        let end = FaultPlan.Stage(Int.random(in: 1...4 * replyBytes, using: &random), .close)
        guard Int.random(in: 0..<100, using: &random) < faultsPerHundred else { return FaultPlan(reply: [end]) }
        switch Int.random(in: 0..<16, using: &random) {
        case 0: return FaultPlan(.reset)
        case 1: return FaultPlan(.silence)
        case 2: return .replyLost
        case 3...7: return FaultPlan(request: [FaultPlan.Stage(position(requestBytes), requestFault())], reply: [end])
        default: return FaultPlan(reply: [FaultPlan.Stage(position(replyBytes), fault()), end])
        }
    }

    /// TCP keeps bits from turning on their way to a server, and HTTP has no sum of its own: a turned request would be
    /// another request, and stored as such. So requests only break, stand still or get lost.
    private mutating func requestFault() -> FaultPlan.Fault {
        switch fault() {
        case .garble, .replace: .reset
        case let other: other
        }
    }

    /// Half of them near the start, where heads are.
    private mutating func position(_ bytes: Int) -> Int {
        Int.random(in: 0..<max(1, Bool.random(using: &random) ? bytes / 16 : bytes), using: &random)
    }

    private mutating func fault() -> FaultPlan.Fault {
        switch Int.random(in: 0..<9, using: &random) {
        case 0: return .reset
        case 1: return .close
        case 2: return .end
        case 3: return .stall
        case 4: return .lose
        case 5: return .garble(mask: UInt8.random(in: 1 ... .max, using: &random))
        case 6:
            let count = Int.random(in: 0..<200, using: &random)
            return .replace((0..<count).map { _ in UInt8.random(in: 0 ... .max, using: &random) })
        case 7: return .delay(milliseconds: Int.random(in: 1...max(1, delayMilliseconds), using: &random))
        default: return .slow(bytes: Int.random(in: 1...64, using: &random), everyMilliseconds: 1)
        }
    }
}
