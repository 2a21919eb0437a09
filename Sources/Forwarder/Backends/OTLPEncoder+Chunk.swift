import Metrics
import WALStore

extension OTLPEncoder {
    /// Appends the points of `chunk` to `plain`, and notes in `request` how many it carries and which it cannot.
    mutating func append(_ chunk: Chunk, into plain: inout [UInt8], _ request: inout EncodedRequest) {
        if let series = chunk.series, let batch = chunk.pieces.first?.batch {
            return append(batch, chunk.runs[...], of: series, into: &plain, &request)
        }
        var rest = chunk.runs[...]
        while let piece = rest.first?.piece {
            let runs = rest.prefix { $0.piece == piece }
            rest = rest.dropFirst(runs.count)
            append(chunk.pieces[piece].batch, runs, of: nil, into: &plain, &request)
        }
    }

    /// - Parameter runs: of one piece, or of pieces that share a batch.
    private mutating func append(
        _ batch: Batch, _ runs: ArraySlice<LeasedRun>, of series: Range<Int>?, into plain: inout [UInt8],
        _ request: inout EncodedRequest
    ) {
        let counts = append(batch, runs.lazy.map(\.ordinals), of: series, into: &plain)
        request.points += counts.points
        var rest = runs
        for point in counts.excluded {
            rest = rest.drop { $0.ordinals.upperBound <= point.ordinal }
            guard let run = rest.first else { preconditionFailure("what is excluded is of the runs") }
            request.exclude(piece: run.piece, ordinal: point.ordinal, reason: point.reason.rawValue)
        }
    }
}
