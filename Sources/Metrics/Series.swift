import CXXHash

/// What kind of instrument a series comes from; the numbers of remote write's `MetricMetadata.MetricType`.
/// <https://github.com/prometheus/prometheus/blob/main/prompb/types.proto>
public enum MetricKind: UInt8, Sendable, CaseIterable {
    case unknown = 0
    case counter = 1
    case gauge = 2
    case histogram = 3
    case gaugeHistogram = 4
    case summary = 5
    case info = 6
    case stateSet = 7
}

/// How the points of a series add up (OTLP's `AggregationTemporality`).
public enum Temporality: UInt8, Sendable, CaseIterable {
    case unspecified = 0
    case delta = 1
    case cumulative = 2
}

/// What makes a series besides its labels. Two series with equal labels and another identity are two series.
public struct SeriesIdentity: Sendable, Hashable {
    /// Index into `Batch.texts`; 0, the empty text, except for line protocol.
    public var field: UInt32 = 0
    /// Index into `Batch.texts`; 0 when unknown.
    public var unit: UInt32 = 0
    /// Index into `Batch.resources`, plus 1; 0 when there is none.
    public var resource: UInt32 = 0
    /// Index into `Batch.scopes`, plus 1; 0 when there is none.
    public var scope: UInt32 = 0
    public var kind: MetricKind = .unknown
    public var temporality: Temporality = .unspecified
    public var isMonotonic = false

    public init() {}
    public static let plain = SeriesIdentity()
}

/// The series of one batch: canonical label bytes in one arena, found again by hash.
///
/// Limits: 4 GiB of label bytes and 2^32 - 1 series; a block is far below both (`WALStore`'s limits).
public struct SeriesTable: Sendable {
    struct Entry: Sendable {
        var hash: UInt64
        var start: UInt32
        var length: UInt32
        var identity: SeriesIdentity
    }
    /// A slot holds the low half of the hash and the id plus 1; 0 is free.
    var slots: [UInt64] = []
    var entries: [Entry] = []
    public internal(set) var labelBytes: [UInt8] = []
    /// Whether every series is no more than its labels.
    public private(set) var isPlain = true
    /// Whether it is known that remote write 1.0 takes every name as it is; false where nobody has looked.
    public package(set) var hasPrometheusNames = true

    public init() {}

    /// A table from a block: the arena, where each series' labels end in it, and identities (empty: all plain). It is
    /// not indexed until something is inserted, because a block is mostly walked, not searched.
    package init(labelBytes: [UInt8], ends: [Int], identities: [SeriesIdentity]) {
        var entries: [Entry] = []
        entries.reserveCapacity(ends.count)
        labelBytes.withUnsafeBytes { bytes in
            var start = 0
            for (id, end) in ends.enumerated() {
                let labels = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
                entries.append(
                    Entry(
                        hash: SeriesTable.hash(labels), start: UInt32(start), length: UInt32(end - start),
                        identity: identities.isEmpty ? .plain : identities[id]))
                start = end
            }
        }
        self.entries = entries
        self.labelBytes = labelBytes
        isPlain = identities.isEmpty
        hasPrometheusNames = entries.isEmpty
    }

    /// Bytes of the labels of some neighbours.
    package func labelBytes(of ids: Range<Int>) -> Int {
        guard let first = ids.first, let last = ids.last else { return 0 }
        return Int(entries[last].start) + Int(entries[last].length) - Int(entries[first].start)
    }

    /// The tables are fed by strangers, who must not be able to aim at one slot.
    private static let seed = HashSeed.fresh()

    public var count: Int { entries.count }
    public func identity(of id: UInt32) -> SeriesIdentity { entries[Int(id)].identity }

    @inline(__always)
    public func labelRange(of id: UInt32) -> Range<Int> {
        let entry = entries[Int(id)]
        return Int(entry.start)..<Int(entry.start) + Int(entry.length)
    }

