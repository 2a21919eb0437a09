import Metrics
import WALStore

extension Chunk {
    /// The runs of what goes out as samples, and of what goes out as native histograms: an answer counts them apart.
    func runsByKind(without excluded: [LeasedRun]) -> [[LeasedRun]] {
        let sent = runs.subtracting(excluded)
        var histograms: [LeasedRun] = []
        for run in sent {
            let points = pieces[run.piece].batch.points
            if points.kinds.isEmpty { continue }
            for ordinal in run.ordinals where points.kind(at: ordinal) == .exponentialHistogram {
                if let last = histograms.last, last.piece == run.piece, last.ordinals.upperBound == ordinal {
                    histograms[histograms.count - 1].ordinals = last.ordinals.lowerBound..<ordinal + 1
                } else {
                    histograms.append(LeasedRun(piece: run.piece, ordinals: ordinal..<ordinal + 1))
                }
            }
        }
        return [histograms.isEmpty ? sent : sent.subtracting(histograms), histograms]
    }
}
