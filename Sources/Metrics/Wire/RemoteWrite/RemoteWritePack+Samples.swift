extension RemoteWritePack {
    func head(_ index: Int) -> UInt64 {
        SampleHead.of(isZero: bits[index] == 0, timeLength: PackedVarint.length(times[index]))
    }

    /// - Parameters:
    ///   - other: its samples are looked at for the same times.
    ///   - isBegun: the head of the first sample is written.
    /// - Returns: whether all samples are of a form.
    mutating func appendSamples(of this: Message, after other: Message?, isBegun: Bool) -> Bool {
        var isEven = true
        // Bytes of the sample at hand that are written.
        var begun = isBegun ? SampleHead.bytes : 0
        var at = this.samplesAt
        var theirs = SampleWalk(other?.points ?? 0..<0, at: other?.samplesAt ?? 0, bits, times)
        var sampleHead = head(this.points.lowerBound)
        var before: (head: UInt64, value: UInt64, time: UInt64) = (0, 0, 0)
        for index in this.points {
            let (value, time) = (bits[index], times[index])
            let length = SampleHead.length(sampleHead)
            let isLast = index + 1 == this.points.upperBound
            let nextHead = isLast ? 0 : head(index + 1)
            if !isLast, nextHead != sampleHead { isEven = false }
            if begun == 0 {
                writer.literal(sampleHead, SampleHead.bytes)
                begun = SampleHead.bytes
            }
            // The key of the time, which a copy of the time takes along.
            let hasKey =
                SampleHead.isZero(sampleHead)
                || appendValue(value, begun - SampleHead.bytes, before.value, sampleHead == before.head ? length : 0)
            let keyed = hasKey ? time : time << 8 | 0x10
            let keyedLength = SampleHead.timeLength(sampleHead) + (hasKey ? 0 : 1)
            let end = at + length
            theirs.skip(before: time, bits, times)
            if theirs.isAt(time, times), end - theirs.end <= SnappyWriter.mostBack {
                let back = end - theirs.end
                theirs.step(bits, times)
                var more = 0
                if !isLast, theirs.head == nextHead {
                    more = SampleHead.bytes
                    let next = bits[index + 1]
                    if next != 0, next != value { more += (next ^ bits[theirs.index]).trailingZeroBitCount / 8 }
                }
                begun = appendTime(keyed, keyedLength, back: back, more)
            } else if sampleHead == before.head {
                let changed = time ^ before.time
                let low = min(keyedLength, 8 - changed.leadingZeroBitCount / 8 + (hasKey ? 0 : 1))
                writer.literal(keyed, low)
                begun = appendTime(
                    keyed >> UInt64(8 * low), keyedLength - low, back: length,
                    nextHead == sampleHead ? SampleHead.bytes : 0)
            } else {
                writer.literal(keyed, keyedLength)
                begun = 0
            }
            before = (sampleHead, value, time)
            sampleHead = nextHead
            at = end
        }
        return isEven
    }

    /// - Parameters:
    ///   - written: so many bytes of it are.
    ///   - back: where the value before is, which belongs to a sample of the same form; 0 when there is none.
    /// - Returns: whether the key behind the value is written too.
    @inline(__always)
    mutating func appendValue(_ value: UInt64, _ written: Int, _ before: UInt64, _ back: Int) -> Bool {
        if back == 0 {
            writer.literal(value >> UInt64(8 * written), 8 - written)
            return false
        }
        let changed = value ^ before
        if changed == 0, written == 0 {
            writer.copy(back, 9)
            return true
        }
        let top = changed.leadingZeroBitCount / 8
        guard top + 1 >= SnappyWriter.shortestCopy, written + top < 8 else {
            writer.literal(value >> UInt64(8 * written), 8 - written)
            return false
        }
        writer.literal(value >> UInt64(8 * written), 8 - written - top)
        writer.copy(back, top + 1)
        return true
    }

    /// - Parameters:
    ///   - back: where the same bytes are.
    ///   - more: so many bytes of the next sample are behind them.
    /// - Returns: how many of these are written.
    @inline(__always)
    mutating func appendTime(_ time: UInt64, _ length: Int, back: Int, _ more: Int) -> Int {
        guard length + more >= SnappyWriter.shortestCopy else {
            writer.literal(time, length)
            return 0
        }
        writer.copy(back, length + more)
        return more
    }
}

/// The samples of a message, one after the other.
private struct SampleWalk {
    /// In the columns.
    private(set) var index: Int
    private let last: Int
    /// Of the sample at hand; 0 behind the last.
    private(set) var head: UInt64 = 0
    /// Where the sample at hand ends, in the plain bytes.
    private(set) var end: Int

    init(_ points: Range<Int>, at start: Int, _ bits: UnsafeBufferPointer<UInt64>, _ times: UnsafeBufferPointer<UInt64>)
    {
        index = points.lowerBound
        last = points.upperBound
        end = start
        look(bits, times)
    }

    @inline(__always)
    private mutating func look(_ bits: UnsafeBufferPointer<UInt64>, _ times: UnsafeBufferPointer<UInt64>) {
        guard index < last else {
            head = 0
            return
        }
        head = SampleHead.of(isZero: bits[index] == 0, timeLength: PackedVarint.length(times[index]))
        end += SampleHead.length(head)
    }

    @inline(__always)
    mutating func step(_ bits: UnsafeBufferPointer<UInt64>, _ times: UnsafeBufferPointer<UInt64>) {
        index += 1
        look(bits, times)
    }

    @inline(__always)
    mutating func skip(before time: UInt64, _ bits: UnsafeBufferPointer<UInt64>, _ times: UnsafeBufferPointer<UInt64>) {
        while index < last, times[index] < time { step(bits, times) }
    }

    @inline(__always)
    func isAt(_ time: UInt64, _ times: UnsafeBufferPointer<UInt64>) -> Bool { index < last && times[index] == time }
}
