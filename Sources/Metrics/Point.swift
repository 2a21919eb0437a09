/// What the 64 bits of a point hold.
///
/// Raw values are part of the block format (`docs/formats.md`): append, never renumber.
public enum PointKind: UInt8, Sendable, CaseIterable {
    /// IEEE 754 bits, kept exactly: NaN payloads such as the stale marker survive.
    case float64 = 0
    case int64 = 1
    case uint64 = 2
    case bool = 3
    /// Line protocol string field; the bits index `Batch.strings`.
    case string = 4
    /// Explicit bounds; the bits index `Batch.explicitHistograms`.
    case explicitHistogram = 5
    /// Exponential, also called native; the bits index `Batch.exponentialHistograms`.
    case exponentialHistogram = 6
    /// Quantiles; the bits index `Batch.summaries`.
    case summary = 7

    /// Whether the bits are the value itself rather than an index into a table of the batch.
    public var isScalar: Bool { rawValue <= PointKind.bool.rawValue }
}

/// Facts about one point that are no value.
public struct PointFlags: OptionSet, Sendable, Hashable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// A further field of the same line as the point before it: same labels, same time (line protocol).
    public static let sharesRow = PointFlags(rawValue: 1 << 0)
    /// OTLP's `FLAG_NO_RECORDED_VALUE`.
    public static let noRecordedValue = PointFlags(rawValue: 1 << 1)
}

/// The columns of a batch: one entry a point, in arrival order. An ordinal is an index into them.
public struct PointColumns: Sendable, Equatable {
    /// Index into the batch's series table.
    public package(set) var series: [UInt32] = []
    /// Nanoseconds since the epoch.
    public package(set) var times: [Int64] = []
    /// The value, or an index into a table of the batch: see `PointKind`.
    public package(set) var bits: [UInt64] = []
    /// Empty while every point is a `float64`.
    public package(set) var kinds: [PointKind] = []
    /// Nanoseconds since the epoch, 0 = unknown. Empty while every start is unknown.
    public package(set) var startTimes: [Int64] = []
    /// Empty while no point has a flag.
    public package(set) var flags: [PointFlags] = []

    public init() {}

    public var count: Int { series.count }
    @inline(__always) public func kind(at ordinal: Int) -> PointKind { kinds.isEmpty ? .float64 : kinds[ordinal] }
    @inline(__always) public func startTime(at ordinal: Int) -> Int64 { startTimes.isEmpty ? 0 : startTimes[ordinal] }
    @inline(__always) public func flags(at ordinal: Int) -> PointFlags { flags.isEmpty ? [] : flags[ordinal] }

    /// Whether every point is a `float64` without a start time and flags: what Prometheus-like sources send.
    package var isPlain: Bool { kinds.isEmpty && startTimes.isEmpty && flags.isEmpty }

    /// Appends plain points of other columns, which have `ids` here.
    mutating func append(_ other: PointColumns, _ range: Range<Int>, _ ids: [UInt32]) {
        if range.isEmpty { return }
        let known = [UInt32](unsafeUninitializedCapacity: range.count) { known, count in
            ids.withUnsafeBufferPointer { ids in
                other.series[range].withUnsafeBufferPointer { theirs in
                    for index in 0..<theirs.count { known.initializeElement(at: index, to: ids[Int(theirs[index])]) }
                }
            }
            count = range.count
        }
        series.append(contentsOf: known)
        times.append(contentsOf: other.times[range])
        bits.append(contentsOf: other.bits[range])
    }

    /// Appends a plain sample: the hot path of every Prometheus-like source.
    @inline(__always)
    public mutating func appendFloat64(series id: UInt32, time: Int64, bits value: UInt64) {
        series.append(id)
        times.append(time)
        bits.append(value)
        if !kinds.isEmpty { kinds.append(.float64) }
        if !startTimes.isEmpty { startTimes.append(0) }
        if !flags.isEmpty { flags.append([]) }
    }

    public mutating func append(
        series id: UInt32, time: Int64, kind: PointKind, bits value: UInt64, startTime: Int64 = 0,
        flags flag: PointFlags = []
    ) {
        if kind != .float64, kinds.isEmpty { kinds = Array(repeating: .float64, count: count) }
        if startTime != 0, startTimes.isEmpty { startTimes = Array(repeating: 0, count: count) }
        if !flag.isEmpty, flags.isEmpty { flags = Array(repeating: [], count: count) }
        // At count 0 the three lines above leave an empty column: the entry itself makes it present.
        if kind != .float64 || !kinds.isEmpty { kinds.append(kind) }
        if startTime != 0 || !startTimes.isEmpty { startTimes.append(startTime) }
        if !flag.isEmpty || !flags.isEmpty { flags.append(flag) }
        series.append(id)
        times.append(time)
        bits.append(value)
    }

    /// Makes room for `points` in all. Room at least doubles: reserving a little more each time stays linear.
    public mutating func reserveCapacity(_ points: Int) {
        if points <= series.capacity, points <= times.capacity, points <= bits.capacity { return }
        let room = max(points, 2 * series.capacity)
        series.reserveCapacity(room)
        times.reserveCapacity(room)
        bits.reserveCapacity(room)
    }

    public mutating func removeAll(keepingCapacity: Bool = true) {
        series.removeAll(keepingCapacity: keepingCapacity)
        times.removeAll(keepingCapacity: keepingCapacity)
        bits.removeAll(keepingCapacity: keepingCapacity)
        kinds.removeAll(keepingCapacity: keepingCapacity)
        startTimes.removeAll(keepingCapacity: keepingCapacity)
        flags.removeAll(keepingCapacity: keepingCapacity)
    }
}

/// Float64 constants by their exact bits.
public enum FloatBits {
    /// Prometheus' stale marker, a signalling NaN: arithmetic or formatting may quieten it, so it travels as bits.
    /// <https://github.com/prometheus/prometheus/blob/main/model/value/value.go>
    public static let staleMarker: UInt64 = 0x7ff0_0000_0000_0002
    /// Prometheus' ordinary NaN.
    public static let normalNaN: UInt64 = 0x7ff8_0000_0000_0001
    public static let positiveInfinity: UInt64 = 0x7ff0_0000_0000_0000
    public static let negativeInfinity: UInt64 = 0xfff0_0000_0000_0000

    @inline(__always) public static func isNaN(_ bits: UInt64) -> Bool {
        bits & 0x7fff_ffff_ffff_ffff > positiveInfinity
    }
    @inline(__always) public static func isFinite(_ bits: UInt64) -> Bool {
        bits & positiveInfinity != positiveInfinity
    }
}
