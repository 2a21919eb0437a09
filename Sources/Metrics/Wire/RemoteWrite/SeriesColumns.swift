/// Points side by side with the others of their series: values and times as remote write has them, and what they take
/// there.
struct SeriesColumns: Sendable {
    /// Where the points of each series end.
    private(set) var ends: [Int] = []
    /// What the samples of each series take, bytes.
    private(set) var sizes: [Int] = []
    private(set) var bits: [UInt64] = []
    /// Milliseconds since the epoch as a varint: its first byte is the lowest. Later times are larger numbers.
    private(set) var times: [UInt64] = []
    private(set) var count = 0
    /// Series that have points.
    private(set) var seriesCount = 0

    /// - Parameters:
    ///   - points: float64 samples.
    ///   - runs: ordinals, ascending.
    ///   - series: the ids that those points have.
    /// - Returns: false when a time is not behind the epoch; the columns are then of no use.
    mutating func fill(_ points: PointColumns, _ runs: some Sequence<Range<Int>>, of series: Range<Int>) -> Bool {
        // By counting: how many points each series has, where its points begin, and then each point in its place.
        ends.removeAll(keepingCapacity: true)
        ends.append(contentsOf: repeatElement(0, count: series.count))
        sizes.removeAll(keepingCapacity: true)
        sizes.append(contentsOf: repeatElement(0, count: series.count))
        count = 0
        for run in runs {
            precondition(run.upperBound <= points.count, "a slice lies inside its batch")
            count += run.count
            ends.withUnsafeMutableBufferPointer { ends in
                points.series.withUnsafeBufferPointer { ids in
                    for ordinal in run {
                        let index = Int(ids[ordinal]) - series.lowerBound
                        precondition(index >= 0 && index < ends.count, "the points are of these series")
                        ends[index] &+= 1
                    }
                }
            }
        }
        if bits.count < count {
            bits = Array(repeating: 0, count: max(count, 2 * bits.count))
            times = Array(repeating: 0, count: bits.count)
        }
        var start = 0
        seriesCount = 0
        for index in ends.indices {
            seriesCount += ends[index] > 0 ? 1 : 0
            (ends[index], start) = (start, start + ends[index])
        }
        for run in runs where !place(points, run, series) { return false }
        return true
    }

    private mutating func place(_ points: PointColumns, _ run: Range<Int>, _ series: Range<Int>) -> Bool {
        return ends.withUnsafeMutableBufferPointer { ends in
            sizes.withUnsafeMutableBufferPointer { sizes in
                bits.withUnsafeMutableBufferPointer { bits in
                    times.withUnsafeMutableBufferPointer { times in
                        // Neighbours mostly are of one scrape.
                        var form = SampleForm()
                        let (ids, nanoseconds, values) = (points.series.span, points.times.span, points.bits.span)
                        for ordinal in run {
                            guard form.set(nanoseconds[ordinal]) else { return false }
                            // Counted before, and so inside of all four.
                            let index = Int(ids[ordinal]) - series.lowerBound
                            let place = ends[index]
                            ends[index] = place &+ 1
                            bits[place] = values[ordinal]
                            times[place] = form.time
                            sizes[index] &+= values[ordinal] == 0 ? form.zeroBytes : form.bytes
                        }
                        return true
                    }
                }
            }
        }
    }
}

/// What samples of one time have in common.
private struct SampleForm {
    private var nanoseconds: Int64 = 0
    /// As in `SeriesColumns`; 0 before the first.
    private(set) var time: UInt64 = 0
    /// Of a sample, with a value of 0 and with another.
    private(set) var zeroBytes = 0
    private(set) var bytes = 0

    /// - Returns: false for a time that is not behind the epoch.
    @inline(__always)
    mutating func set(_ next: Int64) -> Bool {
        if next == nanoseconds { return time > 0 }
        let milliseconds = PrometheusTime.milliseconds(next)
        guard milliseconds > 0 else { return false }
        nanoseconds = next
        time = PackedVarint.of(milliseconds)
        let length = PackedVarint.length(time)
        zeroBytes = SampleHead.length(isZero: true, timeLength: length)
        bytes = SampleHead.length(isZero: false, timeLength: length)
        return true
    }
}

/// A varint of up to seven bytes as a number.
enum PackedVarint {
    /// - Parameter milliseconds: more than 0; of nanoseconds in 64 bits they have 44 bits at most.
    static func of(_ milliseconds: Int64) -> UInt64 {
        var rest = UInt64(milliseconds)
        var packed: UInt64 = 0
        var shift: UInt64 = 0
        while rest >= 0x80 {
            packed |= (rest & 0x7f | 0x80) << shift
            rest >>= 7
            shift += 8
        }
        return packed | rest << shift
    }

    /// The last byte of a varint of more than 0 is not 0.
    @inline(__always)
    static func length(_ packed: UInt64) -> Int { 8 - packed.leadingZeroBitCount / 8 }
}

/// The first three bytes of a sample: its key, its length, and the key of the value, or of the time where the value is 0
/// and left out. Samples with the same head are as long as each other.
enum SampleHead {
    @inline(__always)
    static func of(isZero: Bool, timeLength: Int) -> UInt64 {
        isZero ? UInt64(1 + timeLength) << 8 | 0x10_00_12 : UInt64(10 + timeLength) << 8 | 0x09_00_12
    }

    /// Of the whole sample.
    @inline(__always)
    static func length(isZero: Bool, timeLength: Int) -> Int { isZero ? 3 + timeLength : 12 + timeLength }

    static let bytes = 3
    @inline(__always) static func length(_ head: UInt64) -> Int { Int(head >> 8 & 0xff) + 2 }
    @inline(__always) static func isZero(_ head: UInt64) -> Bool { head >> 16 == 0x10 }
    @inline(__always) static func timeLength(_ head: UInt64) -> Int {
        Int(head >> 8 & 0xff) - (isZero(head) ? 1 : 10)
    }
}
