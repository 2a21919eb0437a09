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
    private var strips: [SeriesStrip] = []
    /// How they were filled.
    private(set) var isOfStrips = false

    /// - Parameters:
    ///   - points: float64 samples.
    ///   - runs: ordinals, ascending.
    ///   - series: the ids that those points have.
    /// - Returns: false when a time is not behind the epoch; the columns are then of no use.
    mutating func fill(_ points: PointColumns, _ runs: some Sequence<Range<Int>>, of series: Range<Int>) -> Bool {
        begin(runs, points, series)
        isOfStrips = findStrips(points, runs, series)
        if isOfStrips {
            gather(points.bits)
            return true
        }
        return fillByCounting(points, runs, series)
    }

    mutating func begin(_ runs: some Sequence<Range<Int>>, _ points: PointColumns, _ series: Range<Int>) {
        ends.removeAll(keepingCapacity: true)
        ends.append(contentsOf: repeatElement(0, count: series.count))
        sizes.removeAll(keepingCapacity: true)
        sizes.append(contentsOf: repeatElement(0, count: series.count))
        (count, seriesCount) = (0, 0)
        for run in runs {
            precondition(run.upperBound <= points.count, "a slice lies inside its batch")
            count += run.count
        }
        if bits.count < count {
            bits = Array(repeating: 0, count: max(count, 2 * bits.count))
            times = Array(repeating: 0, count: bits.count)
        }
    }

    // MARK: Strips

    /// - Returns: whether the points are few strips. Each of them is looked at for each group of series.
    private mutating func findStrips(
        _ points: PointColumns, _ runs: some Sequence<Range<Int>>, _ series: Range<Int>
    ) -> Bool {
        strips.removeAll(keepingCapacity: true)
        let most = Int(Double(2 * count).squareRoot())
        var form = SampleForm()
        for run in runs {
            var ordinal = run.lowerBound
            while ordinal < run.upperBound {
                guard strips.count < most, form.set(points.times[ordinal]) else { return false }
                let length = SeriesStrip.length(points, ordinal..<run.upperBound)
                let first = Int(points.series[ordinal]) - series.lowerBound
                precondition(first >= 0 && first + length <= series.count, "the points are of these series")
                strips.append(SeriesStrip(series: first..<first + length, ordinal: ordinal, form: form))
                ordinal += length
            }
        }
        return true
    }

    /// Series by series: all between two ends of strips have points in the same ones.
    private mutating func gather(_ values: [UInt64]) {
        var bounds = strips.flatMap { [$0.series.lowerBound, $0.series.upperBound] } + [0, ends.count]
        bounds.sort()
        var place = 0
        var rows: [(shift: Int, time: UInt64)] = []
        for (first, end) in zip(bounds, bounds.dropFirst()) where first < end {
            rows.removeAll(keepingCapacity: true)
            var size = 0
            for strip in strips where strip.series.lowerBound <= first && end <= strip.series.upperBound {
                rows.append((strip.ordinal - strip.series.lowerBound, strip.form.time))
                size += strip.form.bytes
            }
            if !rows.isEmpty { seriesCount += end - first }
            place = gather(values, first..<end, rows, size, at: place)
        }
    }

    /// - Parameters:
    ///   - rows: what a series' index is less than the ordinal of its point, and the time there.
    ///   - size: of the samples of a series, when no value is 0.
    /// - Returns: the place behind them.
    private mutating func gather(
        _ values: [UInt64], _ series: Range<Int>, _ rows: [(shift: Int, time: UInt64)], _ size: Int, at first: Int
    ) -> Int {
        var place = first
        precondition(first + series.count * rows.count <= bits.count, "the points were counted")
        values.withUnsafeBufferPointer { values in
            bits.withUnsafeMutableBufferPointer { bits in
                times.withUnsafeMutableBufferPointer { times in
                    for index in series {
                        var zeros = 0
                        for row in rows {
                            // Inside of its strip, which was walked.
                            let value = values[row.shift &+ index]
                            bits[place] = value
                            times[place] = row.time
                            zeros &+= value == 0 ? 1 : 0
                            place &+= 1
                        }
                        ends[index] = place
                        sizes[index] = size &- zeros &* SampleHead.zeroSaves
                    }
                }
            }
        }
        return place
    }

    // MARK: Counting

    /// How many points each series has, where its points begin, and then each point in its place. As `fill`.
    mutating func fillByCounting(
        _ points: PointColumns, _ runs: some Sequence<Range<Int>>, _ series: Range<Int>
    ) -> Bool {
        for run in runs {
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
        var start = 0
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

/// Neighbours in a batch that are neighbours among the series too, all of one time: a part of a scrape.
struct SeriesStrip: Sendable {
    /// From the first that is filled on.
    var series: Range<Int>
    /// Of its first point.
    var ordinal: Int
    fileprivate var form: SampleForm

    /// - Parameter ordinals: not empty.
    /// - Returns: how many of the first of them are a strip.
    static func length(_ points: PointColumns, _ ordinals: Range<Int>) -> Int {
        points.series[ordinals].withUnsafeBufferPointer { ids in
            points.times[ordinals].withUnsafeBufferPointer { times in
                let (id, time) = (ids[0], times[0])
                var length = 1
                // A processor compares sixteen at a time where nothing depends on each.
                while length + 16 <= ids.count {
                    var (idsDiffer, timesDiffer): (UInt32, Int64) = (0, 0)
                    for index in length..<length &+ 16 {
                        idsDiffer |= ids[index] ^ (id &+ UInt32(truncatingIfNeeded: index))
                        timesDiffer |= times[index] ^ time
                    }
                    if idsDiffer != 0 || timesDiffer != 0 { break }
                    length += 16
                }
                while length < ids.count, ids[length] == id &+ UInt32(length), times[length] == time { length += 1 }
                return length
            }
        }
    }
}

/// What samples of one time have in common.
private struct SampleForm: Sendable {
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
