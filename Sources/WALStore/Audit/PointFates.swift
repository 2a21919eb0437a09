/// What became of a point at one backend.
public enum PointFate: String, Sendable, Hashable, CaseIterable {
    case delivered, assumed, pending, dead, lost, excluded
    /// Delivered, or kept back by the backend's rules: which, only a look at its series would tell.
    case routed
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
        /// Of a row that names rules: how many of its points they let through, and how many they kept back. -1: no rules.
        var passed: Int64 = -1
        var keptBack: Int64 = 0
    }

    let backend: String
    private let firstSequence: Int64
    private(set) var counts: [FateCount] = []
    private var groups: [String: Int] = [:]
    /// What says more comes first: rows of losses may span points that were not lost.
    private var runs: [Run] = []
    private var losses: [Run] = []
    /// Over the places of other runs, or alone: of the points there those that the rules, which the reason names, kept back.
    private var keptBack: [Run] = []
    private var next = 0
    private var nextLoss = 0
    private var nextKeptBack = 0
    private var mixed: [Int: FateCount] = [:]
    /// Ids of the rules that were asked of the points that are counted.
    private var rules = ""

    init(backend: String, firstSequence: Int64) {
        self.backend = backend
        self.firstSequence = firstSequence
    }

    /// - Parameter points: of a row that names rules, those that it is about.
    mutating func add(
        _ fate: PointFate, _ reason: String, _ start: Place, _ end: Place, at: Int64?, points: Int64 = 0
    ) {
        guard start < end else { return }
        var run = Run(start: start, end: end, at: at, group: group(fate, reason))
        let isByRules = StoredRoute.id(ofReason: reason) != nil
        switch fate {
        case .lost: losses.append(run)
        case .excluded where isByRules:
            (run.passed, run.keptBack) = (0, points)
            keptBack.append(run)
        default:
            if isByRules { run.passed = points }
            runs.append(run)
        }
    }

    /// All runs are there.
    ///
    /// - Parameter knowsSeries: it is going to be said of each point which rules keep it back.
    mutating func sort(knowsSeries: Bool = true) {
        losses.sort { $0.start < $1.start }
        keptBack.sort { $0.start < $1.start }
        // Of a row and the one over its places.
        var over: [Place: Run] = [:]
        for run in keptBack { over[run.start] = run }
        for index in runs.indices where runs[index].passed >= 0 {
            guard let other = over[runs[index].start], counts[other.group].reason == counts[runs[index].group].reason
            else { continue }
            over[runs[index].start] = nil
            runs[index].keptBack = other.keptBack
            runs[index].end = max(runs[index].end, other.end)
        }
        runs += over.values
        if !knowsSeries { keptBack = [] }
        runs.sort { $0.start < $1.start }
    }

    /// All points are counted. Where all those of a row were, it is known how many of them rules kept back.
    mutating func finish() {
        for (index, count) in mixed.sorted(by: { $0.key < $1.key }) {
            let run = runs[index]
            let fates: [(group: Int, points: Int64)] =
                count.points == run.passed + run.keptBack
                ? [(run.group, run.passed), (group(.excluded, count.reason), run.keptBack)]
                : [(group(.routed, count.reason), count.points)]
            for fate in fates where fate.points > 0 {
                note(fate.group, fate.points, count.firstTime, run.at)
                note(fate.group, 0, count.lastTime, run.at)
            }
        }
        mixed = [:]
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
    /// - Parameters:
    ///   - time: of all of them.
    ///   - keptBackBy: ids of the rules that keep all of them back, with a blank between two.
    ///   - rules: of all that were asked.
    mutating func count(
        _ sequence: Int64, _ ordinals: Range<Int64>, time: Int64, keptBackBy: String = "", rules: String = ""
    ) {
        if rules != self.rules { self.rules = rules }
        guard !keptBackBy.isEmpty, !keptBack.isEmpty else { return countLetThrough(sequence, ordinals, time) }
        var left = ordinals.lowerBound
        nextKeptBack = FateRuns.cut(keptBack, from: nextKeptBack, sequence, ordinals) { index, part in
            let run = keptBack[index]
            guard let id = StoredRoute.id(ofReason: counts[run.group].reason), keptBackBy.contains(id) else { return }
            if left < part.lowerBound { countLetThrough(sequence, left..<part.lowerBound, time) }
            note(run.group, Int64(part.count), time, run.at)
            left = part.upperBound
        }
        if left < ordinals.upperBound { countLetThrough(sequence, left..<ordinals.upperBound, time) }
    }

    private mutating func countLetThrough(_ sequence: Int64, _ ordinals: Range<Int64>, _ time: Int64) {
        var left = ordinals.lowerBound
        next = FateRuns.cut(runs, from: next, sequence, ordinals) { index, part in
            let run = runs[index]
            if left < part.lowerBound { countLost(sequence, left..<part.lowerBound, time) }
            // Rules that are not known say nothing of their points.
            if run.passed >= 0, !rules.contains(StoredRoute.id(ofReason: counts[run.group].reason) ?? "-") {
                mix(index, Int64(part.count), time)
            } else {
                note(run.group, Int64(part.count), time, run.at)
            }
            left = part.upperBound
        }
        if left < ordinals.upperBound { countLost(sequence, left..<ordinals.upperBound, time) }
    }

    private mutating func countLost(_ sequence: Int64, _ ordinals: Range<Int64>, _ time: Int64) {
        var left = ordinals.lowerBound
        nextLoss = FateRuns.cut(losses, from: nextLoss, sequence, ordinals) { index, part in
            let run = losses[index]
            if left < part.lowerBound { countRest(sequence, part.lowerBound - left, time) }
            note(run.group, Int64(part.count), time, run.at)
            left = part.upperBound
        }
        if left < ordinals.upperBound { countRest(sequence, ordinals.upperBound - left, time) }
    }

    private mutating func countRest(_ sequence: Int64, _ points: Int64, _ time: Int64) {
        note(group(sequence < firstSequence ? .before : .unknown, ""), points, time, nil)
    }

    private mutating func mix(_ index: Int, _ points: Int64, _ time: Int64) {
        var count =
            mixed[index]
            ?? FateCount(
                backend: backend, fate: .routed, reason: counts[runs[index].group].reason, points: 0, firstTime: time,
                lastTime: time, firstAt: nil, lastAt: nil)
        count.points += points
        count.firstTime = min(count.firstTime, time)
        count.lastTime = max(count.lastTime, time)
        mixed[index] = count
    }

    private mutating func note(_ group: Int, _ points: Int64, _ time: Int64, _ at: Int64?) {
        counts[group].points += points
        counts[group].firstTime = min(counts[group].firstTime, time)
        counts[group].lastTime = max(counts[group].lastTime, time)
        guard let at else { return }
        counts[group].firstAt = min(counts[group].firstAt ?? at, at)
        counts[group].lastAt = max(counts[group].lastAt ?? at, at)
    }

    /// Calls `body` with the index of each run that has some of the points, and with which; where runs overlap the first has them.
    ///
    /// - Parameter next: the first run that ended behind the points before these.
    /// - Returns: the same for these.
    private static func cut(
        _ runs: [Run], from next: Int, _ sequence: Int64, _ ordinals: Range<Int64>, _ body: (Int, Range<Int64>) -> Void
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
                body(index, part)
                left = part.upperBound
            }
            index += 1
        }
        return next
    }
}
