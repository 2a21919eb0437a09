import Metrics

/// A letter that can be sent again, and its point as it is sent.
struct FitLetter: Sendable {
    var letter: DeadLetter
    /// A batch of one, repaired.
    var point: Batch

    /// nil: it cannot be read, what its row says of its place cannot be, or no series can have the labels that a repair
    /// leaves.
    init?(_ found: DeadLetterWithPoint, _ repair: PointRepair) {
        let place = found.letter.origin
        guard let point = found.point, point.points.count == 1, place.sequence >= 0,
            (0..<Int64(Block.maximumPoints)).contains(place.ordinal)
        else { return nil }
        letter = found.letter
        do throws(LabelFault) { self.point = try repair.repaired(point) } catch { return nil }
    }
}

/// Letters of neighbouring points that go into one row: one row of `deliveries` says what has become of them.
struct RedrivenRun {
    var backendID: Int64
    /// Of the row that has their points now.
    var sequence: Int64
    var letters: [DeadLetter]

    var places: PlaceRange {
        let (first, last) = (letters[0].origin, letters[letters.count - 1].origin)
        return PlaceRange(first, Place(last.sequence, last.ordinal + 1))
    }

    /// - Parameters:
    ///   - letters: in the order of their points in the one request that `rows` are made of.
    static func runs(of letters: [FitLetter], in rows: [PackedRow]) -> [RedrivenRun] {
        var sent: [(letter: DeadLetter, sequence: Int64)] = []
        for row in rows {
            for slice in row.slices { sent += slice.ordinals.map { (letters[$0].letter, row.sequence) } }
        }
        sent.sort { ($0.letter.backendID, $0.letter.origin) < ($1.letter.backendID, $1.letter.origin) }
        var runs: [RedrivenRun] = []
        for (letter, sequence) in sent {
            if let run = runs.last, run.isContinued(by: letter, in: sequence) {
                runs[runs.count - 1].letters.append(letter)
            } else {
                runs.append(RedrivenRun(backendID: letter.backendID, sequence: sequence, letters: [letter]))
            }
        }
        return runs
    }

    private func isContinued(by next: DeadLetter, in row: Int64) -> Bool {
        let last = letters[letters.count - 1]
        return backendID == next.backendID && sequence == row
            && next.origin == Place(last.origin.sequence, last.origin.ordinal + 1)
            && last.attempts == next.attempts && last.reason.status == next.reason.status
            && last.firstAttemptAt == next.firstAttemptAt
    }
}

extension CommitQueue.Append {
    /// One request of all the points, in the order of their letters.
    init(_ order: RedriveOrder, _ letters: [FitLetter]) {
        var decoded = DecodedRequest()
        decoded.batch.reserveCapacity(merging: letters.lazy.map(\.point))
        for one in letters { decoded.batch.merge(one.point) }
        let request = AppendRequest(
            decoded: decoded, source: Spool.redriveSource, peer: order.peer, requestID: order.requestID, bodyBytes: 0)
        self.init(request: request, bytes: decoded.batch.memoryBytes, completion: { _ in })
    }
}
