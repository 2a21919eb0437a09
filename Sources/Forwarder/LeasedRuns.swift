import WALStore

/// Arithmetic on runs of leased points; order is arrival order throughout.
extension [LeasedRun] {
    var points: Int { reduce(0) { $0 + $1.ordinals.count } }

    /// The first `count` points, and the rest. An empty run (a row of metadata alone) goes with the points before it, or
    /// else with those after it.
    func split(at count: Int) -> (first: [LeasedRun], rest: [LeasedRun]) {
        var first: [LeasedRun] = []
        var rest: [LeasedRun] = []
        var left = count
        for run in self {
            if run.ordinals.isEmpty {
                if rest.isEmpty { first.append(run) } else { rest.append(run) }
                continue
            }
            let taken = Swift.min(left, run.ordinals.count)
            let middle = run.ordinals.lowerBound + taken
            if taken > 0 { first.append(LeasedRun(piece: run.piece, ordinals: run.ordinals.lowerBound..<middle)) }
            if middle < run.ordinals.upperBound {
                rest.append(LeasedRun(piece: run.piece, ordinals: middle..<run.ordinals.upperBound))
            }
            left -= taken
        }
        return (first, rest)
    }

    /// These points without those of `removed`, which may come in any order and may overlap.
    func subtracting(_ removed: [LeasedRun]) -> [LeasedRun] {
        if removed.isEmpty { return self }
        let sorted = removed.sorted { ($0.piece, $0.ordinals.lowerBound) < ($1.piece, $1.ordinals.lowerBound) }
        var kept: [LeasedRun] = []
        for run in self {
            if run.ordinals.isEmpty { kept.append(run) }
            var from = run.ordinals.lowerBound
            for hole in sorted where hole.piece == run.piece {
                let start = Swift.min(Swift.max(hole.ordinals.lowerBound, from), run.ordinals.upperBound)
                if start > from { kept.append(LeasedRun(piece: run.piece, ordinals: from..<start)) }
                from = Swift.min(Swift.max(from, hole.ordinals.upperBound), run.ordinals.upperBound)
            }
            if from < run.ordinals.upperBound {
                kept.append(LeasedRun(piece: run.piece, ordinals: from..<run.ordinals.upperBound))
            }
        }
        return kept
    }
}
