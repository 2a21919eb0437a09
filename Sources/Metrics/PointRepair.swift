/// What is changed of a point so that a backend takes it. Nothing set: it stays as it is.
///
/// Labels are renamed first, then dropped, then truncated; `__name__` is one of them.
public struct PointRepair: Sendable, Hashable {
    public struct Rename: Sendable, Hashable {
        public var from: String
        public var to: String
        public init(from: String, to: String) {
            self.from = from
            self.to = to
        }
    }
    public struct Truncation: Sendable, Hashable {
        public var name: String
        /// A value keeps so many at most, cut between two characters.
        public var bytes: Int
        public init(name: String, bytes: Int) {
            self.name = name
            self.bytes = bytes
        }
    }

    public var renames: [Rename] = []
    public var drops: [String] = []
    public var truncations: [Truncation] = []
    /// Nanoseconds since the epoch: an earlier point is moved here.
    public var earliest: Int64?
    /// Nanoseconds since the epoch: a later point is moved here.
    public var latest: Int64?

    public init() {}

    /// The point, repaired.
    ///
    /// - Parameter point: a batch of one, with no metadata, and no exemplars but the point's.
    /// - Throws: what its labels would be that no series can have: a name that is there already, or no name at all.
    public func repaired(_ point: Batch) throws(LabelFault) -> Batch {
        precondition(point.points.count == 1, "points are repaired one by one")
        var point = point
        if !renames.isEmpty || !drops.isEmpty || !truncations.isEmpty {
            point.relabel(try labels(of: point))
        }
        let time = max(min(point.points.times[0], latest ?? .max), earliest ?? .min)
        point.move(to: time)
        return point
    }

    private func labels(of point: Batch) throws(LabelFault) -> [UInt8] {
        var builder = LabelBuilder()
        point.series.withLabels(of: point.points.series[0]) { labels in
            for label in LabelIterator(labels) {
                let name = renamed(label.nameString)
                guard !drops.contains(name) else { continue }
                builder.add(name, truncated(label.valueString, of: name))
            }
        }
        try builder.finish()
        return builder.canonical
    }

    /// By the first that names it: two may change places.
    private func renamed(_ name: String) -> String { renames.first { $0.from == name }?.to ?? name }

    private func truncated(_ value: String, of name: String) -> String {
        guard let bytes = truncations.first(where: { $0.name == name })?.bytes, value.utf8.count > bytes else {
            return value
        }
        var end = value.utf8.index(value.startIndex, offsetBy: max(0, bytes))
        // Back to where a character begins, as UTF-8 has them: no scalar is torn.
        while end > value.startIndex, value.utf8[end] & 0xC0 == 0x80 { end = value.utf8.index(before: end) }
        return String(value[..<end])
    }
}

extension Batch {
    /// Its only series gets other labels, and keeps all else that makes it one.
    fileprivate mutating func relabel(_ labels: [UInt8]) {
        let identity = series.identity(of: points.series[0])
        var table = SeriesTable()
        let id = labels.withUnsafeBytes { table.insert($0, hash: SeriesTable.hash($0), identity: identity) }
        series = table
        points.series[0] = id
        for index in exemplars.indices { exemplars[index].series = id }
    }

    /// What began after it would have ended before it began.
    fileprivate mutating func move(to time: Int64) {
        points.times[0] = time
        guard points.startTime(at: 0) > time else { return }
        points.startTimes[0] = time
    }
}