    /// Lends the canonical label bytes of one series.
    @inline(__always)
    public func withLabels<Result>(
        of id: UInt32, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) rethrows -> Result {
        let range = labelRange(of: id)
        return try labelBytes.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[range])) }
    }

    /// A hash for `find` and `insert`, the same in every table of this process.
    @inline(__always)
    public static func hash(_ labels: UnsafeRawBufferPointer) -> UInt64 {
        holdfast_xxh3_seeded(labels.baseAddress, labels.count, seed)
    }

    /// The id of the series with these labels and identity, or nil.
    ///
    /// `labels` need not be canonical: bytes that are not simply are not found.
    @inline(__always)
    public func find(_ labels: UnsafeRawBufferPointer, hash: UInt64, identity: SeriesIdentity = .plain) -> UInt32? {
        if slots.isEmpty {
            precondition(entries.isEmpty, "a table from a block is walked, or indexed by an insert, not searched")
            return nil
        }
        let mask = slots.count - 1
        var at = Int(truncatingIfNeeded: hash >> 32) & mask
        let wanted = hash << 32
        return slots.withUnsafeBufferPointer { slots in
            while true {
                let slot = slots[at]
                if slot == 0 { return nil }
                if slot & 0xffff_ffff_0000_0000 == wanted {
                    let id = UInt32(truncatingIfNeeded: slot) - 1
                    if matches(id, labels, identity) { return id }
                }
                at = (at + 1) & mask
            }
        }
    }

    @inline(__always)
    private func matches(_ id: UInt32, _ labels: UnsafeRawBufferPointer, _ identity: SeriesIdentity) -> Bool {
        let entry = entries[Int(id)]
        guard Int(entry.length) == labels.count, entry.identity == identity else { return false }
        return labelBytes.withUnsafeBytes { bytes in
            let range = Int(entry.start)..<Int(entry.start) + Int(entry.length)
            return ByteOrder.compare(UnsafeRawBufferPointer(rebasing: bytes[range]), labels) == 0
        }
    }

    /// Adds a series that `find` did not find.
    ///
    /// - Parameters:
    ///   - labels: canonical label bytes (`LabelBuilder` makes them); never empty.
    ///   - hasPrometheusNames: whether remote write 1.0 is known to take the names as they are.
    public mutating func insert(
        _ labels: UnsafeRawBufferPointer, hash: UInt64, identity: SeriesIdentity = .plain,
        hasPrometheusNames: Bool = false
    ) -> UInt32 {
        precondition(labelBytes.count + labels.count <= UInt32.max, "a batch is bounded long before this")
        if (entries.count + 1) * 2 > slots.count { grow() }
        if identity != .plain { isPlain = false }
        if !hasPrometheusNames { self.hasPrometheusNames = false }
        let id = UInt32(entries.count)
        entries.append(
            Entry(hash: hash, start: UInt32(labelBytes.count), length: UInt32(labels.count), identity: identity))
        labelBytes.append(contentsOf: labels)
        place(id, hash)
        return id
    }

    /// `find`, then `insert` when it is new.
    public mutating func intern(_ labels: UnsafeRawBufferPointer, identity: SeriesIdentity = .plain) -> UInt32 {
        let hash = SeriesTable.hash(labels)
        return find(labels, hash: hash, identity: identity) ?? insert(labels, hash: hash, identity: identity)
    }

    public func hash(of id: UInt32) -> UInt64 { entries[Int(id)].hash }

    /// Makes room for this many series, and bytes of labels, in all.
    mutating func reserveCapacity(series count: Int, labelBytes: Int) {
        entries.reserveCapacity(count)
        self.labelBytes.reserveCapacity(labelBytes)
        if count * 2 > slots.count { index(count) }
    }

    private mutating func grow() { index(entries.count + 1) }

    /// Makes the slots anew, at most half full with `room` series; a table from a block gets its first index here.
    private mutating func index(_ room: Int) {
        var count = max(64, slots.count * 2)
        while count < room * 2 { count *= 2 }
        slots = Array(repeating: 0, count: count)
        for index in entries.indices { place(UInt32(index), entries[index].hash) }
    }

    private mutating func place(_ id: UInt32, _ hash: UInt64) {
        let mask = slots.count - 1
        var at = Int(truncatingIfNeeded: hash >> 32) & mask
        while slots[at] != 0 { at = (at + 1) & mask }
        slots[at] = hash << 32 | UInt64(id + 1)
    }

    package var allocatedBytes: Int { heapBytes(slots) + heapBytes(entries) + heapBytes(labelBytes) }

    /// The same series without room for more, and not indexed until something is inserted, like a table from a block.
    func trimmed() -> SeriesTable {
        var table = SeriesTable()
        table.entries = exactCopy(entries)
        table.labelBytes = exactCopy(labelBytes)
        table.isPlain = isPlain
        table.hasPrometheusNames = hasPrometheusNames
        return table
    }

    public mutating func removeAll(keepingCapacity: Bool = true) {
        // One huge request must not make each later one clear its slots: what was mostly empty is given back.
        if !keepingCapacity || slots.count > max(1 << 14, 16 * entries.count) {
            slots = []
        } else {
            for index in slots.indices { slots[index] = 0 }
        }
        isPlain = true
        hasPrometheusNames = true
        entries.removeAll(keepingCapacity: keepingCapacity)
        labelBytes.removeAll(keepingCapacity: keepingCapacity)
    }
}

extension SeriesTable: Equatable {
    /// Same series in the same order.
    public static func == (left: SeriesTable, right: SeriesTable) -> Bool {
        left.labelBytes == right.labelBytes
            && left.entries.elementsEqual(right.entries) { a, b in
                a.start == b.start && a.length == b.length && a.identity == b.identity
            }
    }
}
