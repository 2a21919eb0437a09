import Metrics
import WALStore

/// What points that a backend refused have in common: others like them are sent apart from the rest, so that a refusal of
/// the rest need not be looked for. A hint decides what goes out together, and never what becomes of a point: that is the
/// backend's word alone.
///
/// The words are those of Prometheus, Mimir, Cortex and Thanos (`refused sample: out of bounds`, `label value too long`);
/// what is said in other words is a hint about the series.
struct RefusalHints: Sendable, Equatable {
    /// Nanoseconds: points that are no newer were called too old.
    private var oldBefore = Int64.min
    /// A label value of so many bytes was too long.
    private var longValue = Int.max
    /// So many labels were too many.
    private var manyLabels = Int.max
    /// Hashes of series of which a point was refused, the newest `mostSeries`.
    private var series: Set<UInt64> = []
    private var seriesInOrder: [UInt64] = []

    static let mostSeries = 256

    var isEmpty: Bool {
        oldBefore == .min && longValue == .max && manyLabels == .max && series.isEmpty
    }

    // MARK: Learning

    /// - Parameters:
    ///   - words: of the backend, about this one point.
    ///   - ordinal: of the batch.
    mutating func learn(_ words: String, _ batch: Batch, _ ordinal: Int) {
        guard batch.points.series.indices.contains(ordinal) else { return }
        let words = words.lowercased()
        func says(_ phrases: String...) -> Bool { phrases.contains { words.contains($0) } }
        let id = batch.points.series[ordinal]
        if says("out of order", "out-of-order", "duplicate") { return }
        if says("too old", "out of bounds", "out-of-bounds", "too far in the past", "older than") {
            oldBefore = max(oldBefore, batch.points.times[ordinal])
        } else if says("too many labels", "number of labels", "max-label-names", "label names per series") {
            manyLabels = min(manyLabels, RefusalHints.shape(batch, id).labels)
        } else if says("value too long", "value length", "length of the label value") {
            longValue = min(longValue, RefusalHints.shape(batch, id).longestValue)
        } else {
            remember(batch.series.hash(of: id))
        }
    }

    private mutating func remember(_ hash: UInt64) {
        guard series.insert(hash).inserted else { return }
        seriesInOrder.append(hash)
        if seriesInOrder.count > RefusalHints.mostSeries { series.remove(seriesInOrder.removeFirst()) }
    }

    private static func shape(_ batch: Batch, _ id: UInt32) -> (labels: Int, longestValue: Int) {
        batch.series.withLabels(of: id) { bytes in
            LabelIterator(bytes).reduce((0, 0)) { ($0.0 + 1, max($0.1, $1.value.count)) }
        }
    }

    // MARK: Sifting

    /// Parts the points that are like refused ones from the others.
    ///
    /// - Returns: nil where all are alike. Old points come before the others of their series in arrival order, or the backend
    ///   would not take them anyway; a series that is suspected is so with all of its points.
    func sift(_ runs: [LeasedRun], _ pieces: [LeasedPiece]) -> (suspects: [LeasedRun], others: [LeasedRun])? {
        if isEmpty { return nil }
        var suspects: [LeasedRun] = []
        var others: [LeasedRun] = []
        var verdicts = Verdicts(hints: self)
        for run in runs {
            if run.ordinals.isEmpty {
                others.append(run)
                continue
            }
            let batch = pieces[run.piece].batch
            // Bodies: what is in them is not known.
            guard run.ordinals.upperBound <= batch.points.count else { return nil }
            var start = run.ordinals.lowerBound
            while start < run.ordinals.upperBound {
                let isSuspect = verdicts.isSuspect(batch, run.piece, start)
                var end = start + 1
                while end < run.ordinals.upperBound, verdicts.isSuspect(batch, run.piece, end) == isSuspect { end += 1 }
                let cut = LeasedRun(piece: run.piece, ordinals: start..<end)
                if isSuspect { suspects.append(cut) } else { others.append(cut) }
                start = end
            }
        }
        return suspects.points == 0 || others.points == 0 ? nil : (suspects, others)
    }

    /// A series is looked at once for all of its points in a piece.
    private struct Verdicts {
        let hints: RefusalHints
        private var piece = -1
        private var known: [Bool?] = []

        init(hints: RefusalHints) { self.hints = hints }

        mutating func isSuspect(_ batch: Batch, _ piece: Int, _ ordinal: Int) -> Bool {
            if batch.points.times[ordinal] <= hints.oldBefore { return true }
            if piece != self.piece {
                self.piece = piece
                known = Array(repeating: nil, count: batch.series.count)
            }
            let id = batch.points.series[ordinal]
            if let verdict = known[Int(id)] { return verdict }
            let verdict = hints.isSuspect(batch, id)
            known[Int(id)] = verdict
            return verdict
        }
    }

    private func isSuspect(_ batch: Batch, _ id: UInt32) -> Bool {
        if series.contains(batch.series.hash(of: id)) { return true }
        guard longValue < .max || manyLabels < .max else { return false }
        let shape = RefusalHints.shape(batch, id)
        return shape.longestValue >= longValue || shape.labels >= manyLabels
    }
}
