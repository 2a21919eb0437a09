/// Ids of one batch's series in another; `SeriesMap.unknown` while not looked up.
package struct SeriesMap: Sendable {
    package static let unknown = UInt32.max
    package var ids: [UInt32]
    package init(count: Int) { ids = Array(repeating: SeriesMap.unknown, count: count) }
}

extension SeriesTable {
    /// Finds or adds those series of `other` that `points` refer to and `map` does not know, in the order in which they
    /// come there.
    ///
    /// - Parameters:
    ///   - other: its series are all plain.
    ///   - points: ids in `other`.
    package mutating func merge(_ other: SeriesTable, of points: ArraySlice<UInt32>, _ map: inout SeriesMap) {
        // An empty array would be made below, and that writes to the one that all threads share.
        if points.isEmpty { return }
        if !other.hasPrometheusNames { hasPrometheusNames = false }
        // All of them may be new: no table grows below.
        reserveCapacity(
            series: room(entries.count, other.count, entries.capacity),
            labelBytes: room(labelBytes.count, other.labelBytes.count, labelBytes.capacity))
        let base = entries.count
        var slots: [UInt64] = []
        swap(&slots, &self.slots)
        let added = [UInt32](unsafeUninitializedCapacity: min(points.count, other.count)) { added, count in
            count = lookUp(other, of: points, &map, &slots, into: added)
        }
        swap(&slots, &self.slots)
        // Neighbours there become neighbours here: their labels are copied together.
        var first = 0
        while first < added.count {
            var end = first + 1
            while end < added.count, added[end] == added[end - 1] + 1 { end += 1 }
            append(other, Int(added[first])..<Int(added[end - 1]) + 1)
            first = end
        }
        assert(entries.count == base + added.count)
    }

    /// Twice as much when it does not fit: many small merges reallocate rarely.
    private func room(_ count: Int, _ more: Int, _ capacity: Int) -> Int {
        count + more <= capacity ? capacity : max(count + more, capacity * 2)
    }

    /// Whether a series is that of another table: same labels, and no identity beyond them on either side.
    @inline(__always)
    package func isSame(_ id: UInt32, as other: SeriesTable, _ otherID: UInt32) -> Bool {
        let (entry, theirs) = (entries[Int(id)], other.entries[Int(otherID)])
        return entry.hash == theirs.hash && entry.identity == .plain && theirs.identity == .plain
            && SeriesTable.areEqual(labelBytes.span.bytes, entry, other.labelBytes.span.bytes, theirs)
    }

    /// Adds series of another table behind these, without a look whether they are there already; they are not indexed.
    ///
    /// - Parameter ids: neighbours in `other`; never empty.
    package mutating func append(_ other: SeriesTable, _ ids: Range<Int>) {
        let start = Int(other.entries[ids.lowerBound].start)
        let last = other.entries[ids.upperBound - 1]
        // Wraps where labels move to the front of the arena.
        let shift = UInt32(labelBytes.count) &- UInt32(start)
        precondition(labelBytes.count + other.labelBytes.count <= UInt32.max, "a batch is bounded long before this")
        let first = entries.count
        entries.append(contentsOf: other.entries[ids])
        entries.withUnsafeMutableBufferPointer { entries in
            for id in first..<entries.count { entries[id].start = entries[id].start &+ shift }
        }
        labelBytes.append(contentsOf: other.labelBytes[start..<Int(last.start) + Int(last.length)])
    }

    /// Gives an id to every series of `points`, those of `entries` their own and new ones those that come next.
    ///
    /// - Parameters:
    ///   - table: our slots, which get the new ones.
    ///   - added: gets the ids in `other` of the new ones.
    /// - Returns: how many are new.
    private func lookUp(
        _ other: SeriesTable, of points: ArraySlice<UInt32>, _ map: inout SeriesMap, _ table: inout [UInt64],
        into added: UnsafeMutableBufferPointer<UInt32>
    ) -> Int {
        let ours = entries.span
        let theirs = other.entries.span
        let ourLabels = labelBytes.span.bytes
        let theirLabels = other.labelBytes.span.bytes
        let wanted = points.span
        var ids = map.ids.mutableSpan
        var slots = table.mutableSpan
        let mask = slots.count - 1
        var count = 0
        for index in wanted.indices {
            let point = Int(wanted[index])
            if ids[point] != SeriesMap.unknown { continue }
            let entry = theirs[point]
            let mark = entry.hash << 32
            var at = Int(truncatingIfNeeded: entry.hash >> 32) & mask
            var here = SeriesMap.unknown
            while slots[at] != 0 {
                let slot = slots[at]
                let id = Int(UInt32(truncatingIfNeeded: slot) - 1)
                // Beyond `ours` are series of `other`, which differ from each other.
                if slot & 0xffff_ffff_0000_0000 == mark, id < ours.count, ours[id].identity == .plain,
                    SeriesTable.areEqual(ourLabels, ours[id], theirLabels, entry)
                {
                    here = UInt32(id)
                    break
                }
                at = (at + 1) & mask
            }
            if here == SeriesMap.unknown {
                here = UInt32(ours.count + count)
                slots[at] = mark | UInt64(here + 1)
                added.initializeElement(at: count, to: UInt32(point))
                count += 1
            }
            ids[point] = here
        }
        return count
    }

    @inline(__always)
    private static func areEqual(_ labels: RawSpan, _ entry: Entry, _ others: RawSpan, _ other: Entry) -> Bool {
        guard entry.length == other.length else { return false }
        return labels.extracting(entry.labels).withUnsafeBytes { left in
            others.extracting(other.labels).withUnsafeBytes { right in ByteOrder.compare(left, right) == 0 }
        }
    }
}

extension SeriesTable.Entry {
    /// Where they are among the table's label bytes.
    fileprivate var labels: Range<Int> { Int(start)..<Int(start) + Int(length) }
}
