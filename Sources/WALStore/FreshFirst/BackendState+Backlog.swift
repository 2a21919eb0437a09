extension BackendState {
    /// Makes everything owed before `cut` backlog; the tail then begins there, or where it began.
    ///
    /// It moves no term of the equation: what was owed is owed, in another lane. Neighbours become one range, so that an
    /// outage in which nothing is delivered has one, however often it is set apart.
    mutating func setBacklogApart(before cut: Cut) -> [RangeEdit] {
        var parts: [OwedRange] = []
        for range in ranges {
            guard range.lane == .live, range.start.position < cut.position else {
                parts.append(range)
                continue
            }
            let end = range.end.position <= cut.position ? range.end : cut
            parts.append(OwedRange(lane: .backlog, start: range.start, end: end))
            if end.position < range.end.position {
                parts.append(OwedRange(lane: .live, start: cut, end: range.end))
            }
        }
        if let tail, tail.position < cut.position {
            parts.append(OwedRange(lane: .backlog, start: tail, end: cut))
            self.tail = cut
        }
        let before = ranges
        ranges = BackendState.joined(parts)
        let (old, new) = (Set(before), Set(ranges))
        return before.filter { !new.contains($0) }.map { .delete($0) }
            + ranges.filter { !old.contains($0) }.map { .insert($0) }
    }

    private static func joined(_ parts: [OwedRange]) -> [OwedRange] {
        var joined: [OwedRange] = []
        for part in parts {
            if let last = joined.last, last.lane == .backlog, part.lane == .backlog,
                last.end.position == part.start.position
            {
                joined[joined.count - 1].end = part.end
            } else {
                joined.append(part)
            }
        }
        return joined
    }

    var backlog: [OwedRange] { ranges.filter { $0.lane == .backlog } }

    /// The oldest of what is owed in the live lane; nil when nothing is.
    func oldestFresh(upTo end: Cut) -> Cut? { owedInOrder(upTo: end).first { $0.lane == .live }?.start }
}
