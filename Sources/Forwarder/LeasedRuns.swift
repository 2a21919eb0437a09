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
        let holes = removed.merged
        var kept: [LeasedRun] = []
        for run in self {
            if run.ordinals.isEmpty { kept.append(run) }
            var from = run.ordinals.lowerBound
            var next = holes.first(endingAfter: from, of: run.piece)
            while next < holes.count, holes[next].piece == run.piece,
                holes[next].ordinals.lowerBound < run.ordinals.upperBound
            {
                let hole = holes[next].ordinals
                if hole.lowerBound > from {
                    kept.append(LeasedRun(piece: run.piece, ordinals: from..<hole.lowerBound))
                }
                from = Swift.min(Swift.max(from, hole.upperBound), run.ordinals.upperBound)
                next += 1
            }
            if from < run.ordinals.upperBound {
                kept.append(LeasedRun(piece: run.piece, ordinals: from..<run.ordinals.upperBound))
            }
        }
        return kept
    }

    /// In order of piece and ordinal, without empty ones, those that touch or overlap as one.
    private var merged: [LeasedRun] {
        var merged: [LeasedRun] = []
        let sorted = filter { !$0.ordinals.isEmpty }
            .sorted { ($0.piece, $0.ordinals.lowerBound) < ($1.piece, $1.ordinals.lowerBound) }
        for run in sorted {
            if let last = merged.last, last.piece == run.piece, run.ordinals.lowerBound <= last.ordinals.upperBound {
                let end = Swift.max(last.ordinals.upperBound, run.ordinals.upperBound)
                merged[merged.count - 1].ordinals = last.ordinals.lowerBound..<end
            } else {
                merged.append(run)
            }
        }
        return merged
    }

    /// Of merged runs, the index of the first of a piece, or of a later one, that ends behind an ordinal.
    private func first(endingAfter ordinal: Int, of piece: Int) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if (self[middle].piece, self[middle].ordinals.upperBound) <= (piece, ordinal) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low
    }
}
