import Metrics
import WALStore

/// Which points each line of a body carries, for answers that name lines.
struct LineTable: Sendable {
    /// Where each line begins in the body before compression.
    private(set) var starts: [Int] = []
    /// Ascending by line; a line has several where a point between them has no spelling.
    private var runs: [(line: Int, run: LeasedRun)] = []

    var count: Int { starts.count }

    mutating func removeAll() {
        starts.removeAll(keepingCapacity: true)
        runs.removeAll(keepingCapacity: true)
    }

    /// Adds the lines that were written last.
    ///
    /// - Parameters:
    ///   - record: of those lines alone; their starts are places in the whole body.
    ///   - piece: of which their points are.
    mutating func append(_ record: LineProtocolEncoder.Record, piece: Int) {
        let before = starts.count
        starts.append(contentsOf: record.starts)
        for run in record.runs {
            runs.append((before + run.line, LeasedRun(piece: piece, ordinals: run.ordinals)))
        }
    }

    /// The points of some lines.
    ///
    /// - Parameter lines: 0-based, in any order; those that are none are passed over.
    func points(of lines: some Sequence<Int>) -> [LeasedRun] {
        var found: [LeasedRun] = []
        for line in lines {
            var (low, high) = (0, runs.count)
            while low < high {
                let middle = (low + high) / 2
                if runs[middle].line < line { low = middle + 1 } else { high = middle }
            }
            for entry in runs[low...].prefix(while: { $0.line == line }) { found.append(entry.run) }
        }
        return found
    }

    /// A line without its line feed.
    ///
    /// - Parameter body: before compression.
    func text(_ line: Int, in body: [UInt8]) -> ArraySlice<UInt8> {
        let end = line + 1 < starts.count ? starts[line + 1] : body.count
        precondition(starts[line] < end && end <= body.count, "the body is the one that the lines were noted of")
        return body[starts[line]..<end - 1]
    }
}
