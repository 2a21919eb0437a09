/// What became of a point at one backend.
public enum PointFate: String, Sendable, Hashable, CaseIterable {
    case delivered, assumed, pending, dead, lost, excluded
    /// Accepted before the backend was there, and not owed to it.
    case before
    /// Nothing tells: what told was deleted for want of room, or the point was a dead letter and was sent again.
    case unknown
}

/// Points with one fate at one backend.
public struct FateCount: Sendable, Hashable {
    public var backend: String
    public var fate: PointFate
    /// Why, in the ledger's words; empty where there is nothing to say.
    public var reason: String
    public var points: Int64
    /// When they were measured, or received where receipts were asked for: the first and the last. Nanoseconds.
    public var firstTime: Int64
    public var lastTime: Int64
    /// When it became of them, on the wall clock: the first and the last; nil for what is pending, before or unknown.
    public var firstAt: Int64?
    public var lastAt: Int64?
}

/// Where the points of one backend went: runs of places, each with one fate, in order.
///
/// What is asked for comes in order too, so that each is found where the one before it was.
struct FateRuns {
    struct Run {
        var start: Place
        var end: Place
        var at: Int64?
        /// The number of its fate and reason.
        var group: Int
    }

    let backend: String
    private let firstSequence: Int64
    private(set) var counts: [FateCount] = []
    private var groups: [String: Int] = [:]
    /// What says more comes first: rows of losses may span points that were not lost.
    private var runs: [Run] = []
    private var losses: [Run] = []
    private var next = 0
    private var nextLoss = 0

    init(backend: String, firstSequence: Int64) {
        self.backend = backend
        self.firstSequence = firstSequence
    }

    mutating func add(_ fate: PointFate, _ reason: String, _ start: Place, _ end: Place, at: Int64?) {
        guard start < end else { return }
        let run = Run(start: start, end: end, at: at, group: group(fate, reason))
        if fate == .lost { losses.append(run) } else { runs.append(run) }
    }

    /// All runs are there.
    mutating func sort() {
        runs.sort { $0.start < $1.start }
        losses.sort { $0.start < $1.start }
    }

    private mutating func group(_ fate: PointFate, _ reason: String) -> Int {
        let key = "\(fate.rawValue) \(reason)"
        if let known = groups[key] { return known }
        groups[key] = counts.count
        counts.append(
            FateCount(
                backend: backend, fate: fate, reason: reason, points: 0, firstTime: .max, lastTime: .min,
                firstAt: nil, lastAt: nil))
        return counts.count - 1
    }

    /// Counts points of one sequence.
    ///
    /// - Parameter time: of all of them.
    mutating func count(_ sequence: Int64, _ ordinals: Range<Int64>, time: Int64) {
        var left = ordinals.lowerBound
        next = FateRuns.cut(runs, from: next, sequence, ordinals) { run, part in
            if left < part.lowerBound { countLost(sequence, left..<part.lowerBound, time) }
            note(run.group, Int64(part.count), time, run.at)
            left = part.upperBound
        }
        if left < ordinals.upperBound { countLost(sequence, left..<ordinals.upperBound, time) }
    }

    private mutating func countLost(_ sequence: Int64, _ ordinals: Range<Int64>, _ time: Int64) {
        var left = ordinals.lowerBound
        nextLoss = FateRuns.cut(losses, from: nextLoss, sequence, ordinals) { run, part in
            if left < part.lowerBound { countRest(sequence, part.lowerBound - left, time) }
            note(run.group, Int64(part.count), time, run.at)
            left = part.upperBound
        }
        if left < ordinals.upperBound { countRest(sequence, ordinals.upperBound - left, time) }
    }

    private mutating func countRest(_ sequence: Int64, _ points: Int64, _ time: Int64) {
        note(group(sequence < firstSequence ? .before : .unknown, ""), points, time, nil)
    }

    private mutating func note(_ group: Int, _ points: Int64, _ time: Int64, _ at: Int64?) {
        counts[group].points += points
        counts[group].firstTime = min(counts[group].firstTime, time)
        counts[group].lastTime = max(counts[group].lastTime, time)
        guard let at else { return }
        counts[group].firstAt = min(counts[group].firstAt ?? at, at)
        counts[group].lastAt = max(counts[group].lastAt ?? at, at)
    }

    /// Calls `body` with each run that has some of the points, and which; where runs overlap the first has them.
    ///
    /// - Parameter next: the first run that ended behind the points before these.
    /// - Returns: the same for these.
    private static func cut(
        _ runs: [Run], from next: Int, _ sequence: Int64, _ ordinals: Range<Int64>, _ body: (Run, Range<Int64>) -> Void
    ) -> Int {
        let (start, end) = (Place(sequence, ordinals.lowerBound), Place(sequence, ordinals.upperBound))
        var next = next > 0 && runs[next - 1].end > start ? 0 : next
        while next < runs.count, runs[next].end <= start { next += 1 }
        var (index, left) = (next, ordinals.lowerBound)
        while index < runs.count, runs[index].start < end {
            let run = runs[index]
            let from = run.start.sequence < sequence ? ordinals.lowerBound : run.start.ordinal
            let to = run.end.sequence > sequence ? ordinals.upperBound : run.end.ordinal
            let part = max(left, from)..<max(left, from, min(ordinals.upperBound, to))
            if !part.isEmpty, run.end > start {
                body(run, part)
                left = part.upperBound
            }
            index += 1
        }
        return next
    }
}
