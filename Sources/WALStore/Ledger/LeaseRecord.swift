/// What the spool remembers of a lease while a worker has it.
struct LeaseRecord: Sendable {
    struct Piece: Sendable {
        var row: StoredRow
        /// Which places the row's points have; one run until a repack merges rows.
        var origins: [OriginRun]
        var ordinals: Range<Int>
        /// What is added to an ordinal of the row to get that of the leased batch: not 0 where rows were merged.
        var shift = 0
        /// Of a row without points: it rides along.
        var isEmpty: Bool { ordinals.isEmpty }

        /// The cut before point `index` of the row.
        func start(_ index: Int) -> Cut { Cut(row.place(of: index, origins), row.position + Int64(index)) }
        /// The cut after point `index - 1` of the row.
        func end(_ index: Int) -> Cut {
            if index == 0 { return start(0) }
            var place = row.place(of: index - 1, origins)
            place.ordinal += 1
            return Cut(place, row.position + Int64(index))
        }
        func span(_ ordinals: Range<Int>) -> Span { Span(start(ordinals.lowerBound), end(ordinals.upperBound)) }

        var leasedOrdinals: Range<Int> { ordinals.shifted(by: shift) }
        /// Of ordinals of the leased batch.
        func span(leased ordinals: Range<Int>) -> Span { span(ordinals.shifted(by: -shift)) }
    }

    var backendID: Int64
    var pieces: [Piece]
    /// Positions that are neither settled nor released yet.
    var remaining: [Range<Int64>]
    /// What the backend was called when it was leased.
    var name = ""
    /// What the backend's row said of overtaken positions before this lease added to it; nil while it has not.
    var overtakenBefore: Range<Int64>??
    /// Its pieces share a batch that was made for it.
    var isMerged = false
    /// A settle of it was in a commit of unknown outcome: what it asked for may be done already.
    var hasUnknownSettle = false

    func holds(_ positions: Range<Int64>) -> Bool {
        remaining.contains { $0.lowerBound <= positions.lowerBound && positions.upperBound <= $0.upperBound }
    }

    /// Gives up the pieces from `count` on.
    mutating func keepFirst(_ count: Int) {
        for piece in pieces[count...] where !piece.isEmpty {
            let first = piece.row.position + Int64(piece.ordinals.lowerBound)
            remove(first..<first + Int64(piece.ordinals.count))
        }
        pieces.removeSubrange(count...)
    }

    /// Gives up the pieces from `count` on, and what the one before them has from ordinal `end` on.
    mutating func keepFirst(_ count: Int, upTo end: Int) {
        keepFirst(count)
        let piece = pieces[count - 1]
        guard end < piece.ordinals.upperBound else { return }
        remove(piece.row.position + Int64(end)..<piece.row.position + Int64(piece.ordinals.upperBound))
        pieces[count - 1].ordinals = piece.ordinals.lowerBound..<end
    }

    /// Without a new array each time: a settlement may have a thousand runs.
    mutating func remove(_ positions: Range<Int64>) {
        for index in remaining.indices.reversed() where remaining[index].overlaps(positions) {
            remaining.replaceSubrange(index...index, with: remaining[index].subtracting(positions))
        }
    }
}

/// A stored row without its block.
struct StoredRow: Sendable, Hashable {
    var sequence: Int64
    var lastSequence: Int64
    var position: Int64
    var points: Int
    /// Spool clock.
    var receivedAt: Int64

    init(sequence: Int64, lastSequence: Int64, position: Int64, points: Int, receivedAt: Int64) {
        self.sequence = sequence
        self.lastSequence = lastSequence
        self.position = position
        self.points = points
        self.receivedAt = receivedAt
    }

    /// From the columns sequence, last_sequence, position, points, received_at; nil for numbers that cannot be a row's in
    /// a spool that ends at `end`, and for a row of another table: damage puts its page in place of one of ours, and its
    /// first numbers may be those of a row.
    init?(_ row: Statement, upTo end: Cut) {
        guard row.isInteger(4) else { return nil }
        self.init(
            sequence: row.integer(0), lastSequence: row.integer(1), position: row.integer(2),
            points: Int(row.integer(3)), receivedAt: row.integer(4))
        guard sequence >= 0, lastSequence >= sequence, lastSequence < end.place.sequence,
            (0...Block.maximumPoints).contains(points), position >= 0, position <= end.position - Int64(points)
        else { return nil }
    }

    var positions: Range<Int64> { position..<position + Int64(points) }
    /// Which of its points lie among `positions`.
    func ordinals(of positions: Range<Int64>) -> Range<Int> {
        let shared = positions.clamped(to: self.positions)
        return Int(shared.lowerBound - position)..<Int(shared.upperBound - position)
    }

    /// All of it.
    var span: Span { Span(Cut(Place(sequence, 0), position), Cut(Place(lastSequence + 1, 0), positions.upperBound)) }

    func place(of index: Int, _ origins: [OriginRun]) -> Place {
        if lastSequence == sequence { return Place(sequence, Int64(index)) }
        var left = index
        for run in origins {
            if left < run.count { return Place(run.sequence, run.firstOrdinal + Int64(left)) }
            left -= run.count
        }
        // Of a row without points there is only the place where it begins.
        precondition(left == 0, "the runs of a block cover its points")
        return Place(lastSequence, 0)
    }
}

extension Range<Int> {
    func shifted(by count: Int) -> Range<Int> { lowerBound + count..<upperBound + count }
}

extension Range where Bound == Int64 {
    /// What is left of it without `other`: up to two ranges.
    func subtracting(_ other: Range<Int64>) -> [Range<Int64>] {
        let taken = clamped(to: other)
        if taken.isEmpty { return isEmpty ? [] : [self] }
        var rest: [Range<Int64>] = []
        if lowerBound < taken.lowerBound { rest.append(lowerBound..<taken.lowerBound) }
        if taken.upperBound < upperBound { rest.append(taken.upperBound..<upperBound) }
        return rest
    }
}
